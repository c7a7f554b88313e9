// The EndpointSlices of each service with a selector: the addresses of its pods, a hundred to a slice (Kubernetes v1.32
// `pkg/controller/endpointslice`).
import { at, type KubeObject, listAt, textAt } from "../../../protocol/apis/kube-object.ts";
import { deepEqual } from "../patch/json-patch.ts";
import { type Controller, type ControllerDeps, KeyQueue } from "./controller.ts";
import { portOf, servicePods } from "./endpoints.ts";
import { SelectedPods } from "./selected-pods.ts";
import { isEnded, isReady } from "./pod-state.ts";

const TABLE = "endpointslices.discovery.k8s.io";
const SERVICE = "kubernetes.io/service-name";
const MANAGER = "endpointslice.kubernetes.io/managed-by";
const COMPONENT = "endpointslice-controller.k8s.io";
/** Endpoints of one slice, as kube-controller-manager's `--max-endpoints-per-slice`. */
const MOST = 100;

export const endpointSlices: Controller = { name: "endpointslice", start };

function start(deps: ControllerDeps): () => void {
  const { indices, resources } = deps;
  const { store } = resources;
  const queue = new KeyQueue("endpointslice", deps, (key) => {
    const service = store.get("services", key);
    // The slices of a service that is gone are garbage of its own.
    if (service === undefined) return;
    const old = indices.controlledBy(service.metadata.uid as string, TABLE).filter(isOurs);
    write(deps, service, old, servicePods(service) === undefined ? [] : slicesOf(service, pods.of(key)));
  });
  const pods = new SelectedPods(deps, "services", servicePods, (key) => queue.add(key));
  const stop = store.watch(TABLE, ({ object }) => {
    if (isOurs(object)) queue.add(`${object.metadata.namespace}/${object.metadata.labels?.[SERVICE]}`);
  });
  return () => {
    stop();
    pods.stop();
    queue.stop();
  };
}

const isOurs = ({ metadata }: KubeObject) => metadata.labels?.[MANAGER] === COMPONENT;

interface Slice {
  readonly addressType: string;
  readonly endpoints: readonly unknown[];
  readonly ports: readonly unknown[];
}

/** Pods with the same ports and kind of address share slices; a service that has none has one without endpoints. */
function slicesOf(service: KubeObject, pods: readonly KubeObject[]): Slice[] {
  const groups = new Map<string, { addressType: string; ports: readonly unknown[]; endpoints: unknown[] }>();
  const families = listAt(service, "spec", "ipFamilies");
  for (const family of families.length === 0 ? ["IPv4"] : families) {
    const isV6 = family === "IPv6";
    for (const pod of pods) {
      const ips = listAt(pod, "status", "podIPs").map((one) => textAt(one, "ip"));
      const ip = (ips.length === 0 ? [textAt(pod, "status", "podIP")] : ips).find((one) =>
        one !== "" && one.includes(":") === isV6
      );
      if (ip === undefined || isEnded(pod)) continue;
      const ports = listAt(service, "spec", "ports").flatMap((port) => portOf(port, pod)).map(named);
      const key = `${String(family)} ${JSON.stringify(ports)}`;
      const group = groups.get(key) ?? { addressType: String(family), ports, endpoints: [] };
      groups.set(key, group);
      group.endpoints.push(endpointOf(service, pod, ip));
    }
  }
  if (groups.size === 0) return [{ addressType: String(families[0] ?? "IPv4"), endpoints: [], ports: [] }];
  return [...groups.values()].flatMap(({ addressType, endpoints, ports }) => {
    const slices: Slice[] = [];
    for (let from = 0; from < endpoints.length; from += MOST) {
      slices.push({ addressType, endpoints: endpoints.slice(from, from + MOST), ports });
    }
    return slices;
  });
}

/** Slices name each port, if only by an empty name. */
function named(port: unknown): unknown {
  return { name: "", ...port as object };
}

function endpointOf(service: KubeObject, pod: KubeObject, ip: string): unknown {
  const { deletionTimestamp, name, namespace, uid } = pod.metadata;
  const isServing = isReady(pod);
  const isTerminating = deletionTimestamp !== undefined;
  const node = textAt(pod, "spec", "nodeName");
  const hostname = textAt(pod, "spec", "hostname");
  const isNamed = hostname !== "" && textAt(pod, "spec", "subdomain") === service.metadata.name;
  return {
    addresses: [ip],
    conditions: {
      ready: (isServing && !isTerminating) || at(service, "spec", "publishNotReadyAddresses") === true,
      serving: isServing,
      terminating: isTerminating,
    },
    ...(isNamed ? { hostname } : {}),
    targetRef: { kind: "Pod", namespace, name, uid },
    ...(node === "" ? {} : { nodeName: node }),
  };
}

/** Makes the slices that there are those that are wanted, changing as few as it can. */
function write(
  { resources }: ControllerDeps,
  service: KubeObject,
  old: readonly KubeObject[],
  wanted: readonly Slice[],
): void {
  const { store } = resources;
  const left = new Set(old);
  const open: Slice[] = [];
  for (const slice of wanted) {
    const same = [...left].find((one) =>
      one.addressType === slice.addressType && deepEqual(one.endpoints ?? [], slice.endpoints) &&
      deepEqual(one.ports ?? [], slice.ports)
    );
    if (same === undefined) open.push(slice);
    else left.delete(same);
  }
  for (const slice of open) {
    const reused = [...left].find((one) => one.addressType === slice.addressType);
    if (reused !== undefined) {
      left.delete(reused);
      const generation = Number(reused.metadata.generation ?? 1) + 1;
      store.put(TABLE, { ...reused, metadata: { ...reused.metadata, generation }, ...slice } as KubeObject);
    } else create(resources, service, slice);
  }
  for (const one of left) store.remove(TABLE, one);
}

function create(resources: ControllerDeps["resources"], service: KubeObject, slice: Slice): void {
  const kind = resources.registry.ofTable(TABLE);
  if (kind === undefined) return;
  const { labels, name, namespace = "", uid } = service.metadata;
  const isHeadless = textAt(service, "spec", "clusterIP") === "None";
  const metadata = {
    generateName: `${name}-`,
    labels: {
      ...labels,
      ...(isHeadless ? { "service.kubernetes.io/headless": "" } : {}),
      [MANAGER]: COMPONENT,
      [SERVICE]: name,
    },
    ownerReferences: [{ apiVersion: "v1", kind: "Service", name, uid, controller: true, blockOwnerDeletion: true }],
  };
  resources.create(kind, namespace, structuredClone({ metadata, ...slice }), { manager: "kube-controller-manager" });
}
