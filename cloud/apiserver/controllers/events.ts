// Writes the Events of controllers, so that `kubectl describe` explains what became of a pod.
import { type EventFacts, podEvent } from "../../../protocol/apis/event.ts";
import type { KubeObject } from "../../../protocol/apis/kube-object.ts";
import type { Resources } from "../resources.ts";

/** Creates an Event about a pod; one that can't be created is left out, as with a real controller. */
export function writeEvent(resources: Resources, pod: KubeObject, facts: EventFacts, now: number): void {
  const kind = resources.registry.find("", "v1", "events");
  if (kind === undefined) return;
  const event = { apiVersion: "v1", kind: "Event", ...podEvent(pod, facts, now) };
  try {
    resources.create(kind, event.metadata.namespace ?? "default", event, false);
  } catch {
    // A namespace that ends takes none.
  }
}
