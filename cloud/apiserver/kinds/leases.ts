// Leases, by which nodes say that they are alive.
import { at } from "../../../protocol/apis/kube-object.ts";
import { type Cause, wrong } from "../status.ts";
import { ageColumn, nameColumn, textColumn } from "./columns.ts";
import type { KindRules, Strategy } from "./kind.ts";

const leaseStrategy: Strategy = {
  versionRequired: true,
  createsOnUpdate: true,
  validate(lease) {
    const causes: Cause[] = [];
    const duration = at(lease, "spec", "leaseDurationSeconds");
    if (typeof duration === "number" && duration <= 0) {
      causes.push(wrong("spec.leaseDurationSeconds", duration, "must be greater than 0"));
    }
    const transitions = at(lease, "spec", "leaseTransitions");
    if (typeof transitions === "number" && transitions < 0) {
      causes.push(wrong("spec.leaseTransitions", transitions, "must be greater than or equal to 0"));
    }
    return causes;
  },
};

export const leases: KindRules = {
  columns: [nameColumn, textColumn("Holder", "spec", "holderIdentity"), ageColumn],
  strategy: leaseStrategy,
};
