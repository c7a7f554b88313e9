// The endpoints controller: for each service with a selector, the addresses of its pods.
import { at, keyOf, type KubeObject, listAt, textAt } from "../../../protocol/apis/kube-object.ts";
import { secondsOf } from "../../../protocol/apis/time.ts";
import { deepEqual } from "../patch/json-patch.ts";
import type { Resources } from "../resources.ts";
import type { Controller, ControllerDeps } from "./controller.ts";

/** Set by Kubernetes' own controller; here it tells its endpoints from those that people write. */
const TRIGGER = "endpoints.kubernetes.io/last-change-trigger-time";

export const endpoints: Controller = { name: "endpoints", start };

function start({ clock, resources }: ControllerDeps): () => void {
  const { store } = resources;
  /** Pods by namespace and key: looking through all of them for each change would be too much. */
  const pods = new Map<string, Map<string, KubeObject>>();
  const due = new Set<string>();
  let isStopped = false;
  const enqueue = (namespace: string) => {
    if (due.size === 0) {
      setImmediate(() => {
        const namespaces = [...due];
        due.clear();
        if (isStopped) return;
        for (const one of namespaces) reconcile(resources, one, [...pods.get(one)?.values() ?? []], clock.now());
      });
    }
    due.add(namespace);
  };
  const stops = ["pods", "services", "endpoints"].map((table) =>
    store.watch(table, ({ object, type }) => {
      const { namespace = "" } = object.metadata;
      if (table === "pods") {
        const known = pods.get(namespace) ?? new Map<string, KubeObject>();
        pods.set(namespace, known);
        if (type === "DELETED") known.delete(keyOf(object));
        else known.set(keyOf(object), object);
      }
      enqueue(namespace);
    })
  );
  return () => {
    isStopped = true;
    for (const stop of stops) stop();
  };
}

function reconcile(resources: Resources, namespace: string, pods: readonly KubeObject[], now: number): void {
  const { store } = resources;
  const services = store.list("services", namespace).filter((service) => selectorOf(service).length > 0);
  const wanted = new Set(services.map(keyOf));
  for (const service of services) write(resources, service, subsetsOf(service, pods), now);
  for (const old of store.list("endpoints", namespace)) {
    const isOurs = old.metadata.annotations?.[TRIGGER] !== undefined;
    if (isOurs && !wanted.has(keyOf(old))) store.remove("endpoints", old);
  }
}

function selectorOf(service: KubeObject): [string, string][] {
  return Object.entries((at(service, "spec", "selector") ?? {}) as Record<string, string>);
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
  const selector = selectorOf(service);
  const selected = pods.filter(({ metadata, status }) =>
    textAt(status, "podIP") !== "" &&
    metadata.deletionTimestamp === undefined && !["Succeeded", "Failed"].includes(textAt(status, "phase")) &&
    selector.every(([label, value]) => metadata.labels?.[label] === value)
  );
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

function isReady(pod: KubeObject): boolean {
  return listAt(pod, "status", "conditions").some((c) =>
    textAt(c, "type") === "Ready" && textAt(c, "status") === "True"
  );
}

function addressOf({ metadata: { name, namespace, uid }, spec, status }: KubeObject) {
  return {
    ip: textAt(status, "podIP"),
    nodeName: textAt(spec, "nodeName"),
    targetRef: { kind: "Pod", namespace, name, uid },
  };
}

/** A named target is the container's port of that name; a pod without it has none. */
function portOf(port: unknown, pod: KubeObject): unknown[] {
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
