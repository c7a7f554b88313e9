// Flags that mean the same everywhere, and how their values are read.
import { isIP } from "node:net";
import { type LogLevel, type LogLevels, parseLevels } from "../base/log/levels.ts";
import { chosenControllers } from "../cloud/apiserver/controllers/names.ts";
import { quantityOf } from "../protocol/apis/quantity.ts";
import { type Command, InvalidArgumentError } from "commander";
import { schemas } from "../scenarios/files/schemas.ts";

/** A whole number within bounds. */
export function integer(low: number, high: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!Number.isInteger(value) || value < low || value > high || text.trim() === "") {
      throw new InvalidArgumentError(`a whole number from ${low} to ${high} is needed`);
    }
    return value;
  };
}

/** A size in memory, in bytes: `64MiB`, `1Gi`, `500000`. */
export function bytes(text: string): number {
  const [, digits = "", unit = ""] = /^(\d+(?:\.\d+)?)\s*([KMG]i?)?B?$/.exec(text.trim()) ?? [];
  const value = quantityOf(`${digits}${unit === "K" ? "k" : unit}`);
  if (digits === "" || value === undefined || value < 1) {
    throw new InvalidArgumentError("a size is needed, such as 64MiB");
  }
  return Math.round(value);
}

/** Names of controllers as `--controllers` has them, with commas between them. */
export function controllerNames(text: string): readonly string[] {
  const names = text.split(",").map((name) => name.trim()).filter((name) => name !== "");
  try {
    chosenControllers(names);
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message);
  }
  return names;
}

/** A number above zero. */
export function positive(text: string): number {
  const value = Number(text);
  if (!(value > 0) || !Number.isFinite(value)) throw new InvalidArgumentError("a number above 0 is needed");
  return value;
}

/** Valid names of Nodes: part of a DNS name, as Kubernetes requires. */
export function nodePrefix(text: string): string {
  if (!/^[a-z0-9]([-a-z0-9]{0,200}[a-z0-9])?$/.test(text)) {
    throw new InvalidArgumentError("small letters, digits and - are needed, such as edge");
  }
  return text;
}

/** `KEY=VALUE` of a label, one after another. */
export function label(text: string, before: Readonly<Record<string, string>> = {}): Record<string, string> {
  const name = "[A-Za-z0-9](?:[\\w.-]{0,61}[A-Za-z0-9])?";
  const [, key, value] = new RegExp(`^((?:[a-z0-9.-]{1,253}/)?${name})=((?:${name})?)$`).exec(text) ?? [];
  if (key === undefined || value === undefined) {
    throw new InvalidArgumentError("KEY=VALUE is needed, such as site=north");
  }
  return { ...before, [key]: value };
}

/** `cloudcore=PID` or `api=PID`, one after another. */
export function processId(text: string, before: Readonly<Record<string, number>> = {}): Record<string, number> {
  const [, name, pid] = /^(cloudcore|api)=(\d{1,9})$/.exec(text) ?? [];
  if (name === undefined) throw new InvalidArgumentError("cloudcore=PID or api=PID is needed");
  return { ...before, [name]: Number(pid) };
}

/** An IP address; said again, another one. */
export function ipAddress(text: string, before: readonly string[] = []): string[] {
  if (isIP(text) === 0) throw new InvalidArgumentError("an IP address of this machine is needed");
  return [...before, text];
}

/** `I/N`: of N parts the I-th, counted from 0. */
export function shard(text: string): { readonly index: number; readonly of: number } {
  const [, index, of] = /^(\d{1,6})\/(\d{1,6})$/.exec(text) ?? [];
  if (index === undefined || Number(index) >= Number(of)) {
    throw new InvalidArgumentError("I/N is needed, with I from 0 to N - 1, such as 0/4");
  }
  return { index: Number(index), of: Number(of) };
}

/** Names with commas between them. */
export function names(text: string): readonly string[] {
  const found = text.split(",").map((name) => name.trim()).filter((name) => name !== "");
  if (found.length === 0) throw new InvalidArgumentError("at least one name is needed");
  return found;
}

