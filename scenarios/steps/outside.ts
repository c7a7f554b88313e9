// Steps that reach beyond the cluster: a command on this machine, a request over HTTP.
import { spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { waitFor } from "../checks/wait.ts";
import { schemas } from "../files/schemas.ts";
import { describeDifference, differences } from "../model/match.ts";
import { show } from "../files/show.ts";
import type { StepContext } from "../model/context.ts";
import { StepFailure } from "../model/step-failure.ts";
import type { StepKind } from "../model/step-kind.ts";

/** Bytes of output, and of an answer, that are kept. */
const MAX_OUTPUT = 1024 * 1024;
/** Milliseconds for the rest of a command's output, once it has ended. */
const OUTPUT_MS = 500;

/** What the step takes. */
export interface ExecArgs {
  readonly command: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly code?: number;
  readonly stdout?: unknown;
  readonly within?: string;
}

export const execStep = {
  name: "exec",
  summary:
    "Runs a command on this machine, in the scenario's folder, and checks its exit code and output. Only with --allow-exec; NAMESPACE and a KUBECONFIG of the target are in its environment.",
  schema: {
    type: "object",
    required: ["command"],
    additionalProperties: false,
    properties: {
      command: {
        type: "array",
        minItems: 1,
        items: { type: "string" },
        description: "the program and its arguments; no shell",
      },
      env: { type: "object", additionalProperties: { type: "string" } },
      code: { type: "integer", description: "the exit code. Default: 0" },
      stdout: { description: "what its output must be: text, { $matches: … }, or the fields of its JSON" },
      within: { ...schemas.duration, description: "it is killed after this. Default: 10s" },
    },
  },
  needs: () => ["exec"],
  async run(context: StepContext, { code: wanted = 0, command, env = {}, stdout, within }: ExecArgs) {
    // One that is not among the steps, as in code, has not been asked for before.
    if (!context.environment.capabilities.has("exec")) {
      throw new StepFailure("exec: commands are run only where that is allowed: --allow-exec");
    }
    const [program = "", ...args] = command;
    const what = masked(`exec ${command.join(" ")}`, context);
    const ms = context.within(within ?? "10s");
    const folder = await mkdtemp(join(tmpdir(), "skep-exec-"));
    // For kubectl and its like: the API that the scenario works on, and no other.
    const kubeconfig = join(folder, "kubeconfig");
    await writeFile(kubeconfig, context.environment.kube.config.config.exportConfig(), { mode: 0o600 });
    const child = spawn(program, args, {
      cwd: dirname(resolve(context.scenario.position.file)),
      env: { ...process.env, KUBECONFIG: kubeconfig, NAMESPACE: context.environment.namespace, ...env },
      stdio: ["ignore", "pipe", "pipe"],
      // A group of its own: what it has started is killed with it.
      detached: process.platform !== "win32",
    });
    const texts = { stdout: "", stderr: "" };
    for (const name of ["stdout", "stderr"] as const) {
      child[name].setEncoding("utf8").on(
        "data",
        (chunk: string) => texts[name] = (texts[name] + chunk).slice(0, MAX_OUTPUT),
      );
    }
    const kill = () => {
      if (child.pid === undefined) return;
      try {
        process.kill(process.platform === "win32" ? child.pid : -child.pid, "SIGKILL");
      } catch {
        // It has ended.
      }
    };
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      kill();
    }, ms);
    context.signal.addEventListener("abort", kill, { once: true });
    try {
      const ended = await new Promise<number | string>((done, fail) => {
        child.once("error", (error) => fail(new StepFailure(`${what}: it can't be started: ${error.message}`)));
        child.once("close", (code, how) => done(code ?? how ?? "nothing"));
        // What it has started, and what left its group, may hold its output open.
        child.once("exit", (code, how) => setTimeout(() => done(code ?? how ?? "nothing"), OUTPUT_MS).unref());
      });
      context.signal.throwIfAborted();
      const said = [...linesOf("output", texts.stdout), ...linesOf("errors", texts.stderr)];
      if (isLate) throw new StepFailure(`${what} — not within ${ms} ms`, said);
      if (ended !== wanted) throw new StepFailure(`${what} ended with ${ended}, not ${wanted}`, said);
      const value = valueOf(texts.stdout, stdout);
      const wrong = stdout === undefined ? [] : differences(stdout, value).map(describeDifference);
      if (wrong.length > 0) throw new StepFailure(`${what}: its output is another one`, [...wrong, ...said]);
      return { code: ended, stdout: value, stderr: texts.stderr };
    } finally {
      clearTimeout(timer);
      context.signal.removeEventListener("abort", kill);
      kill();
      child.stdout.destroy();
      child.stderr.destroy();
      await rm(folder, { recursive: true, force: true });
    }
  },
} as const satisfies StepKind;

