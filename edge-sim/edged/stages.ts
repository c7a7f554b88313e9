// The stages of pods, in kwok's vocabulary: which pods they are for, and what they make of a status.
import { SkepError } from "../../base/error/skep-error.ts";
import { Environment } from "@marcbachmann/cel-js";
import { reasonOf } from "../../base/log/logger.ts";
import { at, type Json, type KubeObject, textAt } from "../../protocol/apis/kube-object.ts";
import { applyMergePatch } from "../../protocol/apis/merge-patch.ts";
import { secondsOf } from "../../protocol/apis/time.ts";

/** One stage (`kind: Stage` of kwok.x-k8s.io/v1alpha1), as far as edges have a use for it. */
export interface StageSpec {
  readonly name: string;
  readonly selector?: {
    readonly matchLabels?: Readonly<Record<string, string>>;
    readonly matchAnnotations?: Readonly<Record<string, string>>;
    /** `key` is a path such as `.status.phase` or `.metadata.labels["app"]`. */
    readonly matchExpressions?: readonly StageRequirement[];
  };
  /** Its share where several fit. Default: 1. 0: only where no other fits. */
  readonly weight?: number;
  /** Until it has its effect: a random time between the first and the second, where there is a second. */
  readonly delay?: { readonly durationMilliseconds?: number; readonly jitterDurationMilliseconds?: number };
  readonly next: {
    /**
     * What the pod's status becomes: a merge patch, conditions merged by their type. `{ $cel: "…" }` in it is worked out:
     * `object` is the pod, `now` the time as text.
     */
    readonly patch: { readonly status: Json };
    /** Lines that the pod's containers then log: texts, or `{ $cel: "…" }` for a text or a list of them. */
    readonly logs?: readonly Json[];
  };
}

/** One condition of a selector. */
export interface StageRequirement {
  readonly key: string;
  readonly operator: "In" | "NotIn" | "Exists" | "DoesNotExist";
  readonly values?: readonly string[];
}

/** A stage that can't be used; the message says which and why. */
export class StageError extends SkepError {
  readonly code = "SKEP_STAGE";
  /** Where in its spec. */
  readonly path: readonly (string | number)[];
  constructor(stage: string, reason: string, path: readonly (string | number)[] = []) {
    super(`stage ${stage}: ${reason}`);
    this.path = path;
  }
}

/** One that can be used. */
export interface Stage {
  readonly spec: StageSpec;
  /** Whether it can apply to this pod: labels and annotations don't change with stages. */
  readonly isFor: (pod: KubeObject) => boolean;
  readonly fits: (pod: KubeObject) => boolean;
  readonly statusOf: (pod: KubeObject, now: number) => Json;
  readonly linesOf: (pod: KubeObject, now: number) => readonly string[];
}

type Evaluated = (context: Record<string, unknown>) => unknown;

/** The stages of a cohort. */
export class Stages {
  readonly #stages: readonly Stage[];

  /** Throws StageError where a path or an expression is wrong. */
  constructor(specs: readonly StageSpec[]) {
    this.#stages = specs.map(compile);
  }

  /** Whether a stage selects the pod by labels and annotations. Other pods follow the simulated kubelet. */
  areFor(pod: KubeObject): boolean {
    return this.#stages.some((stage) => stage.isFor(pod));
  }

  fitting(pod: KubeObject): readonly Stage[] {
    return this.#stages.filter((stage) => stage.isFor(pod) && stage.fits(pod));
  }
}

function compile(spec: StageSpec): Stage {
  const { matchAnnotations = {}, matchExpressions = [], matchLabels = {} } = spec.selector ?? {};
  const requirements = matchExpressions.map((requirement, i) => compileRequirement(spec.name, requirement, i));
  const patch = compileValue(spec.name, spec.next.patch.status);
  const logs = compileValue(spec.name, [...spec.next.logs ?? []]);
  return {
    spec,
    isFor: ({ metadata: { annotations, labels } }) => has(labels, matchLabels) && has(annotations, matchAnnotations),
    fits: (pod) => requirements.every((isMet) => isMet(pod)),
    statusOf: (pod, now) => merged(pod.status as Json | undefined, patch({ object: pod, now: secondsOf(now) })),
    linesOf: (pod, now) => [logs({ object: pod, now: secondsOf(now) })].flat(2).map(String),
  };
}

