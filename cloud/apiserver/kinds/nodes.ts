// Nodes.
import { at, type KubeObject, listAt, textAt } from "../../../protocol/apis/kube-object.ts";
import { ageColumn, nameColumn, textColumn } from "./columns.ts";
import { builtin, statusApart } from "./define.ts";
import type { Column } from "./kind.ts";

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

export const nodes = builtin({
  kind: "Node",
  plural: "nodes",
  namespaced: false,
  shortNames: ["no"],
  status: true,
  columns: nodeColumns,
  strategy: { prepareUpdate: (node, old) => statusApart.prepareUpdate?.(node, old) },
});
