// Pods: what the API server fills in, refuses and keeps, and how long a deletion takes.
import { at, type KubeObject, listAt, textAt } from "../../../protocol/apis/kube-object.ts";
import { deepEqual } from "../patch/json-patch.ts";
import { type Cause, denied, duplicate, required, unsupported, wrong } from "../status.ts";
import { ageColumn, nameColumn, textColumn } from "./columns.ts";
import { builtin } from "./define.ts";
import type { Column, Strategy, SubresourceCall } from "./kind.ts";
import { nameError } from "./names.ts";

type Fields = Record<string, unknown>;

/** Seconds a pod has to end unless it or its deletion says otherwise. */
const DEFAULT_GRACE = 30;

const podStrategy: Strategy = {
  deleteAnswersObject: true,
  prepareCreate(pod) {
    pod.status = { phase: "Pending", qosClass: qosOf(pod) };
    fillDefaults(pod);
  },
  prepareUpdate(pod, old) {
    pod.status = old.status;
    fillDefaults(pod);
  },
  validate(pod, old) {
    return old === undefined ? faultsOf(pod) : [...faultsOf(pod), ...changeErrors(pod, old)];
  },
  gracePeriod(pod) {
    // A pod that no kubelet runs, or that has ended, needs no grace period.
    const phase = textAt(pod, "status", "phase");
    if (textAt(pod, "spec", "nodeName") === "" || phase === "Succeeded" || phase === "Failed") return 0;
    return Number(at(pod, "spec", "terminationGracePeriodSeconds") ?? DEFAULT_GRACE);
  },
};

function fillDefaults(pod: KubeObject): void {
  const spec = structuredClone((pod.spec ?? {}) as Fields);
  pod.spec = spec;
  const set = (object: Fields, key: string, value: unknown) => object[key] ??= value;
  const account = textAt(spec, "serviceAccountName") || textAt(spec, "serviceAccount") || "default";
  set(spec, "restartPolicy", "Always");
  set(spec, "terminationGracePeriodSeconds", DEFAULT_GRACE);
  set(spec, "dnsPolicy", "ClusterFirst");
  spec.serviceAccountName = account;
  spec.serviceAccount = account;
  set(spec, "securityContext", {});
  set(spec, "schedulerName", "default-scheduler");
  set(spec, "priority", 0);
  set(spec, "enableServiceLinks", true);
  set(spec, "preemptionPolicy", "PreemptLowerPriority");
  spec.tolerations = withNodeTolerations(listAt(spec, "tolerations") as Fields[]);
  for (const field of ["initContainers", "containers"]) for (const c of listAt(spec, field)) fillContainer(c as Fields);
  for (const volume of listAt(spec, "volumes") as Fields[]) fillVolume(volume);
}

function withNodeTolerations(given: Fields[]): Fields[] {
  const added = ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"]
    .filter((key) => !given.some((t) => t.key === key || (t.key === undefined && t.operator === "Exists")))
    .map((key) => ({ key, operator: "Exists", effect: "NoExecute", tolerationSeconds: 300 }));
  return [...given, ...added];
}

function fillContainer(container: Fields): void {
  const image = textAt(container, "image");
  const tag = /:([^/:@]+)$/.exec(image)?.[1];
  const latest = !image.includes("@") && (tag === undefined || tag === "latest");
  container.resources ??= {};
  container.terminationMessagePath ??= "/dev/termination-log";
  container.terminationMessagePolicy ??= "File";
  container.imagePullPolicy ??= latest ? "Always" : "IfNotPresent";
  for (const port of listAt(container, "ports") as Fields[]) port.protocol ??= "TCP";
  for (const probe of ["livenessProbe", "readinessProbe", "startupProbe"]) {
    const p = container[probe] as Fields | undefined;
    if (p === undefined || p === null) continue;
    p.timeoutSeconds ??= 1;
    p.periodSeconds ??= 10;
    p.successThreshold ??= 1;
    p.failureThreshold ??= 3;
  }
}

function fillVolume(volume: Fields): void {
  for (const source of ["configMap", "secret", "projected", "downwardAPI"]) {
    const v = volume[source] as Fields | undefined;
    if (v !== undefined && v !== null) v.defaultMode ??= 420;
  }
  // A volume without a source is an empty directory.
  if (Object.keys(volume).filter((key) => key !== "name").length === 0) volume.emptyDir = {};
}

function qosOf(pod: KubeObject): string {
  const containers = [...listAt(pod, "spec", "containers"), ...listAt(pod, "spec", "initContainers")];
  const resources = containers.map((c) => ({
    requests: at(c, "resources", "requests"),
    limits: at(c, "resources", "limits"),
  }));
  if (resources.every((r) => r.requests === undefined && r.limits === undefined)) return "BestEffort";
  const guaranteed = resources.every((r) =>
    ["cpu", "memory"].every((name) =>
      at(r.limits, name) !== undefined && (at(r.requests, name) ?? at(r.limits, name)) === at(r.limits, name)
    )
  );
  return guaranteed ? "Guaranteed" : "Burstable";
}

