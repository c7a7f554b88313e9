// What kube-apiserver's admission plugins fill into new pods, and for what they refuse them.
import { at, type KubeObject, listAt, textAt } from "../../../protocol/apis/kube-object.ts";
import type { Surroundings } from "../kinds/kind.ts";
import { forbidden } from "../status.ts";
import { limitPod } from "./limit-range.ts";
import { checkPodSecurity } from "./pod-security.ts";

type Fields = Record<string, unknown>;

const podsResource = { group: "", plural: "pods" };

/** Changes a decoded pod. Throws 403. */
export function admitPod(pod: KubeObject, around: Surroundings): void {
  const spec = pod.spec as Fields;
  limitPod(pod, around);
  useServiceAccount(pod, around);
  usePriority(pod, around);
  spec.tolerations = withNodeTolerations(listAt(spec, "tolerations") as Fields[]);
  checkPodSecurity(pod, around);
}

/** Nodes that are not ready or can't be reached keep a pod for five minutes (`DefaultTolerationSeconds`). */
function withNodeTolerations(given: Fields[]): Fields[] {
  const added = ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"]
    .filter((key) => !given.some((t) => t.key === key || (t.key === undefined && t.operator === "Exists")))
    .map((key) => ({ key, operator: "Exists", effect: "NoExecute", tolerationSeconds: 300 }));
  return [...given, ...added];
}

/** Where containers find their ServiceAccount's token. */
const TOKEN_PATH = "/var/run/secrets/kubernetes.io/serviceaccount";
/** Seconds that a mounted token lasts; the odd ones tell it from others in the server's metrics. */
const TOKEN_SECONDS = 3607;

function useServiceAccount(pod: KubeObject, { find, suffix }: Surroundings): void {
  const { name, namespace = "" } = pod.metadata;
  const spec = pod.spec as Fields;
  // A static pod, which a kubelet made, has none.
  if (pod.metadata.annotations?.["kubernetes.io/config.mirror"] !== undefined) return;
  const account = textAt(spec, "serviceAccountName") || textAt(spec, "serviceAccount") || "default";
  spec.serviceAccountName = account;
  spec.serviceAccount = account;
  const found = find("serviceaccounts", `${namespace}/${account}`);
  if (found === undefined) {
    throw forbidden(
      podsResource,
      name,
      `error looking up service account ${namespace}/${account}: serviceaccount ${JSON.stringify(account)} not found`,
    );
  }
  if (spec.imagePullSecrets === undefined && listAt(found, "imagePullSecrets").length > 0) {
    spec.imagePullSecrets = found.imagePullSecrets;
  }
  const isMounted = spec.automountServiceAccountToken ?? found.automountServiceAccountToken ?? true;
  if (isMounted === true) mountToken(spec, suffix());
}

function mountToken(spec: Fields, suffix: string): void {
  const volume = `kube-api-access-${suffix}`;
  let isUsed = false;
  for (const list of ["initContainers", "containers"]) {
    for (const container of listAt(spec, list) as Fields[]) {
      const mounts = listAt(container, "volumeMounts");
      if (mounts.some((mount) => textAt(mount, "mountPath") === TOKEN_PATH)) continue;
      container.volumeMounts = [...mounts, { name: volume, readOnly: true, mountPath: TOKEN_PATH }];
      isUsed = true;
    }
  }
  if (!isUsed) return;
  const sources = [
    { serviceAccountToken: { expirationSeconds: TOKEN_SECONDS, path: "token" } },
    { configMap: { name: "kube-root-ca.crt", items: [{ key: "ca.crt", path: "ca.crt" }] } },
    {
      downwardAPI: {
        items: [{ path: "namespace", fieldRef: { apiVersion: "v1", fieldPath: "metadata.namespace" } }],
      },
    },
  ];
  spec.volumes = [...listAt(spec, "volumes"), { name: volume, projected: { sources, defaultMode: 420 } }];
}

/** Priority classes that every cluster has. */
const systemPriorities: Readonly<Record<string, number>> = {
  "system-cluster-critical": 2_000_000_000,
  "system-node-critical": 2_000_001_000,
};

function usePriority(pod: KubeObject, { find, list }: Surroundings): void {
  const spec = pod.spec as Fields;
  const table = "priorityclasses.scheduling.k8s.io";
  let name = textAt(spec, "priorityClassName");
  let chosen: KubeObject | undefined;
  if (name === "") {
    chosen = list(table).filter((one) => one.globalDefault === true)
      .sort((a, b) => Number(a.value) - Number(b.value))[0];
    name = chosen?.metadata.name ?? "";
    if (name !== "") spec.priorityClassName = name;
  } else chosen = find(table, name);
  if (name !== "" && chosen === undefined && systemPriorities[name] === undefined) {
    throw forbidden(podsResource, pod.metadata.name, `no PriorityClass with name ${name} was found`);
  }
  const value = chosen === undefined ? systemPriorities[name] ?? 0 : Number(chosen.value ?? 0);
  if (spec.priority !== undefined && spec.priority !== value) {
    throw forbidden(
      podsResource,
      pod.metadata.name,
      `the integer value of priority (${
        String(spec.priority)
      }) must not be provided in pod spec; priority admission controller computed ${value} from the given PriorityClass name`,
    );
  }
  spec.priority = value;
  spec.preemptionPolicy ??= at(chosen, "preemptionPolicy") ?? "PreemptLowerPriority";
}
