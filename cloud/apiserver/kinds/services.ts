// Services: what the API server fills in, refuses, and hands out: addresses within the cluster, and ports of nodes.
import { isIP } from "node:net";
import { at, type KubeObject, listAt, textAt } from "../../../protocol/apis/kube-object.ts";
import { type Cause, required, unsupported, wrong } from "../status.ts";
import { ageColumn, nameColumn } from "./columns.ts";
import type { Column, KindRules, Strategy } from "./kind.ts";

type Fields = Record<string, unknown>;

/** kubeadm's own range of addresses, and Kubernetes' of node ports. */
const ADDRESSES = "10.96.0.0/16";
const ADDRESS_PREFIX = "10.96.";
const NODE_PORTS = { first: 30_000, last: 32_767 } as const;
/** Addresses below are kept for services that ask for one, as DNS does. */
const FIRST_ADDRESS = 256;
const LAST_ADDRESS = 65_534;
const AFFINITY_SECONDS = 10_800;

const types = ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"] as const;
const hasNodePorts = (type: string) => type === "NodePort" || type === "LoadBalancer";

const serviceStrategy: Strategy = {
  deleteAnswersObject: true,
  nameForm: "dns1035",
  createsOnUpdate: true,
  prepareCreate(service) {
    service.status = { loadBalancer: {} };
    fillDefaults(service);
  },
  prepareUpdate(service, old) {
    fillDefaults(service);
    keepAllocated(service.spec as Fields, (old.spec ?? {}) as Fields);
  },
  prepareStatus(service) {
    for (const ingress of listAt(service, "status", "loadBalancer", "ingress") as Fields[]) {
      if (ingress.ip !== undefined) ingress.ipMode ??= "VIP";
    }
  },
  validate: (service, old) => [...faultsOf(service), ...(old === undefined ? [] : changeErrors(service, old))],
  allocate,
};

function fillDefaults(service: KubeObject): void {
  const given = structuredClone((service.spec ?? {}) as Fields);
  const type = String(given.type ?? "ClusterIP");
  const isHeadless = given.clusterIP === "None";
  const affinity = given.sessionAffinity ?? "None";
  const spec: Fields = { ...given, type, sessionAffinity: affinity };
  if (affinity === "ClientIP") spec.sessionAffinityConfig ??= { clientIP: { timeoutSeconds: AFFINITY_SECONDS } };
  spec.ports = portsIn(given.ports);
  if (spec.ports === undefined) delete spec.ports;
  if (type !== "ExternalName") {
    spec.internalTrafficPolicy ??= "Cluster";
    // A headless service without a selector is dual-stack.
    const isBoth = isHeadless && given.selector === undefined;
    spec.ipFamilies ??= isBoth ? ["IPv4", "IPv6"] : ["IPv4"];
    spec.ipFamilyPolicy ??= isBoth ? "RequireDualStack" : "SingleStack";
    if (textAt(spec, "clusterIP") !== "") spec.clusterIPs ??= [spec.clusterIP];
  }
  if (hasNodePorts(type)) spec.externalTrafficPolicy ??= "Cluster";
  else {
    delete spec.externalTrafficPolicy;
    for (const port of (spec.ports ?? []) as Fields[]) delete port.nodePort;
  }
  if (type === "LoadBalancer") spec.allocateLoadBalancerNodePorts ??= true;
  else delete spec.allocateLoadBalancerNodePorts;
  service.spec = spec;
}

function portsIn(given: unknown): Fields[] | undefined {
  return (given as Fields[] | undefined)?.map((port) => ({
    ...port,
    // Without a target it is the port itself; 0 is what a decoder leaves where nothing was given.
    targetPort: port.targetPort === undefined || port.targetPort === 0 ? port.port : port.targetPort,
  }));
}

/** An update without its address or ports keeps them. */
function keepAllocated(spec: Fields, old: Fields): void {
  if (spec.type === "ExternalName") return;
  if (textAt(spec, "clusterIP") === "" && textAt(old, "clusterIP") !== "") {
    spec.clusterIP = old.clusterIP;
    spec.clusterIPs = old.clusterIPs;
  }
  if (!hasNodePorts(String(spec.type))) return;
  for (const port of listAt(spec, "ports") as Fields[]) {
    const before = listAt(old, "ports").find((p) => at(p, "port") === port.port && at(p, "protocol") === port.protocol);
    port.nodePort ??= at(before, "nodePort");
    if (port.nodePort === undefined) delete port.nodePort;
  }
}

function faultsOf(service: KubeObject): Cause[] {
  const causes: Cause[] = [];
  const spec = (service.spec ?? {}) as Fields;
  const type = String(spec.type);
  const ports = listAt(spec, "ports") as Fields[];
  if (!types.some((known) => known === type)) causes.push(unsupported("spec.type", type, types));
  if (ports.length === 0 && type !== "ExternalName" && spec.clusterIP !== "None") causes.push(required("spec.ports"));
  if (type === "ExternalName" && textAt(spec, "externalName") === "") causes.push(required("spec.externalName"));
  if (ports.length > 1) {
    for (const [i, port] of ports.entries()) if (!port.name) causes.push(required(`spec.ports[${i}].name`));
  }
  const seen = new Set<string>();
  for (const [i, port] of ports.entries()) {
    const key = `${String(port.protocol)}/${String(port.port)}`;
    if (seen.has(key)) {
      const message = `Duplicate value: core.ServicePort{Name:"", Protocol:"${String(port.protocol)}", Port:${
        String(port.port)
      }}`;
      causes.push({ reason: "FieldValueDuplicate", message, field: `spec.ports[${i}]` });
    }
    seen.add(key);
    const number = port.port;
    if (typeof number !== "number" || number < 1 || number > 65_535) {
      causes.push(wrong(`spec.ports[${i}].port`, number ?? 0, "must be between 1 and 65535, inclusive"));
    }
  }
  const address = textAt(spec, "clusterIP");
  if (address !== "" && address !== "None" && isIP(address) === 0) {
    causes.push(
      wrong("spec.clusterIPs[0]", address, "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"),
    );
  }
  return causes;
}

