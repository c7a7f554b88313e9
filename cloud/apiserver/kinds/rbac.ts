// Roles and their bindings.
import { at, listAt, textAt } from "../../../protocol/apis/kube-object.ts";
import { deepEqual } from "../patch/json-patch.ts";
import { type Cause, required, unsupported } from "../status.ts";
import { ageColumn, nameColumn } from "./columns.ts";
import type { Column, KindRules, Strategy } from "./kind.ts";

const createdAt: Column = {
  name: "Created At",
  type: "date",
  cell: (object) => object.metadata.creationTimestamp ?? null,
};

export const roles: KindRules = {
  columns: [nameColumn, createdAt],
  strategy: {
    nameForm: "path",
    createsOnUpdate: true,
    validate(role) {
      return listAt(role, "rules").flatMap((rule, i): Cause[] => {
        if (listAt(rule, "verbs").length === 0) {
          return [required(`rules[${i}].verbs`, "verbs must contain at least one value")];
        }
        if (listAt(rule, "nonResourceURLs").length > 0) return [];
        if (listAt(rule, "apiGroups").length === 0) {
          return [required(`rules[${i}].apiGroups`, "resource rules must supply at least one api group")];
        }
        return listAt(rule, "resources").length > 0
          ? []
          : [required(`rules[${i}].resources`, "resource rules must supply at least one resource")];
      });
    },
  },
};

const bindingStrategy: Strategy = {
  nameForm: "path",
  createsOnUpdate: true,
  validate(binding, old) {
    const ref = at(binding, "roleRef");
    const causes: Cause[] = [];
    const kind = textAt(ref, "kind");
    const kinds = binding.metadata.namespace === undefined ? ["ClusterRole"] : ["Role", "ClusterRole"];
    if (!kinds.includes(kind)) causes.push(unsupported("roleRef.kind", kind, kinds));
    if (textAt(ref, "name") === "") causes.push(required("roleRef.name"));
    for (const [i, subject] of listAt(binding, "subjects").entries()) {
      if (textAt(subject, "name") === "") causes.push(required(`subjects[${i}].name`));
    }
    if (old !== undefined && !deepEqual(ref, old.roleRef)) {
      const printed = `rbac.RoleRef{APIGroup:${JSON.stringify(textAt(ref, "apiGroup"))}, Kind:${
        JSON.stringify(kind)
      }, Name:${JSON.stringify(textAt(ref, "name"))}}`;
      causes.push({
        reason: "FieldValueInvalid",
        message: `Invalid value: ${printed}: cannot change roleRef`,
        field: "roleRef",
      });
    }
    return causes;
  },
};

const subjectsOf = (name: string, kind: string): Column => ({
  name,
  type: "string",
  wide: true,
  cell: (binding) =>
    listAt(binding, "subjects").filter((subject) => at(subject, "kind") === kind)
      .map((subject) =>
        kind === "ServiceAccount"
          ? `${textAt(subject, "namespace")}/${textAt(subject, "name")}`
          : textAt(subject, "name")
      )
      .join(", "),
});

const bindingColumns: readonly Column[] = [
  nameColumn,
  { name: "Role", type: "string", cell: (b) => `${textAt(b, "roleRef", "kind")}/${textAt(b, "roleRef", "name")}` },
  ageColumn,
  subjectsOf("Users", "User"),
  subjectsOf("Groups", "Group"),
  subjectsOf("ServiceAccounts", "ServiceAccount"),
];

export const roleBindings: KindRules = { columns: bindingColumns, strategy: bindingStrategy };
export const clusterRoleBindings: KindRules = { columns: bindingColumns, strategy: bindingStrategy };
