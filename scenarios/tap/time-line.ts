// Hops as an indented time line: one line a hop, with the time since the one before, indented by how far along it is.
import type { HopRecord } from "../../base/hop/hop.ts";
import { hopNames, isDrop } from "../../protocol/message/hops.ts";

/** How far along a part is, from the API to the device. */
const depth: Readonly<Record<string, number>> = {
  kube: 0,
  controller: 1,
  hub: 2,
  proxy: 2,
  link: 3,
  edge: 3,
  twin: 4,
  device: 5,
};

/** The lines; the first says what it is about. `unseen` names the parts that the recording can't show. */
export function timeLine(hops: readonly HopRecord[], title: string): string[] {
  if (hops.length === 0) return [`${title}: no hop of it is there (any more)`];
  const start = hops[0]?.time ?? 0;
  const lines = [`${title}  ${new Date(start).toISOString()}`];
  let before = start;
  for (const hop of hops) {
    const [part = ""] = hop.hop.split(".");
    const gap = hop.time - before;
    before = hop.time;
    const mark = isDrop(hop.hop) ? "✗" : hop.direction === "up" ? "↑" : "↓";
    lines.push(`${`+${gap} ms`.padStart(10)}  ${"  ".repeat(depth[part] ?? 0)}${mark} ${describe(hop)}`);
  }
  const unseen = unseenOf(hops);
  if (unseen !== "") lines.push(`${" ".repeat(12)}${unseen}`);
  lines.push(`${`${before - start} ms`.padStart(10)}  in all`);
  return lines;
}

function describe(hop: HopRecord): string {
  const words = [
    hop.hop.padEnd(18),
    hop.node,
    `${hop.operation} ${hop.resource}`.trim(),
    hop.version === "" ? "" : `v${hop.version}`,
    hop.attempt > 1 ? `attempt ${hop.attempt}` : "",
    hop.wait > 0 ? `waited ${hop.wait} ms` : "",
    hop.ack > 0 ? `acknowledged after ${hop.ack} ms` : "",
    hop.outcome === "" || hop.outcome === "sent" ? "" : `— ${hop.outcome}`,
  ];
  return words.filter((word) => word !== "").join(" ");
}

/** Which ends are not seen: a foreign cloudcore's, or real edges'. */
export function unseenOf(hops: readonly HopRecord[]): string {
  const has = (part: string) => hops.some(({ hop }) => hop.startsWith(`${part}.`));
  if (has("proxy") && !has("hub") && !has("edge")) {
    return "(cloudcore's and the edge's own hops can't be seen: a proxy sees what passes)";
  }
  if (has("edge") && !has("hub") && !has("controller")) return "(cloudcore's hops can't be seen from here)";
  if (has("hub") && !has("edge")) return "(the edge's hops can't be seen from here)";
  return "";
}

/** What a hop's name means. */
export function meaningOf(hop: string): string {
  return Object.hasOwn(hopNames, hop) ? hopNames[hop as keyof typeof hopNames] : "";
}
