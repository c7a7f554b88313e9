// The flags of KubeEdge's own cloudcore beside `--config` and the like, so that a unit file or an image needs no other arguments.
import { type Command, Option } from "commander";
import { version } from "../base/version.ts";
import { UsageError } from "./failure.ts";

/** The klog flags that have an effect here. */
export interface KlogFlags {
  /** Verbosity; from 4 on it is as `--verbose`. */
  readonly v?: number;
  readonly version?: boolean;
  /** `name=true|false,…`. */
  readonly featureGates?: string;
}

/** The version of KubeEdge that `--version` prints. */
export const kubeEdgeVersion = "v1.23.1";
const VERBOSE = 4;

/** klog's (k8s.io/klog v2 `klog.go`) and component-base's: booleans, then those with a value. */
const booleans = [
  "logtostderr",
  "alsologtostderr",
  "add-dir-header",
  "skip-headers",
  "skip-log-headers",
  "one-output",
  "legacy-stderr-threshold-behavior",
];
/** Boolean flags: these accept a value only after `=`. */
const switches: ReadonlySet<string> = new Set([...booleans, "minconfig", "defaultconfig", "version"]);
const withValue = [
  "vmodule",
  "stderrthreshold",
  "log-backtrace-at",
  "log-dir",
  "log-file",
  "log-file-max-size",
  "log-flush-frequency",
];

/** Adds them to a command; the help leaves out those without effect. */
export function withKlogFlags(command: Command): void {
  command.option("-v, --v <level>", "number for the log level verbosity; from 4 on as --verbose", level)
    .option("--version", "print the version of KubeEdge whose protocol it speaks, and its own")
    .option("--feature-gates <gates>", "KubeEdge's, NAME=true|false,…; they have no effect here");
  for (const name of booleans) command.addOption(new Option(`--${name}`).hideHelp());
  for (const name of withValue) command.addOption(new Option(`--${name} <value>`).hideHelp());
}

function level(text: string): number {
  if (!/^-?\d+$/.test(text)) throw new UsageError(`-v ${text}: a whole number is needed, such as 4`);
  return Number(text);
}

export function isVerbose({ v = 0 }: KlogFlags): boolean {
  return v >= VERBOSE;
}

/** Throws UsageError for what is no list of gates, as Go's cloudcore ends. */
export function checkFeatureGates(gates: string): void {
  for (const gate of gates.split(",").filter((each) => each !== "")) {
    if (/^\s*\w+=(true|false)\s*$/i.test(gate)) continue;
    throw new UsageError(`--feature-gates ${gates}: "${gate}" must be NAME=true or NAME=false`);
  }
}

export function versionLine(): string {
  return `KubeEdge ${kubeEdgeVersion} (skep ${version})`;
}

/**
 * Arguments as Go's flag packages read them: underscores in names are dashes (`--log_dir`), `-v4` and `-v=4` are `-v 4`, and a
 * switch takes its value after `=` alone, as `strconv.ParseBool` reads it. Throws UsageError for another one.
 */
export function goArguments(args: readonly string[]): string[] {
  return args.flatMap((arg) => {
    const short = /^-v=?(-?\d+)$/.exec(arg);
    if (short !== null) return ["-v", short[1] as string];
    const [, name = "", rest = ""] = /^--([\w-]+)((?:=.*)?)$/s.exec(arg) ?? [];
    if (name === "") return [arg];
    const dashed = name.replaceAll("_", "-");
    if (dashed === "version" && rest === "=raw") return ["--version"];
    if (!switches.has(dashed)) return [`--${dashed}${rest}`];
    return isTrue(dashed, rest.slice(1) || "true") ? [`--${dashed}`] : [];
  });
}

function isTrue(name: string, text: string): boolean {
  if (/^(1|t|T|TRUE|true|True)$/.test(text)) return true;
  if (/^(0|f|F|FALSE|false|False)$/.test(text)) return false;
  throw new UsageError(`--${name}=${text}: true or false is needed`);
}
