// Events that controllers write about pods, so that `kubectl describe` explains what became of them.
import type { KubeObject } from "../../../protocol/apis/kube-object.ts";
import { secondsOf } from "../../../protocol/apis/time.ts";
import type { Resources } from "../resources.ts";

/** What happened. */
export interface EventFacts {
  readonly type: "Normal" | "Warning";
  readonly reason: string;
  readonly message: string;
  /** Who says so, as in `default-scheduler`. */
  readonly component: string;
}

let count = 0;

/** Creates an Event about a pod; one that can't be created is left out, as with a real controller. */
export function writeEvent(resources: Resources, pod: KubeObject, facts: EventFacts, now: number): void {
  const kind = resources.registry.find("", "v1", "events");
  if (kind === undefined) return;
  const { name, namespace = "default", resourceVersion, uid } = pod.metadata;
  const { component, message, reason, type } = facts;
  const time = secondsOf(now);
  const event: KubeObject = {
    apiVersion: "v1",
    kind: "Event",
    metadata: {
      name: `${name}.${Math.floor(now * 1000).toString(16)}${(count++ % 4096).toString(16).padStart(3, "0")}`,
      namespace,
    },
    involvedObject: { kind: "Pod", namespace, name, uid, apiVersion: "v1", resourceVersion },
    reason,
    message,
    source: { component },
    firstTimestamp: time,
    lastTimestamp: time,
    count: 1,
    type,
    eventTime: null,
    reportingComponent: component,
    reportingInstance: "",
  };
  try {
    resources.create(kind, namespace, event, false);
  } catch {
    // A namespace that ends takes none.
  }
}
