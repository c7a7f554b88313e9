// Every command of the README and the guides is executed, in the order in which a reader would.
import { type ChildProcess, execFile, spawn, spawnSync } from "node:child_process";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { blocks, read, root } from "../support/pages.ts";
import { until } from "../support/until.ts";

const hasKubectl = spawnSync("kubectl", ["version", "--client"]).status === 0;
const exec = promisify(execFile);

/** The lines of all shell blocks, without comments. */
function commands(page: string): string[] {
  return blocks(page, "sh").flatMap((block) => block.split("\n")).map((line) => line.replace(/\s+#.*$/, "").trim())
    .filter((line) => line !== "");
}

/** What the test run itself is made of, or would run it again; their scripts must be there. */
const outer = ["npm start", "npm test", "npm run typecheck", "npm run lint", "npm run -s skep -- run"];
const staying = /skep -- (up|apiserver|cloudcore|fleet|proxy)\b(?!.*--(crds|seed-conf|minconfig|defaultconfig))/;

/** A reader's terminal: variables that were exported, and programs that stay. */
class Terminal {
  readonly env: Record<string, string | undefined> = {
    ...process.env,
    CI: "true",
    NO_COLOR: "1",
    // Tests beside this one run skep from the same folder.
    SKEP_RUN_FOLDER: mkdtempSync(join(tmpdir(), "skep-readme-")),
  };
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
    const own = /^websocket +wss:\/\/(\S+)$/m.exec(text)?.[1];
    if (name === "up" && own !== undefined) {
      this.#hub = `${own} --enrolment-port ${/^enrolment +https:\/\/\S+:(\d+)$/m.exec(text)?.[1]}`;
    }
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
afterAll(() => terminal.leave());
/** Runs that an earlier page has: they depend on nothing else, and take long. */
const typed = new Set<string>();

describe.each([
  "README.md",
  "CONTRIBUTING.md",
  "docs/cloudcore.md",
  "docs/fleet.md",
  "docs/load.md",
  "docs/v1.1.md",
  "docs/debugging.md",
  "docs/proxy.md",
  "docs/targets.md",
  "docs/code.md",
])(
  "%s",
  (page) => {
    // They look at what runs: what earlier pages have left running is not theirs.
    if (page === "docs/debugging.md" || page === "docs/proxy.md") beforeAll(() => terminal.leave());
    for (const line of commands(page)) {
      if (/skep -- (load|list|run|matrix) /.test(line) && typed.has(line)) continue;
      typed.add(line);
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
