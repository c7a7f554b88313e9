// Reads a load profile; refuses a wrong one with file, line, column, what was found and what is allowed.
import { Ajv, type ValidateFunction } from "ajv";
import { compileHopFilter, HopFilterError } from "../../base/hop/filter.ts";
import { withoutBigInts } from "../../protocol/json.ts";
import type { ScenarioCohort } from "../cohorts/cohort.ts";
import { milliseconds } from "../files/duration.ts";
import { ScenarioError } from "../files/position.ts";
import { documentsIn, type YamlDocument } from "../files/yaml-document.ts";
import { refuseMetric } from "./metrics.ts";
import {
  type LoadProfile,
  type Mix,
  type OperationKind,
  operationKinds,
  type Phase,
  type PhaseFault,
  type Shape,
} from "./profile.ts";
import { profileSchema } from "./schema.ts";
import { parseThreshold, type Threshold, ThresholdError } from "./thresholds.ts";

/** A phase as it is written. */
interface WrittenPhase {
  readonly name?: string;
  readonly shape?: Shape;
  readonly for: string;
  readonly rate?: number;
  readonly toRate?: number;
  readonly users?: number;
  readonly toUsers?: number;
  readonly think?: string;
  readonly jitter?: number;
  readonly steps?: number;
  readonly lost?: number;
  readonly away?: string;
  readonly restart?: "api" | "cloudcore";
  readonly faults?: readonly PhaseFault[];
}

interface WrittenMix {
  readonly share?: number;
  readonly alive?: string;
  readonly size?: number;
  readonly count?: number;
  readonly edges?: number;
}

interface WrittenLoad {
  readonly edges?: number;
  readonly join?: { readonly rate?: number; readonly within?: string; readonly with?: "certificates" | "token" };
  readonly timings?: Readonly<Partial<Record<"heartbeat" | "lease" | "nodeStatus", string>>> & {
    readonly jitter?: number;
  };
  readonly standing?: { readonly podsPerEdge?: number; readonly configmapsPerPod?: number };
  readonly warmUp?: string;
  readonly phases: readonly WrittenPhase[];
  readonly mix?: Readonly<Partial<Record<OperationKind, WrittenMix>>>;
  readonly lostAfter?: string;
  readonly maxLag?: string;
  readonly thresholds?: readonly (string | { readonly that: string; readonly abortAfter: string })[];
}

const DEFAULT_EDGES = 100;
const defaults = { joinWithin: "5m", lostAfter: "30s", maxLag: "500ms", alive: "5s", away: "5s" } as const;
const DEFAULT_STEPS = 5;
/** Bytes of a value where the profile doesn't say. */
const sizes: Readonly<Partial<Record<OperationKind, number>>> = { configmaps: 1024, reports: 32 };

let check: ValidateFunction | undefined;

/** The profiles in a text; `file` is for positions and for what stands beside it. Throws ScenarioError. */
export function parseProfiles(text: string, file: string): LoadProfile[] {
  const profiles = documentsIn(text, file).map(profileOf);
  if (profiles.length === 0) throw new ScenarioError({ file, line: 1, column: 1 }, "the file holds no load profile");
  return profiles;
}

