// Plays the edges of a recording against a cloudcore: they say what they said, and acknowledge what they acknowledged.
import { tapTo } from "../../base/hop/hop.ts";
import { Link } from "../../base/link/link.ts";
import type { Logger } from "../../base/log/logger.ts";
import type { Random } from "../../base/random/random.ts";
import { type Clock, sleep } from "../../base/time/clock.ts";
import type { HopRecord } from "../../base/hop/hop.ts";
import { EdgeHub } from "../../edge-sim/edgehub/edgehub.ts";
import type { HubAddress } from "../../edge-sim/edgehub/hub-address.ts";
import type { EdgeTimings } from "../../edge-sim/timings/timings.ts";
import { decodeMessage } from "../../protocol/message/codec.ts";
import { type Message, responseTo } from "../../protocol/message/message.ts";
import { ok, operations } from "../../protocol/message/names.ts";
import { needsRecordedAck } from "./acknowledged.ts";
import { type EdgeScript, headOf } from "./script.ts";

/** Injected dependencies. */
export interface ReplayDeps {
  readonly hub: HubAddress;
  readonly timings: EdgeTimings;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** How many times as fast as it was recorded. */
  readonly speed: number;
  readonly signal: AbortSignal;
  /** Told of every message that passes. */
  readonly onHop: (hop: HopRecord) => void;
}

/** What came of it. */
export interface ReplayCounts {
  readonly edges: number;
  readonly sent: number;
  readonly received: number;
  readonly acknowledged: number;
}

/** Milliseconds that answers to the last messages have. */
const LAST_ANSWERS_MS = 1000;

/** Resolves when all has been said, and answers have had their time. Rejects where an edge can't connect. */
export async function replayToCloud(scripts: readonly EdgeScript[], deps: ReplayDeps): Promise<ReplayCounts> {
  const { clock, signal } = deps;
  const counts = { sent: 0, received: 0, acknowledged: 0 };
  await using cleanup = new AsyncDisposableStack();
  const playing = scripts.map(async (script) => {
    const hub = edgeOf(script, deps, counts);
    cleanup.defer(() => hub.stop());
    hub.start();
    await hub.firstRound;
    if (!hub.isConnected) throw new Error(`${script.node} can't connect: ${hub.problem ?? "no answer"}`);
    const began = clock.now();
    for (const { at, message } of script.up) {
      const wait = at / deps.speed - (clock.now() - began);
      if (wait > 0) await sleep(clock, wait, signal).catch(() => {});
      if (signal.aborted) return;
      if (hub.send(message)) counts.sent++;
    }
  });
  await Promise.all(playing);
  await sleep(clock, LAST_ANSWERS_MS, signal).catch(() => {});
  return { edges: scripts.length, ...counts };
}

function edgeOf(
  script: EdgeScript,
  { clock, hub: address, logger, onHop, random, timings }: ReplayDeps,
  counts: { received: number; acknowledged: number },
): EdgeHub {
  const received = (hop: HopRecord) => {
    onHop(hop);
    if (hop.hop !== "edge.read") return;
    counts.received++;
    const message = decodeMessage(hop.text);
    if (!isAcknowledged(script, hop, message)) return;
    // The hub goes on with the message after this; its acknowledgement must not come before it was read.
    queueMicrotask(() => hub.send(responseTo(clock.now(), message, ok)) && counts.acknowledged++);
  };
  const hub = new EdgeHub({
    node: script.node,
    address,
    transport: "websocket",
    timings,
    reconnect: undefined,
    clock,
    logger,
    link: new Link(clock, random),
    random: random.stream(script.node),
    tap: tapTo(received),
    receive: () => {},
    connected: () => {},
    disconnected: () => {},
  });
  return hub;
}

/** As in the recording; what did not come there as an edge of today does. */
function isAcknowledged({ acknowledged }: EdgeScript, hop: HopRecord, message: Message): boolean {
  if (acknowledged.has(headOf(message))) return true;
  return message.route.operation !== operations.response && needsRecordedAck(hop);
}