/** Without the token that edges enrol with, which a scenario may pass on. */
function masked(text: string, { environment: { token } }: StepContext): string {
  const [, ...jwt] = token.split(".");
  const secrets = [token, jwt.join(".")].filter((secret) => secret.length > 8);
  return secrets.reduce((rest, secret) => rest.replaceAll(secret, "(token)"), text);
}

function linesOf(name: string, text: string): string[] {
  const lines = text.trimEnd().split("\n").slice(-10);
  return text.trim() === "" ? [] : [`${name}:`, ...lines.map((line) => `  ${line.slice(0, 300)}`)];
}

/** JSON where fields are asked for, else text without the line's end. */
function valueOf(text: string, expected: unknown): unknown {
  const isText = typeof expected === "string" ||
    typeof expected === "object" && expected !== null && "$matches" in expected;
  if (isText || expected === undefined) return text.trimEnd();
  try {
    return JSON.parse(text);
  } catch {
    return text.trimEnd();
  }
}

/** What the step takes. */
export interface HttpArgs {
  readonly url: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  readonly status?: number;
  readonly match?: unknown;
  readonly within?: string;
}

export const httpStep = {
  name: "http",
  summary: "Sends a request until its answer is the one that is wanted: status, and text or fields of JSON.",
  schema: {
    type: "object",
    required: ["url"],
    additionalProperties: false,
    properties: {
      url: { type: "string", pattern: "^https?://", description: "an address that begins with http:// or https://" },
      method: { enum: ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"], description: "Default: GET" },
      headers: { type: "object", additionalProperties: { type: "string" } },
      body: { description: "text, or JSON" },
      status: { type: "integer", minimum: 100, maximum: 599, description: "Default: any from 200 to 299" },
      match: { description: "what the answer must be: text, { $matches: … }, or the fields of its JSON" },
      within: schemas.duration,
    },
  },
  async run(context: StepContext, { body, headers = {}, match, method = "GET", status, url, within }: HttpArgs) {
    const isJson = body !== undefined && typeof body !== "string";
    const ms = context.within(within ?? "5s");
    return await waitFor(context, ms, masked(`${method} ${url}`, context), "", async () => {
      try {
        const answer = await fetch(url, {
          method,
          headers: { ...(isJson ? { "content-type": "application/json" } : {}), ...headers },
          ...(body === undefined ? {} : { body: isJson ? JSON.stringify(body) : body as string }),
          redirect: "manual",
          signal: AbortSignal.any([context.signal, AbortSignal.timeout(ms)]),
        });
        const text = await limitedText(answer);
        const found = valueOf(text, match ?? {});
        const wanted = status ?? (answer.ok ? answer.status : "200 to 299");
        const missing = [
          ...(answer.status === wanted ? [] : [`status: expected ${wanted}, found ${answer.status}`]),
          ...(match === undefined ? [] : differences(match, found).map(describeDifference)),
        ];
        if (missing.length > 0) missing.push(`the answer: ${show(text.slice(0, 300))}`);
        return { value: { status: answer.status, body: found }, missing };
      } catch (error) {
        context.signal.throwIfAborted();
        const { cause, message } = error as Error;
        return { missing: [`no answer: ${cause instanceof Error ? cause.message : message}`] };
      }
    });
  },
} as const satisfies StepKind;

/** The answer's text, as much as is kept of it. */
async function limitedText(answer: Response): Promise<string> {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const part of answer.body ?? []) {
    parts.push(Buffer.from(part as Uint8Array));
    length += (part as Uint8Array).length;
    if (length > MAX_OUTPUT) break;
  }
  return Buffer.concat(parts).toString("utf8").slice(0, MAX_OUTPUT);
}
