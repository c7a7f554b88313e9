// APIServices: each group version has one; those of other servers can't be reached from here.
import type { KindRules } from "./kind.ts";
import { at, listAt, textAt } from "../../../protocol/apis/kube-object.ts";
import { ageColumn, nameColumn } from "./columns.ts";

export const apiServices: KindRules = {
  categories: ["api-extensions"],
  columns: [
    nameColumn,
    {
      name: "Service",
      type: "string",
      cell(object) {
        const service = at(object, "spec", "service");
        if (service === undefined || service === null) return "Local";
        return `${textAt(service, "namespace")}/${textAt(service, "name")}`;
      },
    },
    {
      name: "Available",
      type: "string",
      cell(object) {
        const found = listAt(object, "status", "conditions").find((c) => at(c, "type") === "Available");
        const status = textAt(found, "status") || "Unknown";
        return status === "True" ? status : `${status} (${textAt(found, "reason")})`;
      },
    },
    ageColumn,
  ],
};
