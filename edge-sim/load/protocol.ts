// What a load generator and the processes of its fleet say to each other: lines of JSON on standard input and output.
import type { FleetReport } from "../fleet/workers.ts";
import type { EdgeLoadReport, EdgeOperation } from "./edge-load.ts";

/** To a process: begin with all edges; do these operations; make the links of some edges bad, in the words of scenarios; end. */
export type EdgeCommand =
  | { readonly do: "start" }
  | { readonly do: "operate"; readonly operations: readonly EdgeOperation[] }
  | { readonly do: "fault"; readonly edges: readonly string[]; readonly fault: object }
  | { readonly do: "stop" };

/** From a process, twice a second. */
export interface EdgeProcessReport extends FleetReport, EdgeLoadReport {
  /** Unix milliseconds. */
  readonly at: number;
  /** Seconds of processor time so far, and bytes of memory. */
  readonly cpu: number;
  readonly rss: number;
}

/** Milliseconds between two reports. */
export const REPORT_EVERY_MS = 500;
