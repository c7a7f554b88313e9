// Sends the Events that a kubelet writes about its pods (Kubernetes v1.32 `pkg/kubelet/events`).
import type { Clock } from "../../base/time/clock.ts";
import { podEvent } from "../../protocol/apis/event.ts";
import type { KubeObject } from "../../protocol/apis/kube-object.ts";
import { newMessage } from "../../protocol/message/message.ts";
import { edgeModules, groups, operations, resourceTypes } from "../../protocol/message/names.ts";
import { wirePath } from "../../protocol/resource/path.ts";
import type { EdgeHub } from "../edgehub/edgehub.ts";
import type { PodEvent } from "./pod-config.ts";

/** What is injected. */
export interface PodEventsDeps {
  readonly node: string;
  readonly hub: EdgeHub;
  readonly clock: Clock;
}

/** Sends one to the cloud, which creates it and doesn't answer; without a connection it is lost. */
export function sendPodEvent({ clock, hub, node }: PodEventsDeps, pod: KubeObject, event: PodEvent): void {
  const now = clock.now();
  const written = podEvent(pod, { ...event, component: "kubelet", host: node }, now);
  const { name, namespace = "default" } = written.metadata;
  hub.send(newMessage(now, {
    source: edgeModules.edged,
    group: groups.meta,
    operation: operations.insert,
    resource: wirePath(namespace, resourceTypes.event, name),
    content: { ...written, metadata: { ...written.metadata, creationTimestamp: null } },
  }));
}
