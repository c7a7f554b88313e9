// Namespaces: their label, their phase, and the finalizers in their spec.
import { at, type KubeObject } from "../../../protocol/apis/kube-object.ts";
import { ageColumn, nameColumn, textColumn } from "./columns.ts";
import { builtin } from "./define.ts";
import { allVerbs, type Strategy, type SubresourceCall } from "./kind.ts";

const namespaceStrategy: Strategy = {
  nameForm: "label",
  prepareCreate(namespace) {
    namespace.spec = { finalizers: ["kubernetes"] };
    namespace.status = { phase: "Active" };
    namespace.metadata.labels = {
      ...namespace.metadata.labels,
      "kubernetes.io/metadata.name": namespace.metadata.name,
    };
  },
  prepareUpdate(namespace, old) {
    namespace.spec = old.spec;
    namespace.status = old.status;
    namespace.metadata.labels = {
      ...namespace.metadata.labels,
      "kubernetes.io/metadata.name": namespace.metadata.name,
    };
  },
};

/** A namespace's own finalizers are in its spec; once they are removed, a namespace that is being deleted is deleted. */
function finalize({ body, resources, target }: SubresourceCall): KubeObject {
  const old = resources.get(target);
  const finalizers = (at(body, "spec", "finalizers") ?? []) as string[];
  const object = {
    ...old,
    spec: { ...(old.spec as object), ...(finalizers.length === 0 ? { finalizers: undefined } : { finalizers }) },
  };
  if (finalizers.length > 0 || old.metadata.deletionTimestamp === undefined) {
    return resources.store.put("namespaces", object);
  }
  resources.store.remove("namespaces", object);
  return object;
}

export const namespaces = builtin({
  kind: "Namespace",
  plural: "namespaces",
  namespaced: false,
  shortNames: ["ns"],
  status: true,
  subresources: {
    finalize: { method: "PUT", verbs: ["update"], handle: (call) => ({ status: 200, body: finalize(call) }) },
  },
  verbs: allVerbs.filter((v) => v !== "deletecollection"),
  columns: [nameColumn, textColumn("Status", "status", "phase"), ageColumn],
  strategy: namespaceStrategy,
});
