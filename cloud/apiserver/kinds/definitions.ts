// CustomResourceDefinitions.
import { at, isPlainObject, type KubeObject, listAt, textAt } from "../../../protocol/apis/kube-object.ts";
import { expressionError } from "../custom/rules.ts";
import { type Cause, required, unsupported, wrong } from "../status.ts";
import { nameColumn } from "./columns.ts";
import type { KindRules, Strategy } from "./kind.ts";

type Fields = Record<string, unknown>;

const crdStrategy: Strategy = {
  generation: true,
  prepareCreate(crd) {
    fillNames(crd);
    const stored = listAt(crd, "spec", "versions").filter((v) => at(v, "storage") === true).map((v) =>
      textAt(v, "name")
    );
    crd.status = { ...crd.status as Fields, storedVersions: stored };
  },
  prepareUpdate(crd, old) {
    fillNames(crd);
    const before = listAt(old, "status", "storedVersions");
    const stored = listAt(crd, "spec", "versions").filter((v) => at(v, "storage") === true).map((v) =>
      textAt(v, "name")
    )
      .filter((version) => !before.includes(version));
    if (stored.length > 0) crd.status = { ...crd.status as Fields, storedVersions: [...before, ...stored] };
  },
  validate(crd, old) {
    const causes: Cause[] = [];
    for (const field of ["group", "scope"]) {
      const before = old === undefined ? undefined : textAt(old, "spec", field);
      const now = textAt(crd, "spec", field);
      if (before !== undefined && before !== now) causes.push(wrong(`spec.${field}`, now, "field is immutable"));
    }
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
    listAt(crd, "spec", "versions").forEach((version, i) => {
      const path = `spec.versions[${i}].schema.openAPIV3Schema`;
      causes.push(...ruleErrors(at(version, "schema", "openAPIV3Schema"), path));
    });
    return causes;
  },
};

/** Rules that can't be compiled: every object of the kind would be refused. */
function ruleErrors(schema: unknown, path: string): Cause[] {
  if (!isPlainObject(schema)) return [];
  const own = listAt(schema, "x-kubernetes-validations").flatMap((one, i) => {
    const rule = textAt(one, "rule");
    const error = expressionError(rule);
    return error === undefined
      ? []
      : [wrong(`${path}.x-kubernetes-validations[${i}].rule`, rule, `compilation failed: ${error}`)];
  });
  const properties = Object.entries((schema.properties ?? {}) as Fields);
  return [
    ...own,
    ...properties.flatMap(([name, property]) => ruleErrors(property, `${path}.properties[${name}]`)),
    ...ruleErrors(schema.items, `${path}.items`),
    ...ruleErrors(schema.additionalProperties, `${path}.additionalProperties`),
  ];
}

function fillNames(crd: KubeObject): void {
  const spec = crd.spec as Fields;
  const names = spec.names as Fields;
  names.singular ??= textAt(names, "kind").toLowerCase();
  names.listKind ??= `${textAt(names, "kind")}List`;
  spec.conversion ??= { strategy: "None" };
}

export const definitions: KindRules = {
  shortNames: ["crd", "crds"],
  categories: ["api-extensions"],
  columns: [nameColumn, { name: "Created At", type: "date", cell: (crd) => crd.metadata.creationTimestamp ?? null }],
  strategy: crdStrategy,
};
