// CustomResourceDefinitions.
import { at, listAt, textAt } from "../../../protocol/apis/kube-object.ts";
import { type Cause, required, unsupported, wrong } from "../status.ts";
import { nameColumn } from "./columns.ts";
import { builtin } from "./define.ts";
import type { Strategy } from "./kind.ts";

const crdStrategy: Strategy = {
  generation: true,
  deleteAnswersObject: true,
  prepareCreate(crd) {
    delete crd.status;
    const spec = structuredClone((crd.spec ?? {}) as Record<string, unknown>);
    const names = (spec.names ??= {}) as Record<string, unknown>;
    names.singular ??= String(names.kind ?? "").toLowerCase();
    names.listKind ??= `${String(names.kind ?? "")}List`;
    spec.conversion ??= { strategy: "None" };
    crd.spec = spec;
  },
  prepareUpdate(crd, old) {
    crdStrategy.prepareCreate?.(crd);
    if (old.status !== undefined) crd.status = old.status;
  },
  validate(crd) {
    const causes: Cause[] = [];
    const group = textAt(crd, "spec", "group");
    const plural = textAt(crd, "spec", "names", "plural");
    if (group === "") causes.push(required("spec.group"));
    if (plural === "") causes.push(required("spec.names.plural"));
    if (textAt(crd, "spec", "names", "kind") === "") causes.push(required("spec.names.kind"));
    if (crd.metadata.name !== `${plural}.${group}`) {
      causes.push(wrong("metadata.name", crd.metadata.name, 'must be spec.names.plural+"."+spec.group'));
    }
    const scope = textAt(crd, "spec", "scope");
    if (scope !== "Cluster" && scope !== "Namespaced") {
      causes.push(unsupported("spec.scope", scope, ["Cluster", "Namespaced"]));
    }
    if (listAt(crd, "spec", "versions").filter((v) => at(v, "storage") === true).length !== 1) {
      causes.push(
        wrong(
          "spec.versions",
          listAt(crd, "spec", "versions").length,
          "must have exactly one version marked as storage version",
        ),
      );
    }
    return causes;
  },
};

export const definitions = builtin({
  kind: "CustomResourceDefinition",
  plural: "customresourcedefinitions",
  group: "apiextensions.k8s.io",
  namespaced: false,
  shortNames: ["crd", "crds"],
  categories: ["api-extensions"],
  status: true,
  columns: [nameColumn, { name: "Created At", type: "date", cell: (crd) => crd.metadata.creationTimestamp ?? null }],
  strategy: crdStrategy,
});
