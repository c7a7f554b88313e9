// The published shape: what `npm pack` gives, installed into an empty folder.
import { execFile, spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parse } from "yaml";
import { workFolder } from "../support/command.ts";
import { blocks } from "../support/pages.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const hasNpm = spawnSync("npm", ["--version"], { shell: process.platform === "win32" }).status === 0;

describe.skipIf(!hasNpm)(`the package${hasNpm ? "" : " [needs npm, which is not on this machine]"}`, () => {
  const folder = workFolder();
  const source = join(folder.path, "source");
  const app = join(folder.path, "app");
  // The Node that runs this test comes first: the one a user of the package has is new enough.
  const env = { ...process.env, PATH: `${dirname(process.execPath)}${delimiter}${process.env.PATH}` };
  const run = async (command: string, args: readonly string[], cwd: string) =>
    (await promisify(execFile)(command, args, { cwd, env, maxBuffer: 64 * 1024 * 1024 })).stdout;

  beforeAll(async () => {
    // A copy: packing puts another manifest in place for a moment.
    const unwanted = /^(node_modules|dist|skep-report|\.git)$/;
    cpSync(root, source, {
      recursive: true,
      filter: (path) => !unwanted.test(path.slice(root.length).replace(/^\//, "").split("/")[0] ?? ""),
    });
    symlinkSync(join(root, "node_modules"), join(source, "node_modules"));
    await run("npm", ["pack", "--pack-destination", folder.path, "--loglevel=error"], source);
    mkdirSync(app);
    writeFileSync(join(app, "package.json"), '{ "type": "module" }');
    const tarball = join(folder.path, "skep-0.1.0.tgz");
    await run("npm", ["install", "--no-audit", "--no-fund", "--loglevel=error", tarball], app);
  }, 120_000);
  afterAll(() => folder.remove());

  test("brings no Node of its own, says which it needs, and leaves the source's manifest as it was", () => {
    const manifest = JSON.parse(readFileSync(join(app, "node_modules", "skep", "package.json"), "utf8"));
    expect(Object.keys(manifest.optionalDependencies)).toEqual(["@matrixai/quic"]);
    expect(manifest.engines).toEqual({ node: ">=24" });
    expect(existsSync(join(app, "node_modules", "skep", "cli", "main.ts"))).toBe(false);
    expect(readFileSync(join(source, "package.json"), "utf8")).toBe(readFileSync(join(root, "package.json"), "utf8"));
  });

  test("`npx skep run` runs the library that comes with it", async () => {
    const out = await run("npx", ["skep", "run", "--tag", "smoke", "--port", "0"], app);
    expect(out).toMatch(/\n\d+ passed, 0 failed, 0 skipped/);
  }, 60_000);

  test("`npx skep init` writes a scenario whose schema is there", async () => {
    await run("npx", ["skep", "init", "mine.yaml"], app);
    const schema = /\$schema=(\S+)/.exec(readFileSync(join(app, "mine.yaml"), "utf8"))?.[1] ?? "";
    expect(existsSync(join(app, schema))).toBe(true);
  });

  test('`import { start } from "skep"` starts a world', async () => {
    writeFileSync(
      join(app, "a.mjs"),
      `import { start } from "skep";
await using skep = await start({ fleet: [{ cohort: "gw", count: 1 }] });
await skep.expect({ at: "edge/gw-0", match: { ready: true } });
console.log("it stands");
`,
    );
    expect(await run(process.execPath, ["a.mjs"], app)).toContain("it stands");
  }, 60_000);

  test("the recipes of docs/ci.md, step by step: each ends with 0 and leaves its reports", async () => {
    mkdirSync(join(app, "scenarios"));
    for (const name of ["one", "two"]) {
      const text =
        `skep: 1\nname: ${name}\nfleet: [{ cohort: gw, count: 1 }]\nsteps: [{ expect: { at: edge/gw-0, match: { ready: true } } }]\n`;
      writeFileSync(join(app, "scenarios", `${name}.yaml`), text);
    }
    const recipes = stepsOfRecipes();
    expect(Object.keys(recipes)).toEqual(["github", "gitlab", "jenkins", "tekton"]);
    for (const [name, steps] of Object.entries(recipes)) {
      expect(steps.some((step) => step.includes("npx skep run")), name).toBe(true);
      for (const step of steps) {
        // The package is installed already, from the clone.
        const line = step.replaceAll(/^npm install skep$/gm, "true").replaceAll("${{ matrix.shard }}", "1/2");
        const script = `set -eu\n${line.replaceAll(/^#!.*$/gm, "")}`;
        await promisify(execFile)("bash", ["-c", script], {
          cwd: app,
          env: { ...env, CI_NODE_INDEX: "2", CI_NODE_TOTAL: "2" },
        });
      }
      expect(readFileSync(join(app, "skep-report", "junit.xml"), "utf8"), name).toContain('failures="0"');
    }
  }, 120_000);

  describe("its worlds stand in the tests of", () => {
    const body = `
  await using world = await start({ edges: 2 });
  await world.apply({ apiVersion: "v1", kind: "ConfigMap", metadata: { name: "c" }, data: { a: "b" } });
  await world.expect({ at: "edge/edge-1", match: { ready: true } });
  const held = await world.judge();
  if (held.some(({ verdict }) => verdict === "broken")) throw new Error(JSON.stringify(held));
`;
    const write = (name: string, text: string) =>
      writeFileSync(join(app, name), `import { start } from "skep";\n${text}`);

    test("node:test", async () => {
      write("a.node.mjs", `import test from "node:test";\ntest("a world", async () => {${body}});\n`);
      expect(await run(process.execPath, ["--test", "a.node.mjs"], app)).toMatch(/# pass 1|pass 1/);
    }, 60_000);

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

    test("Deno.test", async () => {
      write("a.deno.mjs", `Deno.test("a world", async () => {${body}});\n`);
      const deno = join(root, "scripts", "deno.mjs");
      const out = await run(process.execPath, [
        deno,
        "test",
        "-A",
        "--node-modules-dir=manual",
        "--no-check",
        "a.deno.mjs",
      ], app);
      expect(out).toMatch(/1 passed/);
    }, 60_000);
  });
});

/** The commands of each recipe in docs/ci.md. */
function stepsOfRecipes(): Record<string, string[]> {
  const yaml = (language: string) => parse(blocks("docs/ci.md", language)[0] as string);
  const github = yaml("yaml github").jobs.skep.steps as { readonly run?: string }[];
  const [groovy = ""] = blocks("docs/ci.md", "groovy");
  return {
    github: github.flatMap(({ run }) => run === undefined ? [] : [run]),
    gitlab: yaml("yaml gitlab").scenarios.script,
    jenkins: [...groovy.matchAll(/sh '([^']+)'/g)].map(([, command]) => command as string),
    tekton: yaml("yaml tekton").spec.steps.map(({ script }: { readonly script: string }) => script),
  };
}