function profileOf(document: YamlDocument): LoadProfile {
  const value = withoutBigInts(document.value());
  check ??= new Ajv({ allErrors: true, strict: false, verbose: true }).compile(profileSchema);
  if (!check(value)) throw document.refusal(check.errors ?? [], []);
  const { description = "", fleet, load, name, seed = 1 } = value as {
    readonly name: string;
    readonly description?: string;
    readonly seed?: number;
    readonly fleet?: readonly ScenarioCohort[];
    readonly load: WrittenLoad;
  };
  const phases = load.phases.map((phase, i) => phaseOf(phase, document, i));
  const mix = mixOf(load.mix ?? {});
  const isIdle = (phase: Phase) => phase.from === 0 && phase.to === 0;
  const busy = phases.findIndex((phase) => !isIdle(phase));
  if (busy !== -1 && mix.length === 0) {
    throw new ScenarioError(
      document.where(["load", "phases", busy]),
      `the phase has a load, but there is no mix: say what is done, of ${operationKinds.join(", ")}`,
    );
  }
  const devices = (fleet ?? []).some((cohort) => (cohort.devices ?? []).length > 0);
  for (const kind of ["reports", "desired"] as const) {
    if (load.mix?.[kind] === undefined || devices) continue;
    throw new ScenarioError(
      document.where(["load", "mix", kind], true),
      `${kind} need devices: a cohort of the fleet with devices: [{ model: meter }]`,
    );
  }
  if (load.mix?.restarts !== undefined && load.standing?.podsPerEdge === undefined) {
    throw new ScenarioError(document.where(["load", "mix", "restarts"], true), "restarts need standing: podsPerEdge");
  }
  for (const [i, { faults }] of phases.entries()) {
    for (const [k, { cohort }] of faults.entries()) {
      if (cohort === undefined || (fleet ?? []).some((each) => each.cohort === cohort)) continue;
      throw new ScenarioError(
        document.where(["load", "phases", i, "faults", k, "cohort"]),
        `there is no cohort ${cohort} in the fleet`,
      );
    }
  }
  const [first] = phases as [Phase];
  const warmUp = load.warmUp === undefined ? [] : [{
    ...first,
    name: "warm-up",
    restart: undefined,
    faults: [],
    lost: 0,
    shape: "constant" as const,
    to: first.from,
    for: milliseconds(load.warmUp),
    isJudged: false,
  }];
  const timing = (text: string | undefined) => text === undefined ? undefined : milliseconds(text);
  const { heartbeat, jitter, lease, nodeStatus } = load.timings ?? {};
  return {
    name,
    description,
    position: document.where([]),
    where: (path) => document.where(path),
    seed,
    fleet: fleet ?? [{ cohort: "edge", count: load.edges ?? DEFAULT_EDGES }],
    joinRate: load.join?.rate,
    joinWith: load.join?.with ?? "token",
    joinWithin: milliseconds(load.join?.within ?? defaults.joinWithin),
    lostAfter: milliseconds(load.lostAfter ?? defaults.lostAfter),
    maxLag: milliseconds(load.maxLag ?? defaults.maxLag),
    timings: {
      ...(heartbeat === undefined ? {} : { heartbeat: timing(heartbeat) as number }),
      ...(lease === undefined ? {} : { lease: timing(lease) as number }),
      ...(nodeStatus === undefined ? {} : { nodeStatus: timing(nodeStatus) as number }),
      ...(jitter === undefined ? {} : { jitter }),
    },
    standing: {
      podsPerEdge: load.standing?.podsPerEdge ?? 0,
      configmapsPerPod: load.standing?.configmapsPerPod ?? 0,
    },
    phases: [...warmUp, ...phases],
    mix,
    thresholds: (load.thresholds ?? []).map((written, i) => thresholdOf(written, document, i)),
  };
}

function phaseOf(written: WrittenPhase, document: YamlDocument, index: number): Phase {
  const { rate, shape = "constant", toRate, toUsers, users } = written;
  const path = ["load", "phases", index];
  if (users !== undefined && rate !== undefined) {
    throw new ScenarioError(document.where([...path, "users"], true), "a phase has a rate or users, not both");
  }
  const from = users ?? rate ?? 0;
  const to = users === undefined ? toRate : toUsers;
  const changes = shape === "ramp" || shape === "step" || shape === "spike";
  if (changes && to === undefined) {
    const word = users === undefined ? "toRate" : "toUsers";
    throw new ScenarioError(document.where(path), `a ${shape} needs ${word}: what it goes up or down to`);
  }
  return {
    name: written.name ?? shape,
    shape,
    model: users === undefined ? "open" : "closed",
    for: milliseconds(written.for),
    from,
    to: changes ? to as number : from,
    steps: written.steps ?? DEFAULT_STEPS,
    lost: shape === "storm" ? written.lost ?? 1 : 0,
    away: milliseconds(written.away ?? defaults.away),
    restart: written.restart,
    faults: (written.faults ?? []).map((fault, i) => {
      if (fault.where !== undefined) checkedFilter(fault.where, document, [...path, "faults", i, "where"]);
      return fault;
    }),
    think: milliseconds(written.think ?? "0ms"),
    jitter: written.jitter ?? 0,
    isJudged: true,
  };
}

function checkedFilter(where: string, document: YamlDocument, path: readonly (string | number)[]): void {
  try {
    compileHopFilter(where);
  } catch (error) {
    throw error instanceof HopFilterError ? new ScenarioError(document.where(path), error.message) : error;
  }
}

function mixOf(written: Readonly<Partial<Record<OperationKind, WrittenMix>>>): Mix[] {
  return operationKinds.flatMap((kind) => {
    const given = written[kind];
    if (given === undefined) return [];
    return [{
      kind,
      share: given.share ?? 1,
      alive: milliseconds(given.alive ?? defaults.alive),
      size: given.size ?? sizes[kind] ?? 0,
      edges: given.edges ?? Infinity,
      count: given.count ?? 1,
    }];
  });
}

function thresholdOf(
  written: string | { readonly that: string; readonly abortAfter: string },
  document: YamlDocument,
  index: number,
): Threshold {
  const text = typeof written === "string" ? written : written.that;
  try {
    const threshold = parseThreshold(text, typeof written === "string" ? undefined : milliseconds(written.abortAfter));
    const refused = refuseMetric(threshold);
    if (refused !== undefined) throw new ThresholdError(refused);
    return threshold;
  } catch (error) {
    if (!(error instanceof ThresholdError)) throw error;
    throw new ScenarioError(document.where(["load", "thresholds", index]), error.message);
  }
}
