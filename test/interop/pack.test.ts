// The published shape: what `npm pack` gives, installed into an empty folder.
import { execFile } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parse } from "yaml";
import { workFolder } from "../support/command.ts";
import { copyClone, hasPackages, packageIn, worldTest } from "../support/package.ts";
import { blocks, root } from "../support/pages.ts";

describe.skipIf(!hasPackages)(`the package${hasPackages ? "" : " [needs npm, which is not on this machine]"}`, () => {
  const folder = workFolder();
  const { app, env, install, run, source } = packageIn(folder.path);
  beforeAll(install, 120_000);
  afterAll(() => folder.remove());

  test("brings no Node of its own, says which it needs, and leaves the source's manifest as it was", () => {
    const manifest = JSON.parse(readFileSync(join(app, "node_modules", "skep", "package.json"), "utf8"));
    expect(Object.keys(manifest.optionalDependencies)).toEqual(["@matrixai/quic"]);
    expect(manifest.engines).toEqual({ node: ">=24" });
    expect(manifest.publishConfig).toEqual({ access: "public", provenance: true });
    // Nothing runs while it is installed.
    expect(Object.keys(manifest.scripts ?? {}).filter((name) => /^(pre|post)?install$|^prepare$/.test(name))).toEqual(
      [],
    );
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
    const write = (name: string, text: string) =>
      writeFileSync(join(app, name), `import { start } from "skep";\n${text}`);

    test("node:test", async () => {
      write("a.node.mjs", `import test from "node:test";\ntest("a world", async () => {${worldTest}});\n`);
      expect(await run(process.execPath, ["--test", "a.node.mjs"], app)).toMatch(/# pass 1|pass 1/);
    }, 60_000);

    test("Deno.test", async () => {
      write("a.deno.mjs", `Deno.test("a world", async () => {${worldTest}});\n`);
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

describe("the package for JSR", () => {
  const folder = workFolder();
  afterAll(() => folder.remove());
  const deno = async (args: readonly string[], cwd: string) =>
    await promisify(execFile)(process.execPath, [join(root, "scripts", "deno.mjs"), ...args], {
      cwd,
      env: { ...process.env, NO_COLOR: "1" },
      maxBuffer: 64 * 1024 * 1024,
    });

  test("has all it needs, and its command and a world run on Deno in a folder with nothing else", async () => {
    const source = join(folder.path, "source");
    const published = join(folder.path, "published");
    copyClone(source);
    const { stderr } = await deno(
      ["publish", "--dry-run", "--allow-dirty", "--allow-slow-types", "--no-check"],
      source,
    );
    const files = [...stderr.matchAll(/^ +file:\/\/(\S+) \(/gm)].map(([, file]) => relative(source, file as string));
    expect(files).toContain("index.ts");
    expect(files.filter((file) => /^(test|scripts|\.ci)\//.test(file))).toEqual([]);
    for (const file of files) cpSync(join(source, file), join(published, file));
    symlinkSync(join(root, "node_modules"), join(published, "node_modules"));
    const report = ["--report", join(folder.path, "report")];
    const { stdout } = await deno(
      ["run", "-A", "cli/main.ts", "run", "--tag", "smoke", "--port", "0", ...report],
      published,
    );
    expect(stdout).toMatch(/\n\d+ passed, 0 failed, 0 skipped/);
    const app = join(folder.path, "app");
    mkdirSync(app);
    // What the registry writes into the published files: each dependency with its version.
    const { dependencies, optionalDependencies } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
    const named = Object.entries({ ...dependencies, ...optionalDependencies, testcontainers: "12" });
    const imports = Object.fromEntries(named.map(([name, version]) => [name, `npm:${name}@${version}`]));
    symlinkSync(join(root, "node_modules"), join(app, "node_modules"));
    writeFileSync(
      join(app, "deno.json"),
      JSON.stringify({ nodeModulesDir: "manual", imports: { ...imports, skep: "../published/index.ts" } }),
    );
    writeFileSync(
      join(app, "a.test.ts"),
      `import { start } from "skep";\nDeno.test("a world", async () => {${worldTest}});\n`,
    );
    expect((await deno(["test", "-A", "--no-check", "a.test.ts"], app)).stdout).toMatch(/1 passed/);
  }, 120_000);

  test("has the version of the package for npm", () => {
    const version = (file: string) => JSON.parse(readFileSync(join(root, file), "utf8")).version;
    expect(version("deno.json")).toBe(version("package.json"));
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
