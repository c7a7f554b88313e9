// Leases, by which nodes say that they are alive.
import { at } from "../../../protocol/apis/kube-object.ts";
import { type Cause, wrong } from "../status.ts";
import { ageColumn, nameColumn, textColumn } from "./columns.ts";
import { builtin } from "./define.ts";
import type { Strategy } from "./kind.ts";

const leaseStrategy: Strategy = {
  versionRequired: true,
  validate(lease) {
    const causes: Cause[] = [];
    const duration = at(lease, "spec", "leaseDurationSeconds");
    if (typeof duration === "number" && duration <= 0) {
      causes.push(wrong("spec.leaseDurationSeconds", duration, "must be greater than 0"));
    }
    return causes;
  },
};

export const leases = builtin({
  kind: "Lease",
  plural: "leases",
  group: "coordination.k8s.io",
  columns: [nameColumn, textColumn("Holder", "spec", "holderIdentity"), ageColumn],
  strategy: leaseStrategy,
});
