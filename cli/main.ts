// The commands of skep. Each is loaded only when it is called.
import { Command, Option } from "commander";
import { version } from "../base/version.ts";
import type { ApiserverFlags } from "./apiserver.ts";
import type { CloudcoreFlags } from "./cloudcore.ts";
import type { DoctorFlags } from "./doctor.ts";
import { describeFailure, exitCodes } from "./failure.ts";
import {
  bytes,
  controllerNames,
  duration,
  integer,
  ipAddress,
  label,
  nodePrefix,
  positive,
  processId,
  shard,
  withFlags,
} from "./flags.ts";
import type { CleanFlags } from "./clean.ts";
import type { FleetFlags } from "./fleet-flags.ts";
import { finish } from "./finish.ts";
import { goArguments, withKlogFlags } from "./klog-flags.ts";
import { scenarioCommands } from "./scenario-commands.ts";
import type { LoadFlags } from "./load.ts";
import type { ReplayFlags } from "./replay.ts";
import type { ResyncFlags } from "./resync.ts";
import type { ProxyFlags } from "./proxy.ts";
import type { DiffFlags } from "./recordings.ts";

import { fieldsHelp } from "./tap-help.ts";
import type { TapFlags } from "./tap.ts";
import type { UpFlags } from "./up.ts";

// Node keeps with each TLS connection a few bytes that it cuts from a pool, and with them the whole pool of 64 KiB (Node 26
// `lib/internal/tls/wrap.js`, ALPNProtocols; `lib/buffer.js`): with ten thousand edges half a gigabyte.
Buffer.poolSize = 4096;

const program = new Command("skep");
program.description(
  "A KubeEdge cloudcore in TypeScript, a fleet of simulated edges to drive it, and scenarios that prove both ends.",
)
  .version(version)
  .enablePositionalOptions()
  .showSuggestionAfterError()
  .configureOutput({ writeErr: (text) => process.stderr.write(text) })
  .exitOverride();

scenarioCommands(program);

const up = program.command("up").description("start everything and leave it running: API, cloudcore, edges");
withFlags(up, [
  "kubeconfig",
  "writeKubeconfig",
  "edges",
  "seed",
  "timeScale",
  "json",
  "bind",
  "port",
  "log",
  "quiet",
  "verbose",
])
  .option("--take-over", "serve a cluster that another cloudcore has served, with its CA")
  .option("--report <dir>", "the folder of the kubeconfig (skep-report)")
  .addHelpText("after", "\nExample:\n  skep up --edges 5\n  kubectl --kubeconfig skep-report/kubeconfig get nodes")
  .action(async (options: UpFlags) => finish((await import("./up.ts")).upCommand(options)));

const cloudcore = program.command("cloudcore").description("start a cloudcore on a cluster");
cloudcore.option("--config <file>", "KubeEdge's own cloudcore.yaml, with our switches under `skep:`")
  .option("--defaultconfig", "print one with every key at its default")
  .option("--minconfig", "print one with the keys people change")
  .option("--crds [version]", "print the definitions of KubeEdge's kinds; with v1.1 those of that age's devices, too")
  .option(
    "--seed-conf <dir>",
    "print the cloudcore.yaml that is equivalent to the conf folder of a cloudcore of KubeEdge v1.1",
  );
withKlogFlags(cloudcore);
cloudcore.option("--take-over", "serve a cluster that another cloudcore has served, with its CA");
withFlags(cloudcore, ["kubeconfig", "timeScale", "json", "bind", "port", "tap", "log", "quiet", "verbose"])
  .option("--messages <file>", "append what happens to every message, at every hop, as lines of JSON")
  .option("--advertise <addr...>", "further names and addresses that edges reach it by")
  .option("--node-limit <n>", "edges connected at once (the file's, or 1000)", integer(1, 1_000_000))
  .addHelpText(
    "after",
    "\nExample:\n  skep cloudcore --config /etc/kubeedge/config/cloudcore.yaml\n  skep cloudcore --kubeconfig ~/.kube/config --bind 0.0.0.0 --advertise 192.0.2.10",
  )
  .action(async ({ bind, ...options }: CloudcoreFlags & { readonly bind: string }, command: Command) => {
    // The flag's default must not override the file's address.
    const isAsked = command.getOptionValueSource("bind") !== "default";
    const asked = isAsked ? { ...options, bind } : options;
    await finish((await import("./cloudcore.ts")).cloudcoreCommand(asked));
  });

