// Runs `skep` as a user would, in a folder of its own, and tells what it printed and how it ended.
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { until } from "./until.ts";

const bin = fileURLToPath(new URL("../../bin/skep.mjs", import.meta.url));

export interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** A folder that is removed when the test file is over. */
export function workFolder(): { readonly path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), "skep-cli-"));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

/** A command that is running. */
export class Command {
  readonly child: ChildProcess;
  out = "";
  err = "";
  readonly #ended: Promise<number | null>;

  /** `source` is the clone whose skep runs; default: this one. */
  constructor(cwd: string, args: readonly string[], env: Record<string, string> = {}, source?: string) {
    const command = source === undefined ? bin : join(source, "bin", "skep.mjs");
    this.child = spawn(process.execPath, [command, ...args], {
      cwd,
      env: { ...process.env, NO_COLOR: "1", ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.child.stdout?.on("data", (chunk) => this.out += String(chunk));
    this.child.stderr?.on("data", (chunk) => this.err += String(chunk));
    this.#ended = new Promise((resolve) => this.child.on("close", (code) => resolve(code)));
  }

  /** Waits for a text on either output. */
  async says(text: string | RegExp, ms = 20_000): Promise<string> {
    await until(`the command says ${text}; it said ${this.out}${this.err}`, () => {
      if (this.child.exitCode !== null) {
        throw new Error(`it has ended with ${this.child.exitCode}: ${this.out}${this.err}`);
      }
      const all = this.out + this.err;
      return typeof text === "string" ? all.includes(text) : text.test(all);
    }, ms);
    return this.out;
  }

  async ended(): Promise<Ended> {
    return { code: await this.#ended, out: this.out, err: this.err };
  }

  async interrupt(signal: NodeJS.Signals = "SIGINT"): Promise<Ended> {
    this.child.kill(signal);
    return await this.ended();
  }
}

/** Runs a command to its end. */
export function skep(cwd: string, ...args: string[]): Promise<Ended> {
  return new Command(cwd, args).ended();
}
