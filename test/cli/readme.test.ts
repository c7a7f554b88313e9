// Every command and example of the README and the guides is executed, in the order in which a reader would.
import { type ChildProcess, execFile, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, describe, expect, test } from "vitest";
import { parseCloudCoreFile } from "../../cloud/config/file.ts";
import { until } from "../support/until.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const read = (name: string) => readFileSync(join(root, name), "utf8");
const hasKubectl = spawnSync("kubectl", ["version", "--client"]).status === 0;
const exec = promisify(execFile);

function blocks(page: string, language: string): string[] {
  return [...read(page).matchAll(new RegExp("```" + language + "\\n([\\s\\S]*?)```", "g"))].map((match) =>
    match[1] as string
  );
}

/** The lines of all shell blocks, without comments. */
function commands(page: string): string[] {
  return blocks(page, "sh").flatMap((block) => block.split("\n")).map((line) => line.replace(/\s+#.*$/, "").trim())
    .filter((line) => line !== "");
}

/** What the test run itself is made of, or would run it again; their scripts must be there. */
const outer = ["npm start", "npm test", "npm run typecheck", "npm run lint", "npm run -s skep -- run"];
const staying = /skep -- (up|apiserver|cloudcore|fleet)\b(?!.*--(crds|seed-conf|minconfig|defaultconfig))/;

/** A reader's terminal: variables that were exported, and programs that stay. */
class Terminal {
  readonly env: Record<string, string | undefined> = { ...process.env, CI: "true", NO_COLOR: "1" };
  readonly #running: { readonly name: string; readonly child: ChildProcess }[] = [];
  #hub = "";

  async type(line: string): Promise<string> {
    const exported = /^export (\w+)=(.*)$/.exec(line);
    if (exported !== null) {
      const [, name = "", value = ""] = exported;
      this.env[name] = (await exec("bash", ["-c", `printf %s ${value}`], { cwd: root, env: this.env })).stdout;
      return this.env[name];
    }
    const stays = staying.exec(line)?.[1];
    // KubeEdge's ports are stepped around where something else has them; a reader would then type what was printed.
    const typed = this.#hub === "" ? line : line.replace("--cloudcore 127.0.0.1:10000", `--cloudcore ${this.#hub}`);
    if (stays !== undefined) return await this.#stay(stays, typed);
    try {
      const { stdout } = await exec("bash", ["-c", typed], { cwd: root, env: this.env, maxBuffer: 64 * 1024 * 1024 });
      return stdout;
    } catch (error) {
      const { stdout = "", stderr = "" } = error as { stdout?: string; stderr?: string };
      throw new Error(`"${typed}" failed; it said ${stdout.slice(-20_000)} ${stderr.slice(-5_000)}`);
    }
  }

  async #stay(name: string, line: string): Promise<string> {
    // A new API takes the place of the one that `up` brought.
    if (name === "apiserver") await this.leave("up");
    // A page's programs are started where those of the page before have been left.
    await this.leave(name);
    const child = spawn("bash", ["-c", `exec ${line}`], {
      cwd: root,
      env: this.env,
      stdio: ["ignore", "pipe", "pipe"],
      detached: true,
    });
    let text = "";
    for (const stream of [child.stdout, child.stderr]) stream?.on("data", (chunk) => text += String(chunk));
    this.#running.push({ name, child });
    await until(`"${line}" says ready; it said ${text}`, () => /^ready$/m.test(text), 20_000);
    const ports = /skep fleet --cloudcore (\S+) --enrolment-port (\d+)/.exec(text);
    if (name === "cloudcore" && ports !== null) this.#hub = `${ports[1]} --enrolment-port ${ports[2]}`;
    return text;
  }

  /** Ctrl-C in that program's window, or in all. */
  async leave(name?: string): Promise<void> {
    for (const { name: own, child } of this.#running) {
      if (
        (name !== undefined && own !== name) || child.exitCode !== null || child.signalCode !== null ||
        child.pid === undefined
      ) continue;
      const ended = new Promise((resolve) => child.once("close", resolve));
      process.kill(-child.pid, "SIGINT");
      await ended;
    }
  }
}

const terminal = new Terminal();
const folder = mkdtempSync(join(tmpdir(), "skep-readme-"));
afterAll(async () => {
  await terminal.leave();
  rmSync(folder, { recursive: true, force: true });
});

describe.each(["README.md", "CONTRIBUTING.md", "docs/cloudcore.md", "docs/fleet.md", "docs/load.md", "docs/v1.1.md"])(
  "%s",
  (page) => {
    for (const line of commands(page)) {
      if (outer.includes(line)) {
        test(`\`${line}\` is there`, () => {
          const [script = ""] = line.replace(/^npm (run )?(-s )?/, "").split(" ");
          expect(JSON.parse(read("package.json")).scripts).toHaveProperty(script);
        });
        continue;
      }
      const needs = line.includes("kubectl") || line.includes("--cloudcore");
      test.skipIf(needs && !hasKubectl)(
        `\`${line}\`${needs && !hasKubectl ? " [needs kubectl, which is not on this machine]" : ""}`,
        async () => {
          await terminal.type(line);
        },
        180_000,
      );
    }
  },
);

describe("examples", () => {
  const pages = [
    "README.md",
    ...readdirSync(join(root, "docs")).filter((name) => name.endsWith(".md")).map((name) => `docs/${name}`),
  ];
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
