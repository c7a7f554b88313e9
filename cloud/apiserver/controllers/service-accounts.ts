// Gives each namespace its `default` service account, without which it admits no pod, and the CA by which pods know the API.
import { at, type KubeObject } from "../../../protocol/apis/kube-object.ts";
import type { Resources } from "../resources.ts";
import type { Controller, ControllerDeps } from "./controller.ts";

const ROOT_CA = "kube-root-ca.crt";
const description =
  "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes clusters.";

const isActive = ({ metadata }: KubeObject) => metadata.deletionTimestamp === undefined;

/** Runs at once with the namespace's creation: a client that creates a pod next must not be told that there is no account. */
function inEachNamespace(
  resources: Resources,
  give: (namespace: string) => void,
  table: string,
  name: string,
): () => void {
  const { store } = resources;
  const ensure = (namespace: string) => {
    if (store.get(table, `${namespace}/${name}`) === undefined) give(namespace);
  };
  for (const namespace of store.list("namespaces")) if (isActive(namespace)) ensure(namespace.metadata.name);
  const stops = [
    store.watch("namespaces", ({ object, type }) => {
      if (type === "ADDED" && isActive(object)) ensure(object.metadata.name);
    }),
    store.watch(table, ({ object, type }) => {
      if (type !== "DELETED" || object.metadata.name !== name) return;
      const namespace = store.get("namespaces", object.metadata.namespace ?? "");
      if (namespace !== undefined && isActive(namespace)) ensure(namespace.metadata.name);
    }),
  ];
  return () => {
    for (const stop of stops) stop();
  };
}

export const serviceAccounts: Controller = {
  name: "serviceaccount",
  start({ resources }: ControllerDeps) {
    const kind = resources.registry.find("", "v1", "serviceaccounts");
    if (kind === undefined) return () => {};
    const give = (namespace: string) => void resources.create(kind, namespace, { metadata: { name: "default" } });
    return inEachNamespace(resources, give, "serviceaccounts", "default");
  },
};

export const rootCa: Controller = {
  name: "root-ca-certificate-publisher",
  start({ ca, resources }: ControllerDeps) {
    const kind = resources.registry.find("", "v1", "configmaps");
    if (kind === undefined) return () => {};
    const metadata = { name: ROOT_CA, annotations: { "kubernetes.io/description": description } };
    const give = (namespace: string) => void resources.create(kind, namespace, { metadata, data: { "ca.crt": ca } });
    for (const old of resources.store.list("configmaps")) {
      // A server that begins anew with old data has another CA.
      if (old.metadata.name === ROOT_CA && at(old, "data", "ca.crt") !== ca) {
        resources.store.put("configmaps", { ...old, data: { "ca.crt": ca } });
      }
    }
    return inEachNamespace(resources, give, "configmaps", ROOT_CA);
  },
};