/** `I/N`: of N parts the I-th, counted from 1, as CI servers count their jobs. */
export function part(text: string): { readonly index: number; readonly of: number } {
  const [, index, of] = /^(\d{1,6})\/(\d{1,6})$/.exec(text) ?? [];
  if (index === undefined || Number(index) < 1 || Number(index) > Number(of)) {
    throw new InvalidArgumentError("I/N is needed, with I from 1 to N, such as 1/4");
  }
  return { index: Number(index) - 1, of: Number(of) };
}

/** A duration, as scenarios write them. */
export function duration(text: string): string {
  if (!new RegExp(schemas.duration.pattern).test(text)) {
    throw new InvalidArgumentError(`${schemas.duration.description} is needed`);
  }
  return text;
}

/** `--log`: read once it is known what is usual. */
function levels(text: string): (usual: LogLevel) => LogLevels {
  try {
    parseLevels(text, "info");
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message);
  }
  return (usual) => parseLevels(text, usual);
}

const flags: Readonly<Record<string, (command: Command) => Command>> = {
  kubeconfig: (c) => c.option("--kubeconfig <file>", "use this cluster, not the embedded API"),
  writeKubeconfig: (c) =>
    c.option("--write-kubeconfig <file>", "write the embedded API's kubeconfig there (skep-report/kubeconfig)"),
  target: (c) =>
    c.option("--target <name>", "where to run: a target of skep.yaml, or a file with one (embedded)")
      .option("--context <name>", "this context of the kubeconfig, not its current one")
      .option("--take-over", "serve a cluster that another cloudcore has served, with its CA")
      .option("--allow-exec", "let scenarios run commands on this machine"),
  cloudcore: (c) =>
    c.option("--cloudcore <host:port>", "use this cloudcore, not ours; the port is its WebSocket's (10000)")
      .option("--enrolment-port <port>", "its enrolment port (the WebSocket's + 2)", integer(1, 65_535))
      .option(
        "--token <token>",
        "the bootstrap token its edges enrol with; in SKEP_TOKEN it is hidden from other users",
      )
      .option("--certs <dir>", "a folder with its rootCA.crt and rootCA.key, instead of a token"),
  edges: (c) => c.option("--edges <n>", "edges where the scenario, or the command, doesn't say", integer(1, 100_000)),
  seed: (c) => c.option("--seed <n>", "the seed of fleet, values and faults", integer(0, 2 ** 31 - 1)),
  timeScale: (c) => c.option("--time-scale <n>", "divide every protocol timer of both ends by this", positive),
  report: (c) => c.option("--report <dir>", "where the reports go", "skep-report"),
  json: (c) => c.option("--json", "the result as JSON on standard output, all else on standard error"),
  bind: (c) => c.option("--bind <addr>", "the address to listen on", "127.0.0.1"),
  port: (c) =>
    c.option(
      "--port <n>",
      "the first of a block of ports: API N, hub N+1, enrolment N+2, console N+3, metrics N+4; 0 picks free ones",
      integer(0, 65_000),
    ),
  tap: (c) =>
    c.option(
      "--tap <size>",
      "memory for past messages, which `skep tap` and the console show, such as 64MiB; off keeps none until somebody looks (32MiB)",
      (text) => text === "off" ? "off" : bytes(text),
    ),
  select: (c) =>
    c.option("--grep <pattern>", "only scenarios whose name fits the regular expression")
      .option(
        "--tag <tag>",
        "only scenarios with this tag; may be said several times, then with all of them",
        (tag: string, before: readonly string[] = []) => [...before, tag],
      ),
  log: (c) =>
    c.option(
      "--log <levels>",
      "levels by module, such as cloudhub=debug or warn,edge=debug; modules are cloudhub, edgecontroller, devicecontroller, synccontroller, kube and edge",
      levels,
    ),
  quiet: (c) => c.option("--quiet", "say as little as possible"),
  verbose: (c) => c.option("--verbose", "say more, twice as much as usual"),
};

/** Adds some of them to a command. */
export function withFlags(command: Command, names: readonly (keyof typeof flags & string)[]): Command {
  for (const name of names) flags[name]?.(command);
  return command;
}