cloudcore.command("resync <nodes...>").description(
  "have everything sent to these nodes again: for an edge that lacks what its sync records say it has",
)
  .option("--kubeconfig <file>", "the cluster that the nodes belong to")
  .addHelpText("after", "\nExample:\n  skep cloudcore resync edge-7 --kubeconfig ~/.kube/config")
  .action(async (nodes: string[], _options: unknown, command: Command) =>
    finish((await import("./resync.ts")).resyncCommand(nodes, command.optsWithGlobals<ResyncFlags>()))
  );

const fleet = program.command("fleet").description("start simulated edges against a cloudcore, ours or the Go one");
withFlags(fleet, ["cloudcore", "edges", "seed", "timeScale", "json", "tap", "log", "quiet", "verbose"])
  .option("--quic-port <port>", "connect over QUIC to this UDP port; needs skep's own cloudcore", integer(1, 65_535))
  .option("--prefix <name>", "what the edges are called: NAME-0, NAME-1 … (edge)", nodePrefix)
  .option("--label <key=value>", "a label of their Nodes; may be said several times", label)
  .option(
    "--cohorts <file>",
    "several kinds of edges: their names, counts, versions, links and devices (docs/fleet.md)",
  )
  .option(
    "--kubeconfig <file>",
    "the cloudcore's cluster: the cohorts' devices are made there, and certificates with its CA; edges need none",
  )
  .option("--data <dir>", "persist the edges' stores in this folder, so that a restarted fleet finds them")
  .option("--rate <n>", "edges that join a second, at most", positive)
  .option(
    "--processes <n>",
    "number of processes that the edges are spread over (Default: as many as this machine can use)",
    integer(1, 256),
  )
  .option(
    "--shard <i/n>",
    "only every n-th edge, from the i-th on: the others are elsewhere; with --json a line a second",
    shard,
  )
  .addHelpText("after", "\nExample:\n  skep fleet --cloudcore 192.0.2.10 --edges 100   # the token is in SKEP_TOKEN")
  .action(async (options: FleetFlags) => finish((await import("./fleet.ts")).fleetCommand(options)));

const load = program.command("load <profile>").description(
  "make load: a profile by its name (skep list --load) or a file, against our cloudcore or any other",
);
withFlags(load, ["kubeconfig", "cloudcore", "edges", "seed", "timeScale", "report", "json", "bind", "port", "quiet"])
  .option("--take-over", "serve a cluster that another cloudcore has served, with its CA")
  .option("--duration <time>", "all phases together, such as 30s: each is made shorter or longer")
  .option(
    "--rate <n>",
    "the highest rate, operations a second, or the most users: all are changed in proportion",
    positive,
  )
  .option("--scale <n>", "edges, rates and users times this, such as 0.1 for CI", positive)
  .option(
    "--processes <n>",
    "number of processes that the edges are spread over (Default: as many as this machine can use)",
    integer(1, 256),
  )
  .option(
    "--hubs <n>",
    "cloudcores side by side on one API, each with a part of the edges (Default: one, more for many edges on many processors)",
    integer(1, 64),
  )
  .option(
    "--source-address <ip>",
    "connect from this address of this machine; may be said again: each has ports of its own (Default: as many of 127.0.0.0/8 as are needed)",
    ipAddress,
  )
  .option(
    "--pid <name=pid>",
    "show what this process uses, too: cloudcore=PID or api=PID; may be said twice",
    processId,
  )
  .option("--compare <file>", "judge against the load.json of an earlier run, by ratios; worse is code 99")
  .addOption(
    new Option("--ramp-to-limit [what]", "search the number of edges, or the rate, at which a threshold breaks")
      .choices(["edges", "rate"]).preset("edges"),
  )
  .option("--metrics-port <n>", "serve the run's numbers for Prometheus there; 0 picks a free port", integer(0, 65_535))
  .option("--dry-run", "say what it would do to its target and to this machine, and end")
  .addHelpText("after", "\nExample:\n  skep load deploy --edges 50 --duration 30s")
  .action(async (profile: string, options: LoadFlags) =>
    finish((await import("./load.ts")).loadCommand(profile, options))
  );

program.command("load-edges", { hidden: true }).description("the edges of one process of skep load, which starts it")
  .action(async () => finish((await import("./load-edges.ts")).loadEdgesCommand()));

