// A command of skep in a process of its own, which says on standard output when it is ready.
import { type ChildProcess, spawn } from "node:child_process";
import { eachLine } from "../../base/process/lines.ts";
import { signalProcess } from "../../base/process/signal.ts";
import { selfCommand } from "../../base/process/self-command.ts";
import { StepFailure } from "../model/step-failure.ts";

/** Milliseconds in which it must be ready, and in which it must have stopped. */
const READY_MS = 30_000;
const STOP_MS = 5000;
/** Characters of a line, and of what it says on standard error. */
const MAX_LINE = 1024 * 1024;
const MAX_OUTPUT = 64 * 1024;

export class Child {
  readonly #process: ChildProcess;
  readonly facts: Readonly<Record<string, unknown>>;
  /** Settles when it has ended, with what it said last. */
  readonly ended: Promise<string>;

  private constructor(child: ChildProcess, facts: Readonly<Record<string, unknown>>, ended: Promise<string>) {
    this.#process = child;
    this.facts = facts;
    this.ended = ended;
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  /** Starts a command that takes `--json`; resolves with what it says when it is ready. Rejects with StepFailure where it ends instead. */
  static async start(name: string, args: readonly string[], signal?: AbortSignal): Promise<Child> {
    const [program, ...own] = selfCommand();
    const child = spawn(program, [...own, ...args, "--json", "--quiet"], {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, SKEP_PARENT: String(process.pid) },
    });
    // Whatever ends this process takes it along.
    const takeAlong = () => void child.kill("SIGKILL");
    process.once("exit", takeAlong);
    let output = "";
    child.stderr?.on("data", (chunk) => output = (output + String(chunk)).slice(-MAX_OUTPUT));
    const ended = new Promise<string>((resolve) => {
      child.once("close", (code, how) => {
        process.off("exit", takeAlong);
        resolve(`${name} ended with ${code ?? how}${output === "" ? "" : `: ${output.trim()}`}`);
      });
    });
    const ready = Promise.withResolvers<Record<string, unknown>>();
    eachLine(child.stdout, MAX_LINE, (line) => {
      const facts = line.startsWith("{") ? JSON.parse(line) as Record<string, unknown> : {};
      if (facts.ready === true) ready.resolve(facts);
    });
    child.once("error", ready.reject);
    void ended.then((why) => ready.reject(new StepFailure(why)));
    const late = setTimeout(() => ready.reject(new StepFailure(`${name} was not ready within 30 s`)), READY_MS);
    const aborted = () => ready.reject(signal?.reason as Error);
    signal?.addEventListener("abort", aborted, { once: true });
    try {
      return new Child(child, await ready.promise, ended);
    } catch (error) {
      child.kill("SIGKILL");
      throw error;
    } finally {
      clearTimeout(late);
      signal?.removeEventListener("abort", aborted);
    }
  }

  /** Stops or continues it; nothing where it has ended. */
  signal(which: "SIGSTOP" | "SIGCONT"): void {
    signalProcess(this.#process.pid, which);
  }

  /** Ends it as the loss of its power would; settles when it has ended. */
  async kill(): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.ended;
  }

  /** Asks it to end, kills it where it doesn't; settles when it has ended. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process.exitCode === null && this.#process.signalCode === null) this.#process.kill("SIGTERM");
    const late = setTimeout(() => this.#process.kill("SIGKILL"), STOP_MS);
    await this.ended;
    clearTimeout(late);
  }
}
