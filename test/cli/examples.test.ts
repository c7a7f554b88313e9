// Every example in the README and the guides holds when it is run, and every page and file they name is there.
import { execFile } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, describe, expect, test } from "vitest";
import { parseCloudCoreFile } from "../../cloud/config/file.ts";
import { blocks, pages, read, root } from "../support/pages.ts";

const exec = promisify(execFile);
const folder = mkdtempSync(join(tmpdir(), "skep-examples-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("examples", () => {
  const examples = pages.flatMap((page) => blocks(page, "yaml").map((text, i) => [`${page} #${i + 1}`, text] as const));
  test.each(examples)("%s holds when it is run", async (_name, text) => {
    const file = join(folder, "example.yaml");
    writeFileSync(file, text);
    const { stdout } = await exec(process.execPath, [
      "bin/skep.mjs",
      "run",
      file,
      "--port",
      "0",
      "--report",
      join(folder, "report"),
    ], { cwd: root });
    expect(stdout).toContain("1 passed, 0 failed");
  }, 180_000);

  test("every load profile in a page passes when it is run", async () => {
    for (const [i, text] of pages.flatMap((page) => blocks(page, "yaml load")).entries()) {
      const file = join(folder, `load-${i}.yaml`);
      writeFileSync(file, text);
      const args = ["bin/skep.mjs", "load", file, "--duration", "3s", "--report", join(folder, "report")];
      const { stdout } = await exec(process.execPath, args, { cwd: root });
      expect(stdout).toMatch(/passed: \d+ thresholds held/);
    }
  }, 60_000);

  const coded = pages.flatMap((page) => blocks(page, "ts").map((text, i) => [`${page} #${i + 1}`, text] as const));
  test.each(coded)("%s works as it stands, with skep from here", async (_name, text) => {
    const own = join(root, "test", ".examples");
    mkdirSync(own, { recursive: true });
    const isTest = text.includes('from "vitest"');
    const isDeno = text.includes("Deno.test");
    const file = join(own, isTest || isDeno ? "example.test.ts" : "example.ts");
    writeFileSync(file, text.replace('from "skep"', `from ${JSON.stringify(join(root, "index.ts"))}`));
    try {
      const args = isTest
        ? [join("node_modules", "vitest", "vitest.mjs"), "run", file]
        : ["bin/skep.mjs", "run", file, "--port", "0", "--report", join(folder, "report")];
      const [program, ...given] = isDeno
        ? [join("node_modules", ".bin", "deno"), "test", "-A", "--no-check", file]
        : [process.execPath, ...args];
      const { stdout } = await exec(program, given, { cwd: root, env: { ...process.env, NO_COLOR: "1" } });
      expect(stdout).toMatch(isTest ? /Tests +1 passed/ : isDeno ? /1 passed/ : /1 passed, 0 failed/);
    } finally {
      rmSync(own, { recursive: true, force: true });
    }
  }, 60_000);

  test("docs/cloudcore.yaml, and every cloudcore.yaml in a page, is one without a warning", () => {
    const files = [read("docs/cloudcore.yaml"), ...pages.flatMap((page) => blocks(page, "yaml cloudcore"))];
    for (const text of files) expect(parseCloudCoreFile(text, "docs/cloudcore.yaml").warnings).toEqual([]);
  });

  test("every page that the program names is there", () => {
    const sources = ["cloud", "cli", "edge-sim", "protocol", "scenarios"].flatMap((room) =>
      readdirSync(join(root, room), { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".ts"))
        .map((name) => `${room}/${name}`)
    );
    const named = new Set(
      sources.flatMap((source) => [...read(source).matchAll(/docs\/[\w.-]+\.md/g)].map(([name]) => name)),
    );
    expect([...named].filter((name) => !existsSync(join(root, name)))).toEqual([]);
    expect(named.size).toBeGreaterThan(1);
  });

  test("every file that a page links to is there", () => {
    const missing = [...pages, "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"].flatMap((page) =>
      [...read(page).matchAll(/\]\(([^)#:]+)\)/g)].map((match) => join(page, "..", match[1] as string)).filter((path) =>
        !existsSync(join(root, path))
      )
    );
    expect(missing).toEqual([]);
  });
});