withFlags(
  program.command("proxy").description(
    "stand between real edges and a real cloudcore: see, record and disturb what passes (docs/proxy.md)",
  ),
  ["seed", "json", "log", "quiet", "verbose"],
)
  .requiredOption("--to <host>", "the cloudcore")
  .option("--listen <port>", "where edges connect (10000)", integer(0, 65_535), 10_000)
  .option("--listen-enrol <port>", "where edges enrol (10002)", integer(0, 65_535), 10_002)
  .option("--hub-port <port>", "the cloudcore's WebSocket port (10000)", integer(1, 65_535), 10_000)
  .option("--enrol-port <port>", "the cloudcore's enrolment port (10002)", integer(1, 65_535), 10_002)
  .option("--bind <addr>", "the address to listen on", "0.0.0.0")
  .option("--advertise <addr...>", "names and addresses that edges reach the proxy by; its certificate is for them")
  .option("--kubeconfig <file>", "the cloudcore's cluster: its CA is in the secret kubeedge/casecret")
  .option("--certs <dir>", "a folder with the cloudcore's rootCA.crt and rootCA.key, instead of the cluster")
  .option("--ca <file>", "without the CA's key: its certificate")
  .option("--server-cert <file>", "and a certificate of it for the proxy")
  .option("--server-key <file>", "and that one's key")
  .option("--edge-certs <dir>", "and a folder with NODE.crt and NODE.key for each edge")
  .option("--latency <time>", "delay every message in either direction, such as 200ms")
  .option("--jitter <time>", "and by this much more or less")
  .addHelpText(
    "after",
    "\nExample:\n  skep proxy --listen 10000 --listen-enrol 10002 --to 192.0.2.10 --kubeconfig ~/.kube/config --advertise 192.0.2.20",
  )
  .action(async (options: ProxyFlags) => finish((await import("./proxy.ts")).proxyCommand(options)));

withFlags(
  program.command("tap [file]").description(
    "see messages: of what runs in this folder, or of a recording; follow one, ask why one is not there",
  ),
  ["json"],
)
  .option("--at <url>", "the control endpoint of a running skep; its token in the address or in SKEP_CONTROL_TOKEN")
  .option("--pid <n>", "the running skep with this process number", integer(1, 2 ** 31 - 1))
  .option("--all", "all that run in this folder, joined")
  .option("--edge <name>", "only messages of this edge")
  .option("--kind <kind>", "only messages about this kind, such as configmap")
  .option("--name <name>", "only messages about objects of this name")
  .option("--ns <namespace>", "only messages about objects of this namespace")
  .option("--op <operation>", "only messages with this operation, such as update")
  .option("--hop <prefix>", "only hops whose name begins so, such as hub or edge.store")
  .option("--down", "only from the cloud to edges")
  .option("--up", "only from edges to the cloud")
  .option("--drops", "only what was not sent, or refused, with the reason")
  .option("--where <cel>", "only hops that this condition fits")
  .option("--follow <what>", "one message by its id, or one object (KIND/NAMESPACE/NAME), through all hops")
  .option("--why <object>", "with --edge: why this object (KIND/NAMESPACE/NAME) is not there, and what to try")
  .option("--stats", "a table by kind and edge; on a terminal it is renewed every second")
  .option("--console", "print the address of its console, with the token, and end")
  .option("--last <n>", "hops of the past to begin with (20)", integer(0, 1_000_000_000))
  .option("--once", "what there is, and end")
  .option("-o, --output <file>", "record into this file; gzipped where its name ends in .gz")
  .option("--reveal", "show values of secrets and tokens")
  .addHelpText("after", () => fieldsHelp)
  .action(async (file: string | undefined, options: TapFlags) =>
    finish((await import("./tap.ts")).tapCommand(file, options))
  );

withFlags(
  program.command("replay <file>").description("play one side of a recording again: its edges, or its cloudcore"),
  ["cloudcore", "json", "bind", "port", "log", "quiet", "verbose"],
)
  .addOption(
    new Option("--to <end>", "cloud: its edges speak to --cloudcore; edge: its cloudcore waits for edges")
      .choices(["cloud", "edge"]).makeOptionMandatory(),
  )
  .option("--speed <n>", "times as fast as it was recorded", positive, 1)
  .option("--edge <name...>", "only these edges of the recording")
  .option("-o, --output <file>", "record what passes")
  .addHelpText(
    "after",
    "\nExample:\n  skep replay flow.jsonl.gz --to cloud --cloudcore 192.0.2.10 --speed 10   # the token is in SKEP_TOKEN",
  )
  .action(async (file: string, options: ReplayFlags) =>
    finish((await import("./replay.ts")).replayCommand(file, options))
  );

