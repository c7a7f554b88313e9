// A hop of a message in one line, for terminals and reports.
import type { HopRecord } from "../../base/hop/hop.ts";

/** A hop in one line. */
export function describeHop(record: HopRecord): string {
  const time = new Date(record.time).toISOString().slice(11, 23);
  const version = record.version === "" ? "" : ` v${record.version}`;
  const outcome = record.outcome === "" || record.outcome === "sent" ? "" : ` (${record.outcome})`;
  return `${time} ${record.hop.padEnd(18)} ${
    record.node.padEnd(10)
  } ${record.operation} ${record.resource}${version}${outcome}`;
}
