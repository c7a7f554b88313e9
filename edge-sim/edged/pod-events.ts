// Events about pods, as a kubelet writes them (Kubernetes v1.32 `pkg/kubelet/events`).
import { randomUUID } from "node:crypto";
import type { Clock } from "../../base/time/clock.ts";
import type { KubeObject } from "../../protocol/apis/kube-object.ts";
import { secondsOf } from "../../protocol/apis/time.ts";
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
  const { name, namespace = "default", resourceVersion, uid } = pod.metadata;
  const now = clock.now();
  const time = secondsOf(now);
  const eventName = `${name}.${randomUUID().slice(0, 13).replace("-", "")}`;
  const content = {
    metadata: { name: eventName, namespace, creationTimestamp: null },
    involvedObject: { kind: "Pod", namespace, name, uid, apiVersion: "v1", resourceVersion },
    reason: event.reason,
    message: event.message,
    source: { component: "kubelet", host: node },
    firstTimestamp: time,
    lastTimestamp: time,
    count: 1,
    type: event.type,
    eventTime: null,
    reportingComponent: "kubelet",
    reportingInstance: node,
  };
  hub.send(newMessage(now, {
    source: edgeModules.edged,
    group: groups.meta,
    operation: operations.insert,
    resource: wirePath(namespace, resourceTypes.event, eventName),
    content,
  }));
}
