// Whether a pod's configuration can be read: keys of configmaps and secrets in volumes, env and envFrom, with a kubelet's words.
import { at, type KubeObject, listAt, textAt } from "../../protocol/apis/kube-object.ts";
import { resourceTypes } from "../../protocol/message/names.ts";
import { wirePath } from "../../protocol/resource/path.ts";

/** An event that a kubelet writes of a pod. */
export interface PodEvent {
  readonly type: "Warning";
  readonly reason: "FailedMount" | "Failed" | "InvalidEnvironmentVariableNames";
  readonly message: string;
}

/** What keeps a pod from starting, as far as its configuration does. */
export interface PodConfig {
  /** Why its volumes can't be mounted; its containers are being created for as long. */
  readonly unmounted: string | undefined;
  /** By container, init containers included: why it can't be created (`CreateContainerConfigError`). */
  readonly errors: ReadonlyMap<string, string>;
  readonly events: readonly PodEvent[];
}

type Kind = "configmap" | "secret";
/** An object of the pod's namespace; undefined where the edge doesn't have it. */
type Lookup = (kind: Kind, name: string) => KubeObject | undefined;

const kindNames: Readonly<Record<Kind, string>> = { configmap: "ConfigMap", secret: "Secret" };

/**
 * Reads the configuration of a pod from objects in a store (`get` takes their paths). Follows Kubernetes v1.32
 * `pkg/kubelet/kubelet_pods.go` (makeEnvironmentVariables) and `pkg/volume/{configmap,secret,projected}`.
 */
export function readPodConfig(pod: KubeObject, get: (path: string) => KubeObject | undefined): PodConfig {
  const { namespace = "default" } = pod.metadata;
  const look: Lookup = (kind, name) => get(wirePath(namespace, resourceTypes[kind], name));
  const unmounted = listAt(pod, "spec", "volumes").map((volume) => volumeProblem(volume, namespace, look))
    .find((problem) => problem !== undefined);
  const errors = new Map<string, string>();
  const events: PodEvent[] = [];
  if (unmounted !== undefined) {
    return { unmounted, errors, events: [{ type: "Warning", reason: "FailedMount", message: unmounted }] };
  }
  for (const container of [...listAt(pod, "spec", "initContainers"), ...listAt(pod, "spec", "containers")]) {
    for (const source of listAt(container, "envFrom")) {
      const skipped = invalidNames(source, namespace, look);
      if (skipped !== undefined) {
        events.push({ type: "Warning", reason: "InvalidEnvironmentVariableNames", message: skipped });
      }
    }
    const problem = environmentProblem(container, namespace, look);
    if (problem === undefined) continue;
    errors.set(textAt(container, "name"), problem);
    events.push({ type: "Warning", reason: "Failed", message: `Error: ${problem}` });
  }
  return { unmounted, errors, events };
}

function volumeProblem(volume: unknown, namespace: string, look: Lookup): string | undefined {
  const name = textAt(volume, "name");
  const sources: [Kind, unknown, string][] = [
    ["configmap", at(volume, "configMap"), "name"],
    ["secret", at(volume, "secret"), "secretName"],
    ...listAt(volume, "projected", "sources").flatMap((source): [Kind, unknown, string][] => [
      ["configmap", at(source, "configMap"), "name"],
      ["secret", at(source, "secret"), "name"],
    ]),
  ];
  for (const [kind, source, field] of sources) {
    const problem = source === undefined
      ? undefined
      : sourceProblem(kind, source, textAt(source, field), namespace, look);
    if (problem !== undefined) return `MountVolume.SetUp failed for volume "${name}" : ${problem}`;
  }
  return undefined;
}

/** `optional` covers the object and its keys. */
function sourceProblem(kind: Kind, source: unknown, name: string, namespace: string, look: Lookup): string | undefined {
  if (name === "" || at(source, "optional") === true) return undefined;
  const object = look(kind, name);
  if (object === undefined) return `${kind} "${name}" not found`;
  const missing = listAt(source, "items").map((item) => textAt(item, "key")).find((key) => !hasKey(object, key));
  if (missing === undefined) return undefined;
  const word = kind === "secret" ? "secret key" : "config key";
  return `references non-existent ${word}: ${missing} (${kindNames[kind]} ${namespace}/${name})`;
}

function environmentProblem(container: unknown, namespace: string, look: Lookup): string | undefined {
  for (const source of listAt(container, "envFrom")) {
    for (const [kind, field] of [["configmap", "configMapRef"], ["secret", "secretRef"]] as const) {
      const reference = at(source, field);
      const name = textAt(reference, "name");
      if (name === "" || at(reference, "optional") === true || look(kind, name) !== undefined) continue;
      return `${kind} "${name}" not found`;
    }
  }
  for (const variable of listAt(container, "env")) {
    for (const [kind, field] of [["configmap", "configMapKeyRef"], ["secret", "secretKeyRef"]] as const) {
      const reference = at(variable, "valueFrom", field);
      const name = textAt(reference, "name");
      if (name === "" || at(reference, "optional") === true) continue;
      const object = look(kind, name);
      if (object === undefined) return `${kind} "${name}" not found`;
      const key = textAt(reference, "key");
      // A variable is text: entries of binaryData are no values for one.
      const isThere = kind === "secret" ? hasKey(object, key) : hasOwn(object.data, key);
      if (!isThere) return `couldn't find key ${key} in ${kindNames[kind]} ${namespace}/${name}`;
    }
  }
  return undefined;
}

/** Keys that are no names of variables are ignored, with an event: empty ones, and those with `=` or unprintable letters. */
function invalidNames(source: unknown, namespace: string, look: Lookup): string | undefined {
  for (const [kind, field] of [["configmap", "configMapRef"], ["secret", "secretRef"]] as const) {
    const name = textAt(source, field, "name");
    const object = name === "" ? undefined : look(kind, name);
    const prefix = textAt(source, "prefix");
    const invalid = Object.keys((object?.data ?? {}) as object).filter((key) => !/^[ -<>-~]+$/.test(prefix + key))
      .sort();
    if (invalid.length === 0) continue;
    return `Keys [${invalid.join(", ")}] from the EnvFrom ${
      kind === "secret" ? "secret" : "configMap"
    } ${namespace}/${name} were skipped since they are considered invalid environment variable names.`;
  }
  return undefined;
}

function hasKey({ binaryData, data }: KubeObject, key: string): boolean {
  return hasOwn(data, key) || hasOwn(binaryData, key);
}

function hasOwn(map: unknown, key: string): boolean {
  return typeof map === "object" && map !== null && Object.hasOwn(map, key);
}
