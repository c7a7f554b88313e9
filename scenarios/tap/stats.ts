// Counts of messages by kind and edge, as a table.
import { objectOf } from "../../base/hop/about.ts";
import type { HopRecord } from "../../base/hop/hop.ts";
import { isDrop } from "../../protocol/message/hops.ts";

/** One row. */
export interface StatsRow {
  readonly edge: string;
  readonly kind: string;
  down: number;
  up: number;
  drops: number;
  resends: number;
  bytes: number;
  /** Sum and count of acknowledgement times, milliseconds. */
  ackSum: number;
  acks: number;
}

/** Edges that have rows of their own; the others are one. */
const EDGES = 1000;

/** Adds hops up. */
export class HopStats {
  readonly #rows = new Map<string, StatsRow>();
  readonly #edges = new Set<string>();

  add(hop: HopRecord): void {
    const isWire = hop.hop === "hub.write" || hop.hop === "hub.read" || hop.hop === "proxy.down" ||
      hop.hop === "proxy.up";
    // Where neither hub nor proxy is seen, the edges are.
    const isEdge = hop.hop === "edge.read" || hop.hop === "edge.write";
    if (!isWire && !isEdge && hop.hop !== "hub.ack" && !isDrop(hop.hop)) return;
    const row = this.#row(hop, isEdge ? " (edge)" : "");
    if (isDrop(hop.hop)) row.drops++;
    else if (hop.hop === "hub.ack") {
      row.acks++;
      row.ackSum += hop.ack;
    } else {
      row[hop.direction]++;
      row.bytes += hop.size;
      if (hop.attempt > 1) row.resends++;
    }
  }

  /** Busiest first. Rows of edges' own counts are left out where the hub or a proxy saw the same messages. */
  rows(): StatsRow[] {
    const all = [...this.#rows.values()];
    const hasWire = all.some(({ kind }) => !kind.endsWith(" (edge)"));
    return all.filter(({ kind }) => !hasWire || !kind.endsWith(" (edge)")).sort((a, b) =>
      b.down + b.up - a.down - a.up
    );
  }

  #row({ node, resource, operation }: HopRecord, suffix: string): StatsRow {
    const { kind } = objectOf(resource);
    const isKnown = this.#edges.has(node) || this.#edges.size < EDGES;
    if (isKnown) this.#edges.add(node);
    const edge = isKnown ? node : "(others)";
    const word = `${kind === "" ? operation : kind}${suffix}`;
    const key = `${edge} ${word}`;
    let row = this.#rows.get(key);
    if (row === undefined) {
      row = { edge, kind: word, down: 0, up: 0, drops: 0, resends: 0, bytes: 0, ackSum: 0, acks: 0 };
      this.#rows.set(key, row);
    }
    return row;
  }
}

/** The table, at most `height` rows, and a line of totals. */
export function statsTable(rows: readonly StatsRow[], height: number): string[] {
  const head = ["EDGE", "KIND", "DOWN", "UP", "DROPS", "RESENDS", "KB", "ACK MS"];
  const cells = rows.slice(0, height).map((row) => [
    row.edge === "" ? "-" : row.edge,
    row.kind,
    String(row.down),
    String(row.up),
    String(row.drops),
    String(row.resends),
    (row.bytes / 1024).toFixed(1),
    row.acks === 0 ? "-" : (row.ackSum / row.acks).toFixed(1),
  ]);
  const widths = head.map((word, i) => Math.max(word.length, ...cells.map((row) => row[i]?.length ?? 0)));
  const line = (row: readonly string[]) =>
    row.map((cell, i) => i < 2 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0)).join("  ").trimEnd();
  const sum = (of: (row: StatsRow) => number) => rows.reduce((total, row) => total + of(row), 0);
  const others = rows.length > height ? `, ${rows.length - height} rows not shown` : "";
  return [
    line(head),
    ...cells.map(line),
    `${sum((row) => row.down)} down, ${sum((row) => row.up)} up, ${sum((row) => row.drops)} not sent${others}`,
  ];
}