withFlags(program.command("diff <a> <b>").description("say what differs between two recordings of messages"), ["json"])
  .option("--strict", "compare also how often keepalives, leases and statuses came")
  .addHelpText("after", "\nExample:\n  skep diff before.jsonl after.jsonl.gz")
  .action(async (a: string, b: string, options: DiffFlags) =>
    finish((await import("./recordings.ts")).diffCommand(a, b, options))
  );

withFlags(program.command("judge <file>").description("check a recording: what must hold of every history"), ["json"])
  .addHelpText("after", "\nExample:\n  skep judge recording.jsonl")
  .action(async (file: string, options: { readonly json?: boolean }) =>
    finish((await import("./recordings.ts")).judgeCommand(file, options))
  );

withFlags(
  program.command("doctor").description(
    "walk the way of one edge to a cloudcore step by step, and say where it breaks",
  ),
  ["cloudcore", "json"],
)
  .option("--node <name>", "the edge's name", nodePrefix, "skep-doctor")
  .option("--register", "create its Node, too, which stays in the cluster")
  .option("--timeout <s>", "seconds for each step", positive, 10)
  .addHelpText("after", "\nExample:\n  skep doctor --cloudcore 192.0.2.10   # the token is in SKEP_TOKEN")
  .action(async (options: DoctorFlags) => finish((await import("./doctor.ts")).doctorCommand(options)));

program.command("clean").description(
  "remove from a cluster what skep has made there: its fleets, or what runs that were killed have left",
)
  .option("--kubeconfig <file>", "the cluster")
  .option("--context <name>", "this context of the kubeconfig, not its current one")
  .option("--run <id>", "what this run of scenarios or of a load has left; its label is skep/run=ID")
  .option("--older-than <time>", "what runs have left that began longer ago, such as 1h", duration)
  .option("--dry-run", "only say how many there are")
  .addHelpText("after", "\nExample:\n  skep clean --kubeconfig ~/.kube/config")
  .action(async (options: CleanFlags) => finish((await import("./clean.ts")).cleanCommand(options)));

const apiserver = program.command("apiserver").description("start the embedded Kubernetes API alone");
withFlags(apiserver, ["writeKubeconfig", "json", "bind", "port", "quiet", "verbose"])
  .option(
    "--history <size>",
    "memory for past changes, which watches that come back read, such as 64MiB (256MiB)",
    bytes,
  )
  .option("--data <folder>", "keep the objects in a folder, across restarts and kills (memory)")
  .option(
    "--controllers <names>",
    "which controllers run, such as *,-job (*); a wrong name tells which there are",
    controllerNames,
  )
  .option("--rbac", "let users do only what roles allow them (everybody may do everything)")
  .option("--import <file>", "objects to begin with, as YAML")
  .option("--export <file>", "write all objects there as YAML when the server stops")
  .addHelpText("after", "\nExample:\n  skep apiserver --write-kubeconfig kubeconfig --data state")
  .action(async (options: ApiserverFlags) => finish((await import("./apiserver.ts")).apiserverCommand(options)));

// A reader of our output may stop reading, as `head` does: that is no error.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(process.exitCode ?? exitCodes.passed);
  throw error;
});

/** Invoked through a link named `cloudcore`, skep acts as KubeEdge's binary: unit files and images need no change. */
function argumentsOf([, script = "", ...given]: readonly string[]): string[] {
  const args = /(^|[/\\])cloudcore$/.test(script) ? ["cloudcore", ...given] : given;
  return args[0] === "cloudcore" ? ["cloudcore", ...goArguments(args.slice(1))] : args;
}

try {
  await program.parseAsync([...process.argv.slice(0, 2), ...argumentsOf(process.argv)]);
} catch (error) {
  const { code: given } = error as { readonly code?: unknown };
  const code = typeof given === "string" ? given : "";
  const isHelp = code.startsWith("commander.help") || code === "commander.version";
  if (isHelp) process.exitCode = code === "commander.help" ? exitCodes.couldNotRun : exitCodes.passed;
  else {
    // Commander has said its own errors already.
    if (!code.startsWith("commander.")) process.stderr.write(`skep: ${describeFailure(error)}\n`);
    process.exitCode = exitCodes.couldNotRun;
  }
}
// Sockets of other libraries may still be closing; nothing of ours is left that would have to be waited for.
if (process.exitCode !== undefined) setTimeout(() => process.exit(), 1000).unref();
