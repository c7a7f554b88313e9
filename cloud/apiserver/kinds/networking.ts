// Ingresses, their classes, and NetworkPolicies.
import type { KindRules } from "./kind.ts";
import { at, type KubeObject, listAt, textAt } from "../../../protocol/apis/kube-object.ts";
import { type Cause, wrong } from "../status.ts";
import { ageColumn, nameColumn, selectorText, textColumn } from "./columns.ts";

function hostsOf(ingress: KubeObject): string {
  const hosts = listAt(ingress, "spec", "rules").map((rule) => textAt(rule, "host")).filter((host) => host !== "");
  if (hosts.length === 0) return "*";
  return hosts.length > 3 ? `${hosts.slice(0, 3).join(",")} + ${hosts.length - 3} more...` : hosts.join(",");
}

export const ingresses: KindRules = {
  shortNames: ["ing"],
  columns: [
    nameColumn,
    { name: "Class", type: "string", cell: (object) => textAt(object, "spec", "ingressClassName") || "<none>" },
    { name: "Hosts", type: "string", cell: hostsOf },
    {
      name: "Address",
      type: "string",
      cell: (object) =>
        listAt(object, "status", "loadBalancer", "ingress").map((i) => textAt(i, "ip") || textAt(i, "hostname")).join(
          ",",
        ),
    },
    { name: "Ports", type: "string", cell: (object) => listAt(object, "spec", "tls").length > 0 ? "80, 443" : "80" },
    ageColumn,
  ],
  strategy: {
    generation: true,
    prepareCreate: (object) => void (object.status = { loadBalancer: {} }),
    validate(object): Cause[] {
      const isEmpty = listAt(object, "spec", "rules").length === 0 &&
        at(object, "spec", "defaultBackend") === undefined;
      return isEmpty ? [wrong("spec", [], "either `defaultBackend` or `rules` must be specified")] : [];
    },
  },
};

export const ingressClasses: KindRules = {
  columns: [
    nameColumn,
    textColumn("Controller", "spec", "controller"),
    {
      name: "Parameters",
      type: "string",
      cell(object) {
        const parameters = at(object, "spec", "parameters");
        if (parameters === undefined) return "<none>";
        const group = textAt(parameters, "apiGroup");
        return `${textAt(parameters, "kind")}${group === "" ? "" : `.${group}`}/${textAt(parameters, "name")}`;
      },
    },
    ageColumn,
  ],
  strategy: { generation: true },
};

export const networkPolicies: KindRules = {
  shortNames: ["netpol"],
  columns: [
    nameColumn,
    { name: "Pod-Selector", type: "string", cell: (object) => selectorText(at(object, "spec", "podSelector")) },
    ageColumn,
  ],
  strategy: { generation: true },
};
