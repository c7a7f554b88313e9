// What a kubelet would say of a pod, as the patch that edgecore sends.
import { secondsOf } from "../../protocol/apis/time.ts";
import { type KubeObject, listAt, textAt } from "../../protocol/apis/kube-object.ts";

/** Where a pod is in its life here. */
export type PodPhase = "creating" | "running" | "stopped";

/** Addresses the pod reports. */
export interface PodAddresses {
  readonly host: string;
  readonly pod: string;
}

/**
 * The status patch for a phase, as a JSON text; `metadata.uid` makes the API refuse it for a pod made anew.
 * `restarts` are counted by container; one that isn't there has none.
 */
export function podPatch(
  pod: KubeObject,
  phase: PodPhase,
  addresses: PodAddresses,
  startedAt: number,
  now: number,
  restarts: ReadonlyMap<string, number> = new Map(),
): string {
  const time = secondsOf(now);
  const names = listAt(pod, "spec", "containers").map((container) => textAt(container, "name"));
  const ready = phase === "running";
  const reason = phase === "creating"
    ? { reason: "ContainersNotReady", message: `containers with unready status: [${names.join(" ")}]` }
    : phase === "stopped"
    ? { reason: "PodCompleted" }
    : {};
  const condition = (type: string, status: boolean, because: Record<string, string> = {}) => ({
    lastProbeTime: null,
    lastTransitionTime: time,
    ...because,
    status: status ? "True" : "False",
    type,
  });
  const conditions = [
    condition("PodReadyToStartContainers", ready),
    condition("Initialized", true, phase === "stopped" ? reason : {}),
    condition("Ready", ready, reason),
    condition("ContainersReady", ready, reason),
    condition("PodScheduled", true),
  ];
  return JSON.stringify({
    metadata: { uid: pod.metadata.uid },
    status: {
      "$setElementOrder/conditions": conditions.map(({ type }) => ({ type })),
      conditions,
      containerStatuses: listAt(pod, "spec", "containers").map((container) =>
        containerStatus(
          container,
          phase,
          secondsOf(startedAt),
          time,
          restarts.get(textAt(container, "name")) ?? 0,
        )
      ),
      hostIP: addresses.host,
      hostIPs: [{ ip: addresses.host }],
      ...(phase === "creating" ? {} : { phase: ready ? "Running" : "Succeeded" }),
      ...(ready ? { podIP: addresses.pod, podIPs: [{ ip: addresses.pod }] } : {}),
      startTime: secondsOf(startedAt),
    },
  });
}

function containerStatus(container: unknown, phase: PodPhase, startedAt: string, now: string, restartCount: number) {
  const name = textAt(container, "name");
  const image = textAt(container, "image");
  const containerID = `skep://${name}`;
  const common = { image, name, lastState: {}, restartCount };
  switch (phase) {
    case "creating":
      return {
        ...common,
        imageID: "",
        ready: false,
        started: false,
        state: { waiting: { reason: "ContainerCreating" } },
      };
    case "running":
      return { ...common, imageID: image, containerID, ready: true, started: true, state: { running: { startedAt } } };
    case "stopped":
      return {
        ...common,
        imageID: image,
        containerID,
        ready: false,
        started: false,
        state: { terminated: { containerID, exitCode: 0, finishedAt: now, reason: "Completed", startedAt } },
      };
  }
}
