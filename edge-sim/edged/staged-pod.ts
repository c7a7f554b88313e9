// A pod that goes from stage to stage, and what that makes of its status.
import { isDeepStrictEqual } from "node:util";
import type { Random } from "../../base/random/random.ts";
import type { Clock, Timer } from "../../base/time/clock.ts";
import type { Json, KubeObject } from "../../protocol/apis/kube-object.ts";
// Its types alone: CEL is loaded where stages are.
import type { Stage, Stages } from "./stages.ts";
import type { Status } from "./status-patch.ts";

/** Injected dependencies. */
export interface StagedDeps {
  readonly stages: Stages;
  readonly clock: Clock;
  readonly random: Random;
  /** One millisecond of the stages' delays. */
  readonly millisecond: number;
  readonly changed: (status: Status) => void;
  /** The pod's containers have said something. */
  readonly logged: (lines: readonly string[]) => void;
  /** A stage could not be worked out; the pod stays as it is. */
  readonly failed: (error: unknown) => void;
}

/** A pod that goes from stage to stage. */
export class StagedPod {
  readonly #deps: StagedDeps;
  #pod: KubeObject;
  #next: { readonly stage: Stage; readonly timer: Timer } | undefined;

  /** Begins with the status that the pod has. */
  constructor(pod: KubeObject, deps: StagedDeps) {
    this.#pod = pod;
    this.#deps = deps;
    this.#schedule();
  }

  /** Replaces the pod by a newer version; keeps the status that the stages computed. */
  replace(pod: KubeObject): void {
    this.#pod = { ...pod, status: this.#pod.status ?? {} };
    this.#schedule();
  }

  stop(): void {
    this.#next?.timer.cancel();
    this.#next = undefined;
  }

  /** Schedules a matching stage; an already scheduled one stays as long as it matches. */
  #schedule(): void {
    const { clock, millisecond, random, stages } = this.#deps;
    const fitting = stages.fitting(this.#pod);
    if (this.#next !== undefined && fitting.includes(this.#next.stage)) return;
    this.stop();
    const stage = pick(fitting, random);
    if (stage === undefined) return;
    const { durationMilliseconds: low = 0, jitterDurationMilliseconds: high = low } = stage.spec.delay ?? {};
    const wait = low + (high > low ? (high - low) * random.next() : 0);
    this.#next = { stage, timer: clock.after(Math.max(1, wait * millisecond), () => this.#apply(stage)) };
  }

  #apply(stage: Stage): void {
    const { changed, clock, failed, logged } = this.#deps;
    this.#next = undefined;
    let status: Json;
    try {
      const now = clock.now();
      status = stage.statusOf(this.#pod, now);
      logged(stage.linesOf(this.#pod, now));
    } catch (error) {
      return failed(error);
    }
    // A stage without a change would be scheduled again without end.
    if (isDeepStrictEqual(status, this.#pod.status ?? {})) return;
    this.#pod = { ...this.#pod, status: status as Status };
    changed(status as Status);
    this.#schedule();
  }
}

function pick(stages: readonly Stage[], random: Random): Stage | undefined {
  const weights = stages.map(({ spec }) => spec.weight ?? 1);
  const sum = weights.reduce((a, b) => a + b, 0);
  if (sum === 0) return stages[Math.floor(random.next() * stages.length)];
  let left = random.next() * sum;
  return stages.find((_, i) => (left -= weights[i] as number) < 0) ?? stages.at(-1);
}
