// Files that say what to do: which are read, and what is said of those that aren't.
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { limits } from "../../../../protocol/limits.ts";
import { readText } from "../../../../scenarios/files/yaml-document.ts";

const folder = mkdtempSync(join(tmpdir(), "skep-files-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("a file that is larger than any scenario is refused by its size, before it is read", async () => {
  const file = join(folder, "huge.yaml");
  writeFileSync(file, "");
  truncateSync(file, limits.scenarioFile);
  expect((await readText(file)).length).toBe(limits.scenarioFile);
  truncateSync(file, 1024 ** 4);
  await expect(readText(file)).rejects.toThrow(`it has ${1024 ** 4} bytes, and may have ${limits.scenarioFile}`);
});

test("a folder in its place is named as one", async () => {
  await expect(readText(folder)).rejects.toThrow(/it is a folder; name the files in it/);
});
