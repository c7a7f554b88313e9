// Steps about workloads: scale, rollout.
import { at, type KubeObject } from "../../protocol/apis/kube-object.ts";
import { waitFor } from "../checks/wait.ts";
import { schemas } from "../files/schemas.ts";
import type { StepContext } from "../model/context.ts";
import type { ObjectName } from "../model/scenario.ts";
import { StepFailure } from "../model/step-failure.ts";
import type { StepKind } from "../model/step-kind.ts";
import { calling, placeOf, refOf } from "./kubernetes.ts";

/** What the step takes. */
export interface ScaleArgs {
  readonly object: ObjectName;
  readonly replicas: number;
}

export const scaleStep = {
  name: "scale",
  summary: "Sets how many pods a Deployment, ReplicaSet or StatefulSet has, by its scale.",
  schema: {
    type: "object",
    required: ["object", "replicas"],
    additionalProperties: false,
    properties: { object: schemas.objectName, replicas: { type: "integer", minimum: 0 } },
  },
  async run(context: StepContext, { object, replicas }: ScaleArgs) {
    const ref = await refOf(context, object);
    return await calling(
      context,
      `scale ${object.kind} ${object.name}`,
      object.name,
      () => context.environment.kube.patch(ref, "merge", { spec: { replicas } }, "scale"),
    );
  },
} as const satisfies StepKind;

/** What the step takes. */
export interface RolloutArgs {
  readonly object: ObjectName;
  readonly restart?: boolean;
  readonly within?: string;
}

/** When a template was last asked to be rolled out again, as kubectl writes it. */
const RESTARTED_AT = "kubectl.kubernetes.io/restartedAt";

export const rolloutStep = {
  name: "rollout",
  summary:
    "Waits until a Deployment, DaemonSet or StatefulSet is rolled out, as `kubectl rollout status` does; with `restart` its pods are replaced first.",
  schema: {
    type: "object",
    required: ["object"],
    additionalProperties: false,
    properties: {
      object: schemas.objectName,
      restart: { type: "boolean", description: "replace its pods first. Default: false" },
      within: schemas.duration,
    },
  },
  async run(context: StepContext, { object, restart = false, within }: RolloutArgs) {
    const { kube } = context.environment;
    // Only what is changed must be the run's own.
    const ref = restart
      ? await refOf(context, object)
      : { ...await placeOf(context, object, object.namespace), name: object.name };
    if (restart) {
      const annotations = { [RESTARTED_AT]: new Date().toISOString() };
      const patch = { spec: { template: { metadata: { annotations } } } };
      await calling(
        context,
        `rollout ${object.kind} ${object.name}`,
        object.name,
        () => kube.patch(ref, "merge", patch),
      );
    }
    return await waitFor(
      context,
      context.within(within ?? "30s"),
      `${object.kind} ${object.name} is rolled out`,
      object.name,
      async () => {
        const found = await kube.find(ref);
        if (found === undefined) throw new StepFailure(`there is no ${object.kind} ${object.name}`);
        const missing = rolloutProblem(found);
        return { value: found, missing: missing === undefined ? [] : [missing] };
      },
    );
  },
} as const satisfies StepKind;

/**
 * What is still missing, as kubectl sees it (`pkg/polymorphichelpers/rollout_status.go` of kubectl); undefined where all is rolled out.
 * Throws StepFailure for kinds that are not rolled out.
 */
export function rolloutProblem(object: KubeObject): string | undefined {
  const number = (...path: string[]) => Number(at(object, ...path) ?? 0);
  if (number("status", "observedGeneration") < number("metadata", "generation")) {
    return "its change has not been seen yet";
  }
  const wanted = Number(at(object, "spec", "replicas") ?? 1);
  switch (object.kind) {
    case "Deployment": {
      const updated = number("status", "updatedReplicas");
      if (updated < wanted) return `${updated} of ${wanted} pods are new`;
      const old = number("status", "replicas") - updated;
      if (old > 0) return `${old} old pods are still there`;
      const available = number("status", "availableReplicas");
      return available < updated ? `${available} of ${updated} new pods are available` : undefined;
    }
    case "StatefulSet": {
      const ready = number("status", "readyReplicas");
      if (ready < wanted) return `${ready} of ${wanted} pods are ready`;
      const isUpdated = at(object, "status", "updateRevision") === at(object, "status", "currentRevision");
      return isUpdated ? undefined : `${number("status", "updatedReplicas")} of ${wanted} pods are new`;
    }
    case "DaemonSet": {
      const desired = number("status", "desiredNumberScheduled");
      const updated = number("status", "updatedNumberScheduled");
      if (updated < desired) return `${updated} of ${desired} pods are new`;
      const available = number("status", "numberAvailable");
      return available < desired ? `${available} of ${desired} new pods are available` : undefined;
    }
    default:
      throw new StepFailure(`rollout: a ${object.kind} is not rolled out; a Deployment, DaemonSet or StatefulSet is`);
  }
}
