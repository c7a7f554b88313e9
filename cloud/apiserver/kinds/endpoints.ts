// Endpoints of services.
import { isIP } from "node:net";
import { at, listAt, textAt } from "../../../protocol/apis/kube-object.ts";
import { required, wrong } from "../status.ts";
import { ageColumn, nameColumn, textColumn } from "./columns.ts";
import type { Column, KindRules, Strategy } from "./kind.ts";

const endpointsStrategy: Strategy = {
  createsOnUpdate: true,
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

export const endpoints: KindRules = {
  singular: "endpoints",
  shortNames: ["ep"],
  columns: endpointsColumns,
  strategy: endpointsStrategy,
};

export const endpointSlices: KindRules = {
  columns: [
    nameColumn,
    textColumn("AddressType", "addressType"),
    {
      name: "Ports",
      type: "string",
      cell: (slice) => listAt(slice, "ports").map((port) => String(at(port, "port") ?? "*")).join(",") || "<unset>",
    },
    {
      name: "Endpoints",
      type: "string",
      cell(slice) {
        const all = listAt(slice, "endpoints").flatMap((endpoint) => listAt(endpoint, "addresses"));
        const more = all.length > SHOWN_ADDRESSES ? ` + ${all.length - SHOWN_ADDRESSES} more...` : "";
        return `${all.slice(0, SHOWN_ADDRESSES).join(",")}${more}` || "<unset>";
      },
    },
    ageColumn,
  ],
  strategy: {
    generation: true,
    validate: (slice) =>
      ["IPv4", "IPv6", "FQDN"].includes(textAt(slice, "addressType")) ? [] : [required("addressType")],
  },
};
