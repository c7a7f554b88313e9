// Pods that go through stages: their status follows the stages, not the simulated containers.
import { type Logger, reasonOf } from "../../base/log/logger.ts";
import type { Random } from "../../base/random/random.ts";
import type { Clock } from "../../base/time/clock.ts";
import { textAt } from "../../protocol/apis/kube-object.ts";
import { log, type Pod } from "./pod.ts";
import { phaseOf, podStatus } from "./pod-status.ts";
import { StagedPod } from "./staged-pod.ts";
import type { Stages } from "./stages.ts";
import type { Status } from "./status-patch.ts";

/** Injected dependencies. */
export interface PodStagesDeps {
  readonly stages: Stages;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** One millisecond of a stage's delay. */
  readonly millisecond: number;
  /** The pod's status has changed. */
  readonly advance: (pod: Pod) => void;
}

/** From here on a pod's status follows its stages; it begins with the status it has. */
export function beginStages(pod: Pod, deps: PodStagesDeps): StagedPod {
  const { advance, clock, logger, millisecond, random, stages } = deps;
  const { object } = pod;
  const { namespace = "default", name } = object.metadata;
  const now = clock.now();
  const status = pod.stored ?? object.status as Status | undefined;
  const hasPhase = ["Running", "Succeeded", "Failed"].includes(textAt(status, "phase"));
  pod.staged = hasPhase ? status as Status : podStatus(object, pod, now);
  if (hasPhase) pod.phase = phaseOf(pod.staged);
  return new StagedPod({ ...object, status: pod.staged }, {
    stages,
    clock,
    random: random.stream(`stages/${namespace}/${name}`),
    millisecond,
    changed: (status) => {
      pod.staged = status;
      pod.phase = phaseOf(status);
      pod.reported = undefined;
      advance(pod);
    },
    logged: (lines) => log(pod, lines, clock.now()),
    failed: (error) =>
      logger.warn("a stage could not be evaluated; its pod stays as it is", {
        pod: `${namespace}/${name}`,
        error: reasonOf(error),
      }),
  });
}
