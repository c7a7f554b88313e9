// Events about pods, in the shape that controllers and kubelets give them (Kubernetes v1.32 `staging/src/k8s.io/client-go/tools/record`).
import { randomUUID } from "node:crypto";
import type { KubeObject } from "./kube-object.ts";
import { secondsOf } from "./time.ts";

/** What happened. */
export interface EventFacts {
  readonly type: "Normal" | "Warning";
  readonly reason: string;
  readonly message: string;
  /** The component that reports it, such as `default-scheduler`. */
  readonly component: string;
  /** The node on which it was seen; left out by controllers. */
  readonly host?: string;
}

/** An Event about a pod, as it is created; `now` is Unix milliseconds, the name its own unless one is given. It lacks its kind. */
export function podEvent(
  pod: KubeObject,
  { component, host, message, reason, type }: EventFacts,
  now: number,
  eventName = `${pod.metadata.name}.${randomUUID().slice(0, 13).replace("-", "")}`,
): KubeObject {
  const { name, namespace = "default", resourceVersion, uid } = pod.metadata;
  const time = secondsOf(now);
  return {
    metadata: { name: eventName, namespace },
    involvedObject: { kind: "Pod", namespace, name, uid, apiVersion: "v1", resourceVersion },
    reason,
    message,
    source: { component, ...(host === undefined ? {} : { host }) },
    firstTimestamp: time,
    lastTimestamp: time,
    count: 1,
    type,
    eventTime: null,
    reportingComponent: component,
    reportingInstance: host ?? "",
  };
}
