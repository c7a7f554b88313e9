// What can be wrong with a link: the vocabulary, Toxiproxy's (https://github.com/Shopify/toxiproxy) where it has the word.
import type { HopRecord } from "../hop/hop.ts";
import type { Random } from "../random/random.ts";

/** `up` is edge to cloud, `down` cloud to edge. */
export type Way = "up" | "down";
export type Direction = Way | "both";

/** How jitter is spread: evenly within ± it; normally, with it as the standard deviation; or as a long tail whose mean it is. */
export const distributions = ["uniform", "normal", "exponential"] as const;
export type Distribution = typeof distributions[number];

/** How fast messages of one direction pass. Messages never overtake one another. Absent: as fast as can be. */
export interface LinkQuality {
  /** Milliseconds added to each message, and how much they are spread. */
  readonly latency?: number;
  readonly jitter?: number;
  /** Default: uniform. */
  readonly distribution?: Distribution;
  /** Bytes a second; what waits for it is kept in buffers of about a megabyte before the sender is held up. */
  readonly bandwidth?: number;
  /** Bytes a second that the receiver takes: nothing is kept in between, so that the sender is held up. */
  readonly slowReader?: number;
  /** Bytes a second that the sender writes: each message comes in small pieces. */
  readonly slowWriter?: number;
}

/** What happens to single messages of one direction, each with a share (0 to 1) of them. */
export interface MessageFault {
  readonly drop?: number;
  readonly duplicate?: number;
  /** The message after it goes first. */
  readonly reorder?: number;
  /** One of its bytes is another. */
  readonly corrupt?: number;
  /** Which messages it is about, and how that was written. Default: all. */
  readonly matches?: (record: HopRecord) => boolean;
  readonly where?: string;
}

/**
 * How a connection is cut: `both` ends it without a close frame; `clean` with one; `reset` by TCP's RST; `blackHole` leaves it standing
 * and lets nothing through, neither does it let a new one come to be: what was sent meanwhile arrives when it is healed, as TCP would
 * send it again.
 */
export const cuts = ["both", "clean", "reset", "blackHole"] as const;
export type Cut = typeof cuts[number];

/** One fault of a link, which lasts until it is taken away. */
export interface LinkFault {
  /** Of quality and messages. Default: both. */
  readonly direction?: Direction;
  readonly quality?: LinkQuality;
  readonly messages?: MessageFault;
  readonly cut?: Cut;
  /** Messages of that direction vanish; neither end notices. */
  readonly halfOpen?: Direction;
  /** A connection on which nothing has passed for so many milliseconds vanishes: both ends keep it, nothing comes through. */
  readonly natTimeout?: number;
  /** It comes and goes: milliseconds. */
  readonly flap?: { readonly bad: number; readonly good: number };
}

const KB = 1024;

/** A quality in words, one each. */
export function qualityWords(
  { bandwidth, distribution = "uniform", jitter = 0, latency = 0, slowReader, slowWriter }: LinkQuality,
  way: Way,
): string[] {
  const rate = (bytes: number) => `${Math.round(bytes / KB * 10) / 10} KB/s`;
  const spread = jitter > 0 ? ` ± ${jitter} ms${distribution === "uniform" ? "" : ` (${distribution})`}` : "";
  return [
    ...(latency + jitter > 0 ? [`${latency} ms ${way}${spread}`] : []),
    ...(bandwidth === undefined ? [] : [`${rate(bandwidth)} ${way}`]),
    ...(slowReader === undefined ? [] : [`read at ${rate(slowReader)} ${way}`]),
    ...(slowWriter === undefined ? [] : [`written at ${rate(slowWriter)} ${way}`]),
  ];
}

/** A fault of messages in words. */
export function messageFaultWords(
  { corrupt = 0, drop = 0, duplicate = 0, reorder = 0, where }: MessageFault,
  way: Way,
): string[] {
  const shares = { dropped: drop, duplicated: duplicate, reordered: reorder, corrupted: corrupt };
  const of = where === undefined ? "" : ` of ${where}`;
  return Object.entries(shares).filter(([, share]) => share > 0).map(([what, share]) =>
    `${Math.round(share * 100)} % ${what} ${way}${of}`
  );
}

/** Milliseconds that the next message is late. */
export function delayOf({ distribution, jitter = 0, latency = 0 }: LinkQuality, random: Random): number {
  if (jitter === 0) return latency;
  switch (distribution) {
    case "normal":
      // Box and Muller: two even numbers give a normal one.
      return Math.max(
        0,
        latency + jitter * Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next()),
      );
    case "exponential":
      return latency - jitter * Math.log(1 - random.next());
    default:
      return Math.max(0, latency + jitter * (2 * random.next() - 1));
  }
}
