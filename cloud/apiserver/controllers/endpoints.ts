// The endpoints controller: for each service with a selector, the addresses of its pods.
import { at, keyOf, type KubeObject, listAt, textAt } from "../../../protocol/apis/kube-object.ts";
import { secondsOf } from "../../../protocol/apis/time.ts";
import { deepEqual } from "../patch/json-patch.ts";
import type { Resources } from "../resources.ts";
import { type Controller, type ControllerDeps, KeyQueue } from "./controller.ts";
import { SelectedPods } from "./selected-pods.ts";
import { isActive, isReady } from "./pod-state.ts";

/** Set by Kubernetes' own controller; here it tells its endpoints from those that people write. */
const TRIGGER = "endpoints.kubernetes.io/last-change-trigger-time";

const TABLE = "endpoints";

export const endpoints: Controller = { name: "endpoint", start };

function start(deps: ControllerDeps): () => void {
  const { clock, resources } = deps;
  const { store } = resources;
  const queue = new KeyQueue("endpoint", deps, (key) => {
    const service = store.get("services", key);
    if (service !== undefined && servicePods(service) !== undefined) {
      return write(resources, service, subsetsOf(service, pods.of(key)), clock.now());
    }
    const old = store.get(TABLE, key);
    if (old?.metadata.annotations?.[TRIGGER] !== undefined) store.remove(TABLE, old);
  });
  const pods = new SelectedPods(deps, "services", servicePods, (key) => queue.add(key));
  const stop = store.watch(TABLE, ({ object }) => queue.add(keyOf(object)));
  return () => {
    stop();
    pods.stop();
    queue.stop();
  };
}

/** The pods that a service selects; none where people write its endpoints. */
export function servicePods(service: KubeObject): ((labels: Readonly<Record<string, string>>) => boolean) | undefined {
  const selector = Object.entries((at(service, "spec", "selector") ?? {}) as Record<string, string>);
  if (selector.length === 0 || textAt(service, "spec", "type") === "ExternalName") return undefined;
  return (labels) => selector.every(([label, value]) => labels[label] === value);
}

function write({ store, registry }: Resources, service: KubeObject, subsets: unknown[], now: number): void {
  const kind = registry.find("", "v1", "endpoints");
  const { labels, name, namespace } = service.metadata;
  const old = store.get("endpoints", keyOf(service));
  if (kind === undefined || (old !== undefined && deepEqual(old.subsets ?? [], subsets))) return;
  const time = secondsOf(now);
  store.put("endpoints", {
    apiVersion: "v1",
    kind: "Endpoints",
    ...old,
    metadata: {
      uid: crypto.randomUUID(),
      creationTimestamp: time,
      ...old?.metadata,
      name,
      ...(namespace === undefined ? {} : { namespace }),
      ...(labels === undefined ? {} : { labels }),
      annotations: { ...old?.metadata.annotations, [TRIGGER]: time },
    },
    subsets,
  });
}

/** Pods with the same readiness and ports form one subset. */
function subsetsOf(service: KubeObject, pods: readonly KubeObject[]): unknown[] {
  const selected = pods.filter((pod) => textAt(pod, "status", "podIP") !== "" && isActive(pod));
  const subsets = new Map<string, { ports: unknown[]; addresses: unknown[]; notReadyAddresses: unknown[] }>();
  for (const pod of selected) {
    const ports = listAt(service, "spec", "ports").flatMap((port) => portOf(port, pod));
    const key = JSON.stringify(ports);
    const subset = subsets.get(key) ?? { ports, addresses: [], notReadyAddresses: [] };
    subsets.set(key, subset);
    (isReady(pod) ? subset.addresses : subset.notReadyAddresses).push(addressOf(pod));
  }
  return [...subsets.values()].map(({ addresses, notReadyAddresses, ports }) => ({
    ...(addresses.length === 0 ? {} : { addresses }),
    ...(notReadyAddresses.length === 0 ? {} : { notReadyAddresses }),
    ports,
  }));
}

function addressOf({ metadata: { name, namespace, uid }, spec, status }: KubeObject) {
  return {
    ip: textAt(status, "podIP"),
    nodeName: textAt(spec, "nodeName"),
    targetRef: { kind: "Pod", namespace, name, uid },
  };
}

/** A named target is the container's port of that name; a pod without it has none. */
export function portOf(port: unknown, pod: KubeObject): unknown[] {
  const target = at(port, "targetPort");
  const protocol = textAt(port, "protocol") || "TCP";
  const named = typeof target === "string"
    ? listAt(pod, "spec", "containers").flatMap((container) => listAt(container, "ports")).find((p) =>
      textAt(p, "name") === target
    )
    : undefined;
  const number = typeof target === "string" ? at(named, "containerPort") : target ?? at(port, "port");
  if (number === undefined) return [];
  const name = textAt(port, "name");
  return [{ ...(name === "" ? {} : { name }), port: number, protocol }];
}
