// Faults of links as files write them: one vocabulary for scenarios, load profiles, the console and the proxy.
import { compileHopFilter } from "../../base/hop/filter.ts";
import { cuts, distributions } from "../../base/link/faults.ts";
import type { Cut, Direction, Link, LinkFault, LinkQuality, MessageFault } from "../../base/link/link.ts";
import { type Clock, sleep } from "../../base/time/clock.ts";
import { milliseconds } from "./duration.ts";
import { type Schema, schemas } from "./schemas.ts";

/** What may be wrong with a link, and for how long. Durations are texts; bandwidths are kilobytes a second, as Toxiproxy has them. */
export interface FaultWords {
  readonly cut?: Cut;
  readonly halfOpen?: Direction;
  readonly latency?: string;
  readonly jitter?: string;
  readonly distribution?: LinkQuality["distribution"];
  readonly bandwidth?: number;
  readonly slowReader?: number;
  readonly slowWriter?: number;
  readonly drop?: number;
  readonly duplicate?: number;
  readonly reorder?: number;
  readonly corrupt?: number;
  /** Which messages these four are about: CEL over hop records. */
  readonly where?: string;
  readonly natTimeout?: string;
  readonly direction?: Direction;
  readonly flap?: { readonly bad: string; readonly good: string };
  readonly heal?: true;
  readonly for?: string;
}

const share: Schema = { type: "number", minimum: 0, maximum: 1 };
const rate: Schema = { type: "number", exclusiveMinimum: 0 };

/** Their JSON Schemas. */
export const faultProperties = {
  cut: {
    enum: cuts,
    description:
      "the connection breaks and can't be re-established: `both` without a close frame, `clean` with one, `reset` by TCP's RST; `blackHole`: it stands, nothing passes, a dial has no answer, and what was sent arrives when it is healed",
  },
  halfOpen: { ...schemas.direction, description: "messages in that direction vanish, the connection stays" },
  latency: schemas.duration,
  jitter: schemas.duration,
  distribution: { enum: distributions, description: "how jitter is spread. Default: uniform" },
  bandwidth: { ...rate, description: "kilobytes a second" },
  slowReader: { ...rate, description: "kilobytes a second that the receiver reads; its peer is held up" },
  slowWriter: { ...rate, description: "kilobytes a second that the sender writes, in small pieces" },
  drop: { ...share, description: "the share of messages that is dropped, at random" },
  duplicate: { ...share, description: "the share of messages that comes twice" },
  reorder: { ...share, description: "the share of messages that the next one overtakes" },
  corrupt: { ...share, description: "the share of messages in which a byte is another" },
  where: {
    type: "string",
    description: "which messages drop, duplicate, reorder and corrupt are about, in CEL as in `messages`. Default: all",
  },
  natTimeout: {
    ...schemas.duration,
    description: "a connection on which nothing has passed for so long vanishes, and neither end is told",
  },
  direction: { ...schemas.direction, description: "of all but cut, halfOpen, natTimeout and heal. Default: both" },
  flap: {
    type: "object",
    additionalProperties: false,
    required: ["bad", "good"],
    properties: { bad: schemas.duration, good: schemas.duration },
    description: "the fault comes and goes with these times, until it is healed or its time is over",
  },
  heal: { const: true, description: "all faults of the link end" },
  for: { ...schemas.duration, description: "it ends by itself after this, and no other with it" },
} satisfies Record<string, Schema>;

/** One of these a fault must have. */
export const faultKinds = [
  "cut",
  "halfOpen",
  "latency",
  "jitter",
  "bandwidth",
  "slowReader",
  "slowWriter",
  "drop",
  "duplicate",
  "reorder",
  "corrupt",
  "natTimeout",
  "heal",
] as const;

/**
 * Makes links bad, or heals them. Settles when the fault is over, where it ends by itself, and rejects where `signal` ends it before;
 * undefined where it doesn't. Durations are not scaled. Throws HopFilterError for a filter that can't be used.
 */
export function putFault(
  links: readonly Link[],
  words: FaultWords,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> | undefined {
  if (words.heal) {
    for (const link of links) link.heal();
    return undefined;
  }
  const fault = faultOf(words);
  const takeAway = links.map((link) => link.put(fault));
  const end = () => {
    for (const take of takeAway) take();
  };
  if (words.for !== undefined) return sleep(clock, milliseconds(words.for), signal).finally(end);
  // Flapping is a timer: it may not outlive the step that asked for it.
  if (words.flap !== undefined) signal.addEventListener("abort", end, { once: true });
  return undefined;
}

const KB = 1024;

function faultOf(words: FaultWords): LinkFault {
  const { bandwidth, corrupt, cut, direction, distribution, drop, duplicate, flap, halfOpen, jitter, latency } = words;
  const { natTimeout, reorder, slowReader, slowWriter, where } = words;
  const inMilliseconds = (duration: string | undefined) => duration === undefined ? undefined : milliseconds(duration);
  const inBytes = (kilobytes: number | undefined) => kilobytes === undefined ? undefined : kilobytes * KB;
  const ofMessages = defined<MessageFault>({ drop, duplicate, reorder, corrupt });
  const matches = where === undefined ? undefined : compileHopFilter(where);
  return defined<LinkFault>({
    direction,
    cut,
    halfOpen,
    natTimeout: inMilliseconds(natTimeout),
    quality: defined<LinkQuality>({
      latency: inMilliseconds(latency),
      jitter: inMilliseconds(jitter),
      distribution,
      bandwidth: inBytes(bandwidth),
      slowReader: inBytes(slowReader),
      slowWriter: inBytes(slowWriter),
    }),
    messages: Object.keys(ofMessages).length === 0 ? undefined : defined({ ...ofMessages, matches, where }),
    flap: flap === undefined ? undefined : { bad: milliseconds(flap.bad), good: milliseconds(flap.good) },
  });
}

/** Without what is undefined. */
function defined<T extends object>(fields: { readonly [K in keyof T]?: T[K] | undefined }): T {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as T;
}
