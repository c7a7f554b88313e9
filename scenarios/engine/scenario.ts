// A scenario as its file says it, once it has been read and checked.
import { SkepError } from "../../base/error/skep-error.ts";
import type { World } from "../targets/target.ts";
import type { ScenarioRun } from "./run.ts";
import type { Misbehaviour } from "../../edge-sim/device/misbehaviour.ts";
import type { ValueSpec } from "../../edge-sim/device/values.ts";
import type { EdgeVersion } from "../../edge-sim/edge.ts";
import type { KubeObject } from "../../protocol/apis/kube-object.ts";

/** Where something stands in a file; line and column count from 1. */
export interface Position {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** As editors and terminals take it: `file:line:column`. */
export function positionText({ column, file, line }: Position): string {
  return `${file}:${line}:${column}`;
}

/** Devices each edge of a cohort gets: `{edge}-{model}-{i}`. */
export interface CohortDevices {
  readonly model: string;
  /** 1 where nothing is said. */
  readonly perEdge?: number;
  /** How often each property is reported by itself, a duration; not at all without. */
  readonly reports?: string;
  /** By property: where its values come from. From chance, within the model's bounds, where nothing is said. */
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
  /** The KubeEdge its edges speak; v1.23 where nothing is said. */
  readonly version?: EdgeVersion;
  readonly transport?: "websocket" | "quic";
  readonly labels?: Readonly<Record<string, string>>;
  readonly link?: { readonly latency?: string; readonly jitter?: string };
  readonly devices?: readonly CohortDevices[];
  /** Pods each of its nodes takes; 110 where nothing is said. */
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
  /** Who has its devices; `inside` where nothing is said. */
  readonly mapper?: "inside" | "dmi" | "none";
}

/** Whether any edge of a scenario speaks KubeEdge v1.1. */
export function usesV11({ fleet }: { readonly fleet: readonly ScenarioCohort[] }): boolean {
  return fleet.some(({ version }) => version === "v1.1");
}

/** Whether any edge of a scenario comes by QUIC. */
export function usesQuic({ fleet }: { readonly fleet: readonly ScenarioCohort[] }): boolean {
  return fleet.some(({ transport }) => transport === "quic");
}

/** What of our cloudcore is other than KubeEdge's defaults. */
export interface ScenarioCloudcore {
  readonly nodeLimit?: number;
  /** How long edges' certificates and bootstrap tokens are good for: durations; the first is divided by the time scale. */
  readonly edgeCertLifetime?: string;
  readonly tokenLifetime?: string;
  /** Whether what edges ask is checked: not, with a line in the log for what they may not, or with refusal. */
  readonly authorization?: "off" | "log" | "on";
  /** With the CSI driver's socket. */
  readonly csi?: boolean;
  /** In a process of its own, which can be killed. */
  readonly process?: boolean;
}

/** One step: which, with what arguments, and the words that every step may carry. */
export interface Step {
  readonly kind: string;
  readonly args: unknown;
  readonly name?: string;
  readonly id?: string;
  readonly if?: string;
  readonly timeout?: string;
  readonly each?: string;
  readonly as?: Readonly<Record<string, string>>;
  readonly position: Position;
}

/** One scenario. Durations are texts as written. */
export interface Scenario {
  readonly name: string;
  readonly position: Position;
  /** Where a part of it stands, such as `["fleet", 0, "stages"]`; the scenario itself where it was written in code. */
  readonly where?: (path: readonly (string | number)[]) => Position;
  /** Why it can't be run, where its file is no scenario. */
  readonly refusals?: readonly string[];
  readonly tags: readonly string[];
  readonly needs: readonly string[];
  readonly seed: number | undefined;
  readonly timeout: string;
  readonly fleet: readonly ScenarioCohort[];
  readonly cloudcore: ScenarioCloudcore;
  readonly steps: readonly Step[];
  readonly catch: readonly Step[];
  readonly finally: readonly Step[];
  /** What a scenario in code does instead of steps. */
  readonly body?: (run: ScenarioRun, world: World) => Promise<void>;
}

/** What a scenario may say of itself beside its name and its steps. */
export type ScenarioFields = Partial<Pick<Scenario, "tags" | "needs" | "seed" | "timeout" | "fleet" | "cloudcore">>;

/** The fields, with what they are where nothing is said. */
export function withDefaults(fields: ScenarioFields): Required<ScenarioFields> {
  return {
    tags: fields.tags ?? [],
    needs: fields.needs ?? [],
    seed: fields.seed,
    timeout: fields.timeout ?? "60s",
    fleet: fields.fleet ?? [],
    cloudcore: fields.cloudcore ?? {},
  };
}

/** Names one Kubernetes object; the namespace is the scenario's where none is given. */
export interface ObjectName {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly namespace?: string;
}

/** What `apply` and `delete` take: files, objects, or several of them. */
export type Manifest = string | KubeObject | readonly (string | KubeObject)[];

/** A file that is no scenario: what was found where, and what is allowed there. */
export class ScenarioError extends SkepError {
  readonly code = "SKEP_SCENARIO";
  readonly position: Position;
  constructor(position: Position, message: string) {
    super(`${positionText(position)}: ${message}`);
    this.position = position;
  }
}

/** The fleet of a scenario that names none. */
export const defaultFleet: readonly ScenarioCohort[] = [{
  cohort: "edge",
  count: 10,
  devices: [{ model: "thermometer", perEdge: 2 }],
}];
