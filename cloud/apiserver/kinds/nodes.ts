// Nodes.
import { at, type KubeObject, listAt, textAt } from "../../../protocol/apis/kube-object.ts";
import { ageColumn, nameColumn, textColumn } from "./columns.ts";
import type { Column, KindRules } from "./kind.ts";

const nodeColumns: readonly Column[] = [
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

const notReady = { key: "node.kubernetes.io/not-ready", effect: "NoSchedule" };

export const nodes: KindRules = {
  shortNames: ["no"],
  columns: nodeColumns,
  selectable: { "spec.unschedulable": (node) => String(at(node, "spec", "unschedulable") ?? false) },
  strategy: {
    statusIsOpen: true,
    admit(node, old) {
      // A node is not ready before it has said so (the plugin `TaintNodesByCondition`).
      if (old !== undefined) return;
      const spec = (node.spec ?? {}) as Record<string, unknown>;
      const taints = listAt(spec, "taints");
      if (!taints.some((taint) => at(taint, "key") === notReady.key)) {
        node.spec = { ...spec, taints: [...taints, notReady] };
      }
    },
    prepareUpdate: (node, old) => void (node.status = old.status),
  },
};