function faultsOf(pod: KubeObject): Cause[] {
  const causes: Cause[] = [];
  const containers = listAt(pod, "spec", "containers") as Fields[];
  const volumes = listAt(pod, "spec", "volumes") as Fields[];
  if (containers.length === 0) causes.push(required("spec.containers"));
  const volumeNames = new Set<unknown>();
  volumes.forEach((volume, i) => {
    if (volumeNames.has(volume.name)) causes.push(duplicate(`spec.volumes[${i}].name`, volume.name));
    volumeNames.add(volume.name);
  });
  const names = new Set<unknown>();
  containers.forEach((container, i) => {
    const path = `spec.containers[${i}]`;
    const name = textAt(container, "name");
    if (name === "") causes.push(required(`${path}.name`));
    else {
      const fault = nameError(name, "label");
      if (fault !== undefined) causes.push(wrong(`${path}.name`, name, fault));
      if (names.has(name)) causes.push(duplicate(`${path}.name`, name));
    }
    names.add(name);
    if (textAt(container, "image") === "") causes.push(required(`${path}.image`));
    (listAt(container, "volumeMounts") as Fields[]).forEach((mount, m) => {
      if (!volumeNames.has(mount.name)) {
        causes.push({
          reason: "FieldValueNotFound",
          message: `Not found: ${JSON.stringify(mount.name)}`,
          field: `${path}.volumeMounts[${m}].name`,
        });
      }
    });
  });
  const policy = textAt(pod, "spec", "restartPolicy");
  if (!["Always", "OnFailure", "Never"].includes(policy)) {
    causes.push(unsupported("spec.restartPolicy", policy, ["Always", "OnFailure", "Never"]));
  }
  return causes;
}

/** After creation only these parts of a pod's spec may change. */
function changeErrors(pod: KubeObject, old: KubeObject): Cause[] {
  const comparable = (object: KubeObject) => {
    const spec = structuredClone(object.spec) as Fields;
    for (const field of ["containers", "initContainers"]) {
      for (const c of listAt(spec, field) as Fields[]) delete c.image;
    }
    for (
      const field of [
        "activeDeadlineSeconds",
        "tolerations",
        "terminationGracePeriodSeconds",
        "ephemeralContainers",
        "schedulingGates",
      ]
    ) {
      delete spec[field];
    }
    return spec;
  };
  if (deepEqual(comparable(pod), comparable(old))) return [];
  return [denied(
    "spec",
    "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)",
  )];
}

const podColumns: readonly Column[] = [
  nameColumn,
  {
    name: "Ready",
    type: "string",
    cell: (pod) => {
      const statuses = listAt(pod, "status", "containerStatuses");
      return `${statuses.filter((s) => at(s, "ready") === true).length}/${listAt(pod, "spec", "containers").length}`;
    },
  },
  { name: "Status", type: "string", cell: podStatus },
  {
    name: "Restarts",
    type: "string",
    cell: (pod) =>
      String(
        listAt(pod, "status", "containerStatuses").reduce<number>(
          (sum, s) => sum + Number(at(s, "restartCount") ?? 0),
          0,
        ),
      ),
  },
  ageColumn,
  { ...textColumn("IP", "status", "podIP"), wide: true, cell: (pod) => textAt(pod, "status", "podIP") || "<none>" },
  { ...textColumn("Node", "spec", "nodeName"), wide: true, cell: (pod) => textAt(pod, "spec", "nodeName") || "<none>" },
  {
    name: "Nominated Node",
    type: "string",
    wide: true,
    cell: (pod) => textAt(pod, "status", "nominatedNodeName") || "<none>",
  },
  {
    name: "Readiness Gates",
    type: "string",
    wide: true,
    cell: (pod) =>
      listAt(pod, "spec", "readinessGates").length === 0
        ? "<none>"
        : String(listAt(pod, "spec", "readinessGates").length),
  },
];

/** The word in kubectl's STATUS column: the worst news about the pod, else its phase. */
function podStatus(pod: KubeObject): string {
  let reason = textAt(pod, "status", "reason") || textAt(pod, "status", "phase");
  for (const status of listAt(pod, "status", "containerStatuses")) {
    const waiting = textAt(status, "state", "waiting", "reason");
    const terminated = textAt(status, "state", "terminated", "reason");
    if (waiting !== "") reason = waiting;
    else if (terminated !== "") reason = terminated;
  }
  if (pod.metadata.deletionTimestamp !== undefined) {
    return textAt(pod, "status", "reason") === "NodeLost" ? "Unknown" : "Terminating";
  }
  return reason;
}

const done = { kind: "Status", apiVersion: "v1", metadata: {}, status: "Success", code: 201 };

function bind({ body, resources, target }: SubresourceCall) {
  resources.bind(target, textAt(body, "target", "name"));
  return { status: 201, body: done };
}

function evict({ body, resources, target }: SubresourceCall) {
  resources.delete(target, (at(body, "deleteOptions") ?? {}) as object);
  return { status: 201, body: done };
}

export const pods = builtin({
  kind: "Pod",
  plural: "pods",
  shortNames: ["po"],
  categories: ["all"],
  status: true,
  subresources: {
    binding: {
      method: "POST",
      verbs: ["create"],
      answers: { group: "", version: "v1", kind: "Binding" },
      handle: bind,
    },
    eviction: {
      method: "POST",
      verbs: ["create"],
      answers: { group: "policy", version: "v1", kind: "Eviction" },
      handle: evict,
    },
  },
  columns: podColumns,
  strategy: podStrategy,
});