/** Conditions are identified by their type, as kubelets' are; all else merges as RFC 7386 has it. */
function merged(status: Json | undefined, patch: Json): Json {
  const whole = applyMergePatch(status, patch);
  const before = at(status, "conditions");
  const changed = at(patch, "conditions");
  if (!Array.isArray(before) || !Array.isArray(changed)) return whole;
  const byType = new Map([...before, ...changed].map((condition) => [textAt(condition, "type"), condition]));
  return { ...whole as { readonly [key: string]: Json }, conditions: [...byType.values()] as Json[] };
}

function has(given: Readonly<Record<string, string>> = {}, wanted: Readonly<Record<string, string>>): boolean {
  return Object.entries(wanted).every(([key, value]) => given[key] === value);
}

function compileRequirement(stage: string, { key, operator, values = [] }: StageRequirement, index: number) {
  const path = pathOf(key);
  if (path === undefined) {
    throw new StageError(
      stage,
      `the key ${key} is no path such as .status.phase, .spec.containers[0].name or .metadata.labels["app"]`,
      ["selector", "matchExpressions", index, "key"],
    );
  }
  return (pod: KubeObject): boolean => {
    const found = at(pod, ...path);
    const isThere = found !== undefined && found !== null && found !== "";
    switch (operator) {
      case "Exists":
        return isThere;
      case "DoesNotExist":
        return !isThere;
      case "In":
        return isThere && values.includes(String(found));
      case "NotIn":
        return !isThere || !values.includes(String(found));
    }
  };
}

/** `.a[0].b["c.d"]` as its words; undefined where it is something else. kwok's keys are jq, of which stages use this much. */
function pathOf(key: string): string[] | undefined {
  const words: string[] = [];
  const part = /\.([A-Za-z_]\w*)|\.?\["([^"]+)"\]|\.?\[(\d+)\]/y;
  while (part.lastIndex < key.length) {
    const match = part.exec(key);
    if (match === null) return undefined;
    words.push((match[1] ?? match[2] ?? match[3]) as string);
  }
  return words.length === 0 ? undefined : words;
}

const environment = new Environment({ homogeneousAggregateLiterals: false })
  .registerVariable("object", "dyn")
  .registerVariable("now", "string");

/** A value in which every `{ $cel: "…" }` is worked out. */
function compileValue(stage: string, value: Json): (context: Record<string, unknown>) => Json {
  if (Array.isArray(value)) {
    const items = value.map((item) => compileValue(stage, item));
    return (context) => items.map((item) => item(context));
  }
  if (typeof value !== "object" || value === null) return () => value;
  const { $cel } = value;
  if (typeof $cel === "string" && Object.keys(value).length === 1) return compileCel(stage, $cel);
  const fields = Object.entries(value).map(([key, inner]) => [key, compileValue(stage, inner)] as const);
  return (context) => Object.fromEntries(fields.map(([key, inner]) => [key, inner(context)]));
}

function compileCel(stage: string, expression: string): (context: Record<string, unknown>) => Json {
  const refuse = (error: unknown) => new StageError(stage, `${expression}: ${reasonOf(error).split("\n")[0]}`);
  let evaluate: Evaluated;
  try {
    evaluate = environment.parse(expression);
  } catch (error) {
    throw refuse(error);
  }
  return (context) => {
    try {
      return plain(evaluate(context));
    } catch (error) {
      throw refuse(error);
    }
  };
}

/** CEL's integers are BigInts, its maps may be Maps. */
function plain(value: unknown): Json {
  return JSON.parse(
    JSON.stringify(
      value,
      (_key, inner) =>
        typeof inner === "bigint" ? Number(inner) : inner instanceof Map ? Object.fromEntries(inner) : inner,
    ),
  ) as Json;
}
