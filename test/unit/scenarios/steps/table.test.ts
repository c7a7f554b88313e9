// The one table of steps: files, functions, the reference and the editor take them from there.
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { stepTable } from "../../../../scenarios/steps/table.ts";

test("the comment of each step's function is its summary", () => {
  const source = readFileSync(new URL("../../../../scenarios/steps/table.ts", import.meta.url), "utf8");
  const comments = [...source.matchAll(/\/\*\* (.*) \*\/\n {2}(\w+): \w+Step,/g)].map(([, text, name]) => [name, text]);
  expect(comments).toEqual([...stepTable.values()].map(({ name, summary }) => [name, summary]));
});

test("each step is called as it is named", () => {
  for (const [name, kind] of stepTable) expect(kind.name).toBe(name);
});
