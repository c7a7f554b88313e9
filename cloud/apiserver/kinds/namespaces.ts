// Namespaces: their label, their phase, and the finalizers in their spec.
import { at, type KubeObject, textAt } from "../../../protocol/apis/kube-object.ts";
import { ageColumn, nameColumn, textColumn } from "./columns.ts";
import type { KindRules, Strategy, SubresourceCall } from "./kind.ts";

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
  const { finalizers: _f, ...spec } = (old.spec ?? {}) as Record<string, unknown>;
  const metadata = {
    ...old.metadata,
    labels: { ...at(body, "metadata", "labels") as object | undefined, "kubernetes.io/metadata.name": target.name },
  };
  const object = { ...old, metadata, spec: finalizers.length === 0 ? spec : { ...spec, finalizers } };
  if (finalizers.length > 0 || old.metadata.deletionTimestamp === undefined) {
    return resources.store.put("namespaces", object);
  }
  resources.store.remove("namespaces", object);
  return object;
}

export const namespaces: KindRules = {
  shortNames: ["ns"],
  selectable: { "status.phase": (object) => textAt(object, "status", "phase"), name: ({ metadata }) => metadata.name },
  subresources: {
    finalize: { as: "action", method: "PUT", handle: (call) => ({ status: 200, body: finalize(call) }) },
  },
  columns: [nameColumn, textColumn("Status", "status", "phase"), ageColumn],
  strategy: namespaceStrategy,
};
