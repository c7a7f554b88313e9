import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { loadScenarios } from "../../../../scenarios/suite/load.ts";
import { libraryFiles } from "../../../../scenarios/library/library.ts";

describe.each(await libraryFiles())("%s", (file) => {
  test("says that it needs what only our own cloudcore shows", async () => {
    const looksIntoCloud = /hop == "(hub|controller)\.|at: metrics/.test(readFileSync(file, "utf8"));
    for (const { needs } of await loadScenarios(file)) {
      if (looksIntoCloud) expect(needs).toContain("cloud-messages");
    }
  });
});

test("no folder of scenarios is left out", async () => {
  const root = new URL("../../../../scenarios/library/", import.meta.url);
  const folders = readdirSync(root, { withFileTypes: true }).filter((entry) =>
    entry.isDirectory() && !["load", "models", "stages"].includes(entry.name)
  );
  const all = folders.flatMap(({ name }) =>
    readdirSync(new URL(`${name}/`, root)).filter((file) => file.endsWith(".yaml")).map((file) => `${name}/${file}`)
  );
  const known = (await libraryFiles()).map((file) => file.split(/[\\/]/).slice(-2).join("/"));
  expect(known.sort()).toEqual(all.sort());
});
