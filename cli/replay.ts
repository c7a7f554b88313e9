// `skep replay`: one side of a recording again, against a cloudcore or for edges that connect.
import { tapTo } from "../base/hop/hop.ts";
import { Random } from "../base/random/random.ts";
import { TimerWheel } from "../base/time/timer-wheel.ts";
import { portOfBlock } from "../base/transport/listen.ts";
import { edgecoreTimings, scaledTimings } from "../edge-sim/timings/timings.ts";
import { maskHop } from "../protocol/message/mask.ts";
import { readRecording, RecordingWriter } from "../scenarios/recording/format.ts";
import { type EdgeScript, scriptsOf } from "../scenarios/recording/script.ts";
import { UsageError } from "./failure.ts";
import { hubAddressOf, type HubFlags } from "./hub-address.ts";
import { interruption } from "./interrupt.ts";
import { type LogFlags, loggerOf } from "./log.ts";
import { serveUntilInterrupted } from "./serving.ts";

export interface ReplayFlags extends HubFlags, LogFlags {
  readonly to: "cloud" | "edge";
  readonly speed: number;
  readonly edge?: readonly string[];
  readonly output?: string;
  readonly bind: string;
  readonly port?: number;
  readonly json?: boolean;
}

export async function replayCommand(file: string, flags: ReplayFlags): Promise<number> {
  const { hops, header } = await readRecording(file);
  const scripts = scriptsOf(hops, flags.edge);
  if (scripts.length === 0) {
    throw new UsageError(
      `${file}: there are no messages to play${flags.edge === undefined ? "" : ` of ${flags.edge.join(", ")}`}`,
    );
  }
  const writer = flags.output === undefined
    ? undefined
    : new RecordingWriter(flags.output, `a replay of ${header.of}`, true);
  try {
    return await (flags.to === "cloud" ? toCloud(scripts, flags, writer) : toEdge(scripts, flags, writer));
  } finally {
    await writer?.close();
  }
}

async function toCloud(
  scripts: readonly EdgeScript[],
  flags: ReplayFlags,
  writer: RecordingWriter | undefined,
): Promise<number> {
  if (flags.cloudcore === undefined) {
    throw new UsageError("--to cloud needs --cloudcore HOST[:PORT], and SKEP_TOKEN or --certs DIR");
  }
  const { replayToCloud } = await import("../scenarios/recording/replay-cloud.ts");
  const { code, signal } = interruption();
  const counts = await replayToCloud(scripts, {
    hub: await hubAddressOf({ ...flags, cloudcore: flags.cloudcore }),
    timings: scaledTimings(edgecoreTimings, 1),
    clock: new TimerWheel(),
    random: new Random(1),
    logger: loggerOf(flags, "warn").logger,
    speed: flags.speed,
    signal,
    onHop: (hop) => writer?.write(maskHop(hop)),
  }).catch((error: Error) => {
    throw new UsageError(error.message);
  });
  if (flags.json) process.stdout.write(`${JSON.stringify(counts)}\n`);
  else {
    process.stdout.write(
      `${counts.edges} edges said ${counts.sent} messages, got ${counts.received} and acknowledged ${counts.acknowledged}\n`,
    );
  }
  return code() ?? 0;
}

async function toEdge(
  scripts: readonly EdgeScript[],
  flags: ReplayFlags,
  writer: RecordingWriter | undefined,
): Promise<number> {
  const { replayToEdges } = await import("../scenarios/recording/replay-edge.ts");
  const { signal } = interruption();
  const host = flags.bind;
  await using replay = await replayToEdges(scripts, {
    websocket: { host, ...portOfBlock(flags.port, 1, 10000) },
    https: { host, ...portOfBlock(flags.port, 2, 10002) },
    hosts: ["127.0.0.1", "localhost", host],
    clock: new TimerWheel(),
    logger: loggerOf(flags, "warn").logger,
    speed: flags.speed,
    tap: tapTo((hop) => writer?.write(maskHop(hop))),
  });
  void replay.played.then((node) => process.stderr.write(`everything has been sent to ${node}\n`));
  await serveUntilInterrupted(
    {
      facts: {
        websocket: `wss://${host}:${replay.websocketPort}`,
        enrolment: `https://${host}:${replay.httpsPort}`,
        edges: scripts.map(({ node }) => node).join(", "),
        token: replay.token,
      },
      hints: [`let an edge connect: SKEP_TOKEN=… skep fleet --cloudcore 127.0.0.1:${replay.websocketPort} --edges 1`],
    },
    flags.json === true,
    signal,
  );
  // It is ended by Ctrl-C: that is its good end.
  return 0;
}
