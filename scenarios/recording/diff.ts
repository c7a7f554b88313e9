// What differs between two recordings in terms of messages: missing, additional, in another order, with another content.
import { objectName, objectOf } from "../../base/hop/about.ts";
import type { HopRecord } from "../../base/hop/hop.ts";
import { describeDifference, differences } from "../model/match.ts";
import { normalised, normalPath } from "./normalise.ts";
import { wireOf } from "./wire.ts";

/** One difference. */
export interface Difference {
  readonly kind: "missing" | "additional" | "order" | "content";
  readonly direction: HopRecord["direction"];
  readonly node: string;
  /** Operation and path. */
  readonly message: string;
  /** How often, or what. */
  readonly details: readonly string[];
}

/** What came of it. */
export interface RecordingDiff {
  readonly differences: readonly Difference[];
  /** Messages of each. */
  readonly messages: readonly [a: number, b: number];
  /** Kinds of periodic messages whose numbers differ, which is no difference. */
  readonly periodic: readonly string[];
}

/** How they are compared. */
export interface DiffOptions {
  /** Also counts of keepalives, leases and statuses, which depend on how long was recorded. Default: false. */
  readonly isStrict?: boolean;
}

/** Messages that come again and again: their number says how long was recorded. */
const periodic =
  /^(up keepalive |up (insert|update|query) \S+\/lease\/|(up|down) response \S+\/lease\/|\w+ \w+ \S+\/(nodepatch|nodestatus|node)\/|up query \S+\/lease)/;

interface Sequence {
  readonly key: string;
  readonly hops: HopRecord[];
}

/** Compares B against A. Messages are told apart by edge, direction, operation and path. */
export function diffRecordings(
  a: readonly HopRecord[],
  b: readonly HopRecord[],
  options: DiffOptions = {},
): RecordingDiff {
  const [wireA, wireB] = [withoutSuffix(wireOf(a)), withoutSuffix(wireOf(b))];
  const [byKeyA, byKeyB] = [grouped(wireA), grouped(wireB)];
  const found: Difference[] = [];
  const skipped = new Set<string>();
  for (const key of new Set([...byKeyA.keys(), ...byKeyB.keys()])) {
    const [inA, inB] = [byKeyA.get(key)?.hops ?? [], byKeyB.get(key)?.hops ?? []];
    const sample = inA[0] ?? inB[0] as HopRecord;
    const isPeriodic = options.isStrict !== true && periodic.test(messageOf(sample)) && inA.length > 0 &&
      inB.length > 0;
    if (isPeriodic) {
      if (inA.length !== inB.length) skipped.add(messageOf(sample));
      continue;
    }
    if (inA.length !== inB.length) {
      const isMissing = inA.length > inB.length;
      found.push(
        differenceOf(isMissing ? "missing" : "additional", sample, [`${inA.length} times in A, ${inB.length} in B`]),
      );
    }
    const contents = contentDifferences(inA, inB);
    if (contents.length > 0) found.push(differenceOf("content", sample, contents));
  }
  found.push(...orderDifferences(wireA, wireB));
  return { differences: found, messages: [wireA.length, wireB.length], periodic: [...skipped] };
}

/** What every run on a shared cluster appends to its names, such as `-k3x9f`, is taken off: two runs have two of them. */
function withoutSuffix(hops: readonly HopRecord[]): HopRecord[] {
  const nodes = new Set(hops.map(({ node }) => node));
  const [suffix, ...others] = new Set([...nodes].map((node) => /-[a-z0-9]{5}$/.exec(node)?.[0]));
  if (suffix === undefined || others.length > 0) return [...hops];
  const without = (text: string) => text.replaceAll(suffix, "");
  return hops.map((hop) => ({
    ...hop,
    node: without(hop.node),
    resource: without(hop.resource),
    text: without(hop.text),
  }));
}