function changeErrors(service: KubeObject, old: KubeObject): Cause[] {
  const before = textAt(old, "spec", "clusterIP");
  const now = textAt(service, "spec", "clusterIP");
  const isFree = before === "" || textAt(service, "spec", "type") === "ExternalName";
  if (isFree || before === now) return [];
  return [clusterIpError("spec.clusterIPs[0]", now, "may not change once set")];
}

/** Addresses and node ports that no other service has. */
function allocate(service: KubeObject, others: readonly KubeObject[]): Cause[] {
  const spec = service.spec as Fields;
  if (spec.type === "ExternalName") return [];
  return [...allocateAddress(spec, others), ...allocateNodePorts(spec, others)];
}

function allocateAddress(spec: Fields, others: readonly KubeObject[]): Cause[] {
  const asked = textAt(spec, "clusterIP");
  if (asked === "None") return [];
  const taken = new Set(others.map((other) => textAt(other, "spec", "clusterIP")));
  if (asked === "") {
    for (let i = FIRST_ADDRESS; i <= LAST_ADDRESS; i++) {
      const address = `${ADDRESS_PREFIX}${i >> 8}.${i & 255}`;
      if (taken.has(address)) continue;
      spec.clusterIP = address;
      spec.clusterIPs = [address];
      return [];
    }
    return [clusterIpError("spec.clusterIPs", "", "failed to allocate a serviceIP: range is full")];
  }
  const why = !asked.startsWith(ADDRESS_PREFIX)
    ? `the provided IP (${asked}) is not in the valid range. The range of valid IPs is ${ADDRESSES}`
    : taken.has(asked)
    ? "provided IP is already allocated"
    : undefined;
  if (why !== undefined) return [clusterIpError("spec.clusterIPs", asked, `failed to allocate IP ${asked}: ${why}`)];
  spec.clusterIPs ??= [asked];
  return [];
}

function allocateNodePorts(spec: Fields, others: readonly KubeObject[]): Cause[] {
  if (!hasNodePorts(String(spec.type)) || spec.allocateLoadBalancerNodePorts === false) return [];
  const taken = new Set(others.flatMap((other) => listAt(other, "spec", "ports")).map((port) => at(port, "nodePort")));
  const causes: Cause[] = [];
  for (const [i, port] of (listAt(spec, "ports") as Fields[]).entries()) {
    const { first, last } = NODE_PORTS;
    if (port.nodePort === undefined || port.nodePort === 0) {
      let free = first;
      while (taken.has(free) && free <= last) free++;
      port.nodePort = free;
    } else if (Number(port.nodePort) < first || Number(port.nodePort) > last) {
      const why = `provided port is not in the valid range. The range of valid ports is ${first}-${last}`;
      causes.push(wrong(`spec.ports[${i}].nodePort`, port.nodePort, why));
    } else if (taken.has(port.nodePort)) {
      causes.push(wrong(`spec.ports[${i}].nodePort`, port.nodePort, "provided port is already allocated"));
    }
    taken.add(port.nodePort);
  }
  return causes;
}

/** Go prints the list of addresses as it is declared. */
function clusterIpError(field: string, address: string, why: string): Cause {
  return {
    reason: "FieldValueInvalid",
    message: `Invalid value: []string{${JSON.stringify(address)}}: ${why}`,
    field,
  };
}

const serviceColumns: readonly Column[] = [
  nameColumn,
  { name: "Type", type: "string", cell: (service) => textAt(service, "spec", "type") },
  { name: "Cluster-IP", type: "string", cell: (service) => textAt(service, "spec", "clusterIP") || "<none>" },
  { name: "External-IP", type: "string", cell: externalAddresses },
  {
    name: "Port(s)",
    type: "string",
    cell: (service) =>
      listAt(service, "spec", "ports").map((port) => {
        const nodePort = at(port, "nodePort");
        return `${String(at(port, "port"))}${nodePort === undefined ? "" : `:${String(nodePort)}`}/${
          textAt(port, "protocol")
        }`;
      }).join(",") || "<none>",
  },
  ageColumn,
  {
    name: "Selector",
    type: "string",
    wide: true,
    cell: (service) =>
      Object.entries((at(service, "spec", "selector") ?? {}) as Record<string, string>).map(([k, v]) => `${k}=${v}`)
        .join(",") || "<none>",
  },
];

function externalAddresses(service: KubeObject): string {
  const type = textAt(service, "spec", "type");
  if (type === "ExternalName") return textAt(service, "spec", "externalName");
  const ingress = listAt(service, "status", "loadBalancer", "ingress").map((entry) =>
    textAt(entry, "ip") || textAt(entry, "hostname")
  );
  if (type === "LoadBalancer") return ingress.join(",") || "<pending>";
  return listAt(service, "spec", "externalIPs").join(",") || "<none>";
}

export const services: KindRules = {
  shortNames: ["svc"],
  selectable: {
    "spec.clusterIP": (service) => textAt(service, "spec", "clusterIP"),
    "spec.type": (service) => textAt(service, "spec", "type"),
  },
  categories: ["all"],
  columns: serviceColumns,
  strategy: serviceStrategy,
};
