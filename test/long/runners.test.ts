// Worlds in the tests of vitest and Jest, by the package as it is published; node:test and Deno.test are in test/interop/pack.test.ts.
import { execFile } from "node:child_process";
import { symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { workFolder } from "../support/command.ts";
import { hasPackages, packageIn, worldTest as body } from "../support/package.ts";
import { root } from "../support/pages.ts";

describe.skipIf(!hasPackages)(`a world in${hasPackages ? "" : " [needs npm, which is not on this machine]"}`, () => {
  const folder = workFolder();
  const { app, env, install, run } = packageIn(folder.path);
  beforeAll(install, 120_000);
  afterAll(() => folder.remove());
  const write = (name: string, text: string) =>
    writeFileSync(join(app, name), `import { start } from "skep";\n${text}`);

  test("vitest", async () => {
    write("a.vitest.mjs", `import { test } from "vitest";\ntest("a world", async () => {${body}});\n`);
    symlinkSync(join(root, "node_modules", "vitest"), join(app, "node_modules", "vitest"));
    const args = [
      join(root, "node_modules", "vitest", "vitest.mjs"),
      "run",
      "--root",
      ".",
      "--dir",
      ".",
      "a.vitest.mjs",
    ];
    writeFileSync(join(app, "vitest.config.mjs"), 'export default { test: { include: ["a.vitest.mjs"] } };\n');
    expect(await run(process.execPath, args, app)).toMatch(/1 passed/);
  }, 60_000);

  test("Jest", async () => {
    await run("npm", ["install", "--no-save", "--no-audit", "--no-fund", "--loglevel=error", "jest@30"], app);
    write("a.jest.mjs", `test("a world", async () => {${body}});\n`);
    const args = [
      "--experimental-vm-modules",
      join("node_modules", "jest", "bin", "jest.js"),
      "--testMatch",
      "**/a.jest.mjs",
    ];
    const { stderr } = await promisify(execFile)(process.execPath, args, { cwd: app, env });
    expect(stderr).toMatch(/Tests: +1 passed/);
  }, 120_000);
});
