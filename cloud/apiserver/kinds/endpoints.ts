// Endpoints of services.
import { isIP } from "node:net";
import { at, type KubeObject, listAt, textAt } from "../../../protocol/apis/kube-object.ts";
import { wrong } from "../status.ts";
import { ageColumn, nameColumn } from "./columns.ts";
import { builtin } from "./define.ts";
import type { Column, Strategy } from "./kind.ts";

type Fields = Record<string, unknown>;

/** The default protocol of ports is TCP. */
const endpointsStrategy: Strategy = {
  prepareCreate: fillPorts,
  prepareUpdate: fillPorts,
  validate(endpoints) {
    return listAt(endpoints, "subsets").flatMap((subset, i) =>
      listAt(subset, "addresses").flatMap((address, j) =>
        isIP(textAt(address, "ip")) !== 0 ? [] : [wrong(
          `subsets[${i}].addresses[${j}].ip`,
          textAt(address, "ip"),
          "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)",
        )]
      )
    );
  },
};

function fillPorts(endpoints: KubeObject): void {
  const subsets = listAt(endpoints, "subsets") as Fields[];
  if (subsets.length === 0) return;
  endpoints.subsets = subsets.map((subset) => ({
    ...subset,
    ...(subset.ports === undefined
      ? {}
      : { ports: (subset.ports as Fields[]).map((port) => ({ ...port, protocol: port.protocol ?? "TCP" })) }),
  }));
}

/** Addresses that `kubectl get endpoints` shows before `+ N more...`. */
const SHOWN_ADDRESSES = 3;

const endpointsColumns: readonly Column[] = [
  nameColumn,
  {
    name: "Endpoints",
    type: "string",
    cell(endpoints) {
      const all = listAt(endpoints, "subsets").flatMap((subset) =>
        listAt(subset, "ports").flatMap((port) =>
          listAt(subset, "addresses").map((address) => `${textAt(address, "ip")}:${String(at(port, "port"))}`)
        )
      );
      const more = all.length > SHOWN_ADDRESSES ? ` + ${all.length - SHOWN_ADDRESSES} more...` : "";
      return `${all.slice(0, SHOWN_ADDRESSES).join(",")}${more}` || "<none>";
    },
  },
  ageColumn,
];

export const endpoints = builtin({
  kind: "Endpoints",
  plural: "endpoints",
  singular: "endpoints",
  shortNames: ["ep"],
  columns: endpointsColumns,
  strategy: endpointsStrategy,
});
