// What `kubectl get` shows of each kind.
import { at, type KubeObject, listAt, textAt } from "../../../protocol/apis/kube-object.ts";
import type { Column } from "./kind.ts";

export const nameColumn: Column = {
  name: "Name",
  type: "string",
  format: "name",
  cell: (object) => object.metadata.name,
};

export const ageColumn: Column = {
  name: "Age",
  type: "string",
  cell: (object, now) => ageOf(object.metadata.creationTimestamp, now),
};

/** A column whose cell is the text at a path. */
export function textColumn(name: string, ...path: (string | number)[]): Column {
  return { name, type: "string", cell: (object) => textAt(object, ...path) };
}

/** A column whose cell is how many keys some fields have together. */
export function countColumn(name: string, ...fields: string[]): Column {
  const count = (object: KubeObject, field: string) => Object.keys((object[field] ?? {}) as object).length;
  return { name, type: "string", cell: (object) => fields.reduce((sum, field) => sum + count(object, field), 0) };
}

/** A duration as kubectl prints it: `5s`, `3m20s`, `2h5m`, `3d4h`, `47d`. */
export function ageOf(since: unknown, now: number): string {
  if (typeof since !== "string") return "<unknown>";
  const seconds = Math.max(0, Math.floor((now - Date.parse(since)) / 1000));
  if (seconds < 120) return `${seconds}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 10) return seconds % 60 === 0 ? `${minutes}m` : `${minutes}m${seconds % 60}s`;
  if (minutes < 180) return `${minutes}m`;
  const hours = Math.floor(minutes / 60);
  if (hours < 8) return minutes % 60 === 0 ? `${hours}h` : `${hours}h${minutes % 60}m`;
  if (hours < 48) return `${hours}h`;
  const days = Math.floor(hours / 24);
  if (days < 8) return hours % 24 === 0 ? `${days}d` : `${days}d${hours % 24}h`;
  if (days < 730) return `${days}d`;
  return `${Math.floor(days / 365)}y`;
}

export const podColumns: readonly Column[] = [
  nameColumn,
  {
    name: "Ready",
    type: "string",
    cell: (pod) => {
      const statuses = listAt(pod, "status", "containerStatuses");
      return `${statuses.filter((s) => at(s, "ready") === true).length}/${listAt(pod, "spec", "containers").length}`;
    },
  },
  { name: "Status", type: "string", cell: podStatus },
  {
    name: "Restarts",
    type: "string",
    cell: (pod) =>
      String(
        listAt(pod, "status", "containerStatuses").reduce<number>(
          (sum, s) => sum + Number(at(s, "restartCount") ?? 0),
          0,
        ),
      ),
  },
  ageColumn,
  { ...textColumn("IP", "status", "podIP"), wide: true, cell: (pod) => textAt(pod, "status", "podIP") || "<none>" },
  { ...textColumn("Node", "spec", "nodeName"), wide: true, cell: (pod) => textAt(pod, "spec", "nodeName") || "<none>" },
  {
    name: "Nominated Node",
    type: "string",
    wide: true,
    cell: (pod) => textAt(pod, "status", "nominatedNodeName") || "<none>",
  },
  {
    name: "Readiness Gates",
    type: "string",
    wide: true,
    cell: (pod) =>
      listAt(pod, "spec", "readinessGates").length === 0
        ? "<none>"
        : String(listAt(pod, "spec", "readinessGates").length),
  },
];

/** The word in kubectl's STATUS column: the worst news about the pod, else its phase. */
function podStatus(pod: KubeObject): string {
  let reason = textAt(pod, "status", "reason") || textAt(pod, "status", "phase");
  for (const status of listAt(pod, "status", "containerStatuses")) {
    const waiting = textAt(status, "state", "waiting", "reason");
    const terminated = textAt(status, "state", "terminated", "reason");
    if (waiting !== "") reason = waiting;
    else if (terminated !== "") reason = terminated;
  }
  if (pod.metadata.deletionTimestamp !== undefined) {
    return textAt(pod, "status", "reason") === "NodeLost" ? "Unknown" : "Terminating";
  }
  return reason;
}

export const nodeColumns: readonly Column[] = [
  nameColumn,
  {
    name: "Status",
    type: "string",
    cell: (node) => {
      const ready = listAt(node, "status", "conditions").find((c) => at(c, "type") === "Ready");
      const word = ready === undefined ? "Unknown" : at(ready, "status") === "True" ? "Ready" : "NotReady";
      return at(node, "spec", "unschedulable") === true ? `${word},SchedulingDisabled` : word;
    },
  },
  {
    name: "Roles",
    type: "string",
    cell: (node) => {
      const prefix = "node-role.kubernetes.io/";
      const roles = Object.keys(node.metadata.labels ?? {}).filter((l) => l.startsWith(prefix)).map((l) =>
        l.slice(prefix.length)
      );
      return roles.sort().join(",") || "<none>";
    },
  },
  ageColumn,
  textColumn("Version", "status", "nodeInfo", "kubeletVersion"),
  { name: "Internal-IP", type: "string", wide: true, cell: (node) => addressOf(node, "InternalIP") },
  { name: "External-IP", type: "string", wide: true, cell: (node) => addressOf(node, "ExternalIP") },
  wideInfo("OS-Image", "osImage"),
  wideInfo("Kernel-Version", "kernelVersion"),
  wideInfo("Container-Runtime", "containerRuntimeVersion"),
];

function wideInfo(name: string, field: string): Column {
  return { name, type: "string", wide: true, cell: (node) => textAt(node, "status", "nodeInfo", field) || "<unknown>" };
}

function addressOf(node: KubeObject, type: string): string {
  return textAt(listAt(node, "status", "addresses").find((a) => at(a, "type") === type), "address") || "<none>";
}

export const eventColumns: readonly Column[] = [
  {
    name: "Last Seen",
    type: "string",
    cell: (event, now) => ageOf(at(event, "lastTimestamp") ?? at(event, "eventTime"), now),
  },
  textColumn("Type", "type"),
  textColumn("Reason", "reason"),
  {
    name: "Object",
    type: "string",
    cell: (e) => `${textAt(e, "involvedObject", "kind").toLowerCase()}/${textAt(e, "involvedObject", "name")}`,
  },
  textColumn("Message", "message"),
];
