// What is generated from the source is what lies in the tree.
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";

test("the schema, the step reference and the library page are up to date", async () => {
  const root = fileURLToPath(new URL("../..", import.meta.url));
  await expect(promisify(execFile)(process.execPath, ["scripts/generate.ts", "--check"], { cwd: root })).resolves
    .toBeDefined();
});
