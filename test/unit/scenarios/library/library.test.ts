import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { loadScenarios } from "../../../../scenarios/engine/parse.ts";
import { libraryFiles } from "../../../../scenarios/library/library.ts";

describe.each(await libraryFiles())("%s", (file) => {
  test("says that it needs what only our own cloudcore shows", async () => {
    const looksIntoCloud = /hop == "(hub|controller)\.|at: metrics/.test(readFileSync(file, "utf8"));
    for (const { needs } of await loadScenarios(file)) {
      if (looksIntoCloud) expect(needs).toContain("cloud-messages");
    }
  });
});
