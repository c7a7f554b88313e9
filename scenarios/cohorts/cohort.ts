// A cohort of edges as a file describes it: how many, of which version, with which devices.
import type { Misbehaviour } from "../../edge-sim/device/misbehaviour.ts";
import type { ValueSpec } from "../../edge-sim/device/values.ts";
import type { EdgeVersion } from "../../edge-sim/era/era.ts";

/** Devices each edge of a cohort gets: `{edge}-{model}-{i}`. */
export interface CohortDevices {
  readonly model: string;
  /** Default: 1. */
  readonly perEdge?: number;
  /** How often each property is reported by itself, a duration; not at all without. */
  readonly reports?: string;
  /** By property: where its values come from. Default: random, within the model's bounds. */
  readonly values?: Readonly<Record<string, CohortValues>>;
  readonly misbehaves?: CohortMisbehaviour;
}

/** A source of values, or a column of a table beside the scenario, from top to bottom and again. */
export type CohortValues = ValueSpec & { readonly csv?: { readonly file: string; readonly column: string } };

/** What devices do wrong, as it is written: `lags` and the times of `offline` are durations. */
export type CohortMisbehaviour = Omit<Misbehaviour, "lags" | "offline"> & {
  readonly lags?: string;
  readonly offline?: { readonly every: string; readonly for: string };
};

/** One cohort of the fleet. */
export interface ScenarioCohort {
  readonly cohort: string;
  readonly count?: number;
  /** The version of KubeEdge its edges simulate. Default: v1.23. */
  readonly version?: EdgeVersion;
  readonly transport?: "websocket" | "quic";
  readonly labels?: Readonly<Record<string, string>>;
  readonly link?: { readonly latency?: string; readonly jitter?: string };
  readonly devices?: readonly CohortDevices[];
  /** Pods each of its nodes takes. Default: 110. */
  readonly pods?: number;
  /** Files of stages that pods on its edges live by, without `.yaml`: shipped with skep, or beside the scenario. */
  readonly stages?: readonly string[];
  /** How long its edges wait before they dial again. */
  readonly reconnect?: {
    readonly wait: string;
    readonly factor?: number;
    readonly cap?: string;
    readonly jitter?: number;
  };
  /** MQTT brokers of its edges: in the process, from that port on or at free ones, or one that runs already. */
  readonly mqtt?: { readonly port?: number; readonly server?: string };
  readonly serviceBus?: { readonly port?: number };
  /** A folder for its edges' DMI sockets. */
  readonly dmi?: string;
  /** Which mapper has its devices. Default: `inside`. */
  readonly mapper?: "inside" | "dmi" | "none";
}

/** Whether any edge of a scenario simulates KubeEdge v1.1. */
export function usesV11({ fleet }: { readonly fleet: readonly ScenarioCohort[] }): boolean {
  return fleet.some(({ version }) => version === "v1.1");
}

/** Whether any edge of a scenario connects over QUIC. */
export function usesQuic({ fleet }: { readonly fleet: readonly ScenarioCohort[] }): boolean {
  return fleet.some(({ transport }) => transport === "quic");
}

/** The fleet of a scenario that names none. */
export const defaultFleet: readonly ScenarioCohort[] = [{
  cohort: "edge",
  count: 10,
  devices: [{ model: "thermometer", perEdge: 2 }],
}];