function grouped(hops: readonly HopRecord[]): Map<string, Sequence> {
  const found = new Map<string, Sequence>();
  for (const hop of hops) {
    const key = `${hop.node} ${messageOf(hop)} ${hop.source} ${hop.group}`;
    const sequence = found.get(key) ?? { key, hops: [] };
    sequence.hops.push(hop);
    found.set(key, sequence);
  }
  return found;
}

/** The first pair of messages whose contents differ, as far as both are there. */
function contentDifferences(a: readonly HopRecord[], b: readonly HopRecord[]): string[] {
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    const [one, other] = [a[i] as HopRecord, b[i] as HopRecord];
    if (one.text === "" || other.text === "") continue;
    const [inA, inB] = [normalised(one.text), normalised(other.text)];
    if (JSON.stringify(inA) === JSON.stringify(inB)) continue;
    const lines = [...differences(inA, inB).map(describeDifference), ...additions(inA, inB, "")];
    return [`the ${ordinal(i + 1)} of them (expected is A, found is B):`, ...lines.slice(0, 10)];
  }
  return [];
}

/** What B has and A has not: `differences` looks for A in B alone. */
function additions(a: unknown, b: unknown, path: string): string[] {
  if (
    typeof b !== "object" || b === null || typeof a !== "object" || a === null || Array.isArray(b) !== Array.isArray(a)
  ) return [];
  return Object.entries(b).flatMap(([key, value]) => {
    const at = path === "" ? key : `${path}.${key}`;
    if (!Object.hasOwn(a, key)) return [`${at}: only in B: ${JSON.stringify(value)?.slice(0, 100)}`];
    return additions((a as Record<string, unknown>)[key], value, at);
  });
}

/** Operations whose order matters: requests and their answers may cross them. */
const ordered: ReadonlySet<string> = new Set(["insert", "update", "delete"]);

/** Changes of one object to or from one edge must come in the same order; those of different objects may cross. */
function orderDifferences(a: readonly HopRecord[], b: readonly HopRecord[]): Difference[] {
  const sequences = (hops: readonly HopRecord[]) => {
    const found = new Map<string, HopRecord[]>();
    for (const hop of hops) {
      const { kind, name } = objectOf(hop.resource);
      if (name === "" || kind === "lease" || kind === "node" || !ordered.has(hop.operation)) continue;
      const key = `${hop.node} ${hop.direction} ${objectName(objectOf(normalPath(hop.resource)))}`;
      found.set(key, [...found.get(key) ?? [], hop]);
    }
    return found;
  };
  const [ofA, ofB] = [sequences(a), sequences(b)];
  const found: Difference[] = [];
  for (const [key, inA] of ofA) {
    const inB = ofB.get(key);
    if (inB === undefined) continue;
    const [wordsA, wordsB] = [inA.map(messageOf), inB.map(messageOf)];
    // Only what both have can be in another order.
    const isSameSet = JSON.stringify(wordsA.toSorted()) === JSON.stringify(wordsB.toSorted());
    if (!isSameSet || JSON.stringify(wordsA) === JSON.stringify(wordsB)) continue;
    const first = wordsA.findIndex((word, i) => word !== wordsB[i]);
    found.push(differenceOf("order", inA[first] as HopRecord, [
      `A: ${wordsA.slice(first, first + 4).join(", ")}`,
      `B: ${wordsB.slice(first, first + 4).join(", ")}`,
    ]));
  }
  return found;
}

function differenceOf(kind: Difference["kind"], hop: HopRecord, details: readonly string[]): Difference {
  return { kind, direction: hop.direction, node: hop.node, message: messageOf(hop), details };
}

function messageOf({ direction, operation, resource }: HopRecord): string {
  return `${direction} ${operation} ${normalPath(resource)}`;
}

function ordinal(n: number): string {
  return n === 1 ? "first" : n === 2 ? "second" : n === 3 ? "third" : `${n}th`;
}
