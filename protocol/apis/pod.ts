// What a pod refers to: the configmaps and secrets its node must have.
import { at, type KubeObject, listAt, textAt } from "./kube-object.ts";

/** The kinds that pods refer to, as the words of resource paths. */
export type Referenced = "configmap" | "secret";

/** One reference; pods refer to objects of their own namespace only. */
export interface PodReference {
  readonly kind: Referenced;
  readonly namespace: string;
  readonly name: string;
  /** The pod does without it. */
  readonly isOptional: boolean;
}

/** Everything a pod refers to, init containers, ephemeral ones, projected volumes and pull secrets included. */
export function referencesIn(pod: KubeObject): PodReference[] {
  const namespace = pod.metadata.namespace ?? "default";
  const found = new Map<string, PodReference>();
  const add = (kind: Referenced, name: string, isOptional: boolean) => {
    if (name === "") return;
    const key = `${kind}/${name}`;
    found.set(key, { kind, namespace, name, isOptional: isOptional && found.get(key)?.isOptional !== false });
  };
  const addFrom = (kind: Referenced, source: unknown, field = "name") =>
    add(kind, textAt(source, field), at(source, "optional") === true);
  for (const volume of listAt(pod, "spec", "volumes")) {
    addFrom("configmap", at(volume, "configMap"));
    addFrom("secret", at(volume, "secret"), "secretName");
    for (const source of listAt(volume, "projected", "sources")) {
      addFrom("configmap", at(source, "configMap"));
      addFrom("secret", at(source, "secret"));
    }
  }
  const containers = ["containers", "initContainers", "ephemeralContainers"].flatMap((list) =>
    listAt(pod, "spec", list)
  );
  for (const container of containers) {
    for (const source of listAt(container, "envFrom")) {
      addFrom("configmap", at(source, "configMapRef"));
      addFrom("secret", at(source, "secretRef"));
    }
    for (const variable of listAt(container, "env")) {
      addFrom("configmap", at(variable, "valueFrom", "configMapKeyRef"));
      addFrom("secret", at(variable, "valueFrom", "secretKeyRef"));
    }
  }
  // A missing pull secret is a warning of the kubelet, no obstacle.
  for (const secret of listAt(pod, "spec", "imagePullSecrets")) add("secret", textAt(secret, "name"), true);
  return [...found.values()];
}

/** The same as `kind/namespace/name`. */
export function referencesOf(pod: KubeObject): Set<string> {
  return new Set(referencesIn(pod).map(({ kind, namespace, name }) => `${kind}/${namespace}/${name}`));
}
