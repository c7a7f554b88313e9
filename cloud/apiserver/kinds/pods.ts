// Pods: what the API server fills in, refuses and keeps, and how long a deletion takes.
import { at, type KubeObject, listAt, textAt } from "../../../protocol/apis/kube-object.ts";
import { admitPod } from "../admission/pods.ts";
import { deepEqual } from "../patch/json-patch.ts";
import { ApiError, badRequest, type Cause, denied, wrong } from "../status.ts";
import { ageColumn, nameColumn, textColumn } from "./columns.ts";
import type { Column, KindRules, Strategy, SubresourceCall, Surroundings } from "./kind.ts";
import { selectorMatches } from "./label-selector.ts";
import { podSpecErrors } from "./pod-spec.ts";

type Fields = Record<string, unknown>;

/** Seconds a pod has to end unless it or its deletion says otherwise. */
const DEFAULT_GRACE = 30;

const podStrategy: Strategy = {
  deleteAnswersObject: true,
  admit(pod, old, around) {
    if (old === undefined) admitPod(pod, around);
  },
  prepareCreate(pod) {
    pod.status = { phase: "Pending", qosClass: qosOf(pod) };
    if (listAt(pod, "spec", "schedulingGates").length > 0) {
      (pod.status as Fields).conditions = [gated];
    }
  },
  prepareStatus(pod, old) {
    const status = (pod.status ?? {}) as Fields;
    status.qosClass ??= at(old, "status", "qosClass") ?? qosOf(old);
    pod.status = status;
  },
  validate(pod, old) {
    const faults = podSpecErrors(pod.spec, "spec");
    return old === undefined ? faults : [...faults, ...changeErrors(pod, old)];
  },
  gracePeriod(pod) {
    // A pod that no kubelet runs, or that has ended, needs no grace period.
    const phase = textAt(pod, "status", "phase");
    if (textAt(pod, "spec", "nodeName") === "" || phase === "Succeeded" || phase === "Failed") return 0;
    return Number(at(pod, "spec", "terminationGracePeriodSeconds") ?? DEFAULT_GRACE);
  },
};

const gated = {
  type: "PodScheduled",
  status: "False",
  reason: "SchedulingGated",
  message: "Scheduling is blocked due to non-empty scheduling gates",
  lastProbeTime: null,
  lastTransitionTime: null,
};

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

const POD_CHANGES =
  "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";

/** After creation only these parts of a pod's spec may change. */
function changeErrors(pod: KubeObject, old: KubeObject): Cause[] {
  for (const list of ["containers", "initContainers"]) {
    if (listAt(pod, "spec", list).length !== listAt(old, "spec", list).length) {
      return [denied(`spec.${list}`, "pod updates may not add or remove containers")];
    }
  }
  const causes: Cause[] = [];
  const deadline = at(pod, "spec", "activeDeadlineSeconds");
  const before = at(old, "spec", "activeDeadlineSeconds");
  if (before !== undefined && deadline === undefined) {
    causes.push(wrong("spec.activeDeadlineSeconds", null, "must not update from a positive integer to nil value"));
  } else if (Number(deadline) > Number(before)) {
    causes.push(wrong("spec.activeDeadlineSeconds", deadline, "must be less than or equal to previous value"));
  }
  if (causes.length > 0) return causes;
  const gates = (of: KubeObject) => listAt(of, "spec", "schedulingGates");
  const isGated = gates(old).length > 0;
  const comparable = (object: KubeObject) => {
    const { spec } = object as { spec: Fields };
    const { activeDeadlineSeconds: _a, schedulingGates: _s, tolerations: _t, ...rest } = spec;
    const withoutImages = (list: string) => listAt(spec, list).map((c) => ({ ...c as Fields, image: "" }));
    // A pod that waits behind a gate may still be told where not to go.
    if (isGated) {
      delete rest.nodeSelector;
      delete rest.affinity;
    }
    return { ...rest, containers: withoutImages("containers"), initContainers: withoutImages("initContainers") };
  };
  const kept = listAt(old, "spec", "tolerations").every((t) =>
    listAt(pod, "spec", "tolerations").some((other) => sameToleration(t, other))
  );
  if (kept && deepEqual(comparable(pod), comparable(old))) return [];
  return [denied("spec", POD_CHANGES)];
}

/** A toleration may be changed in its seconds alone. */
function sameToleration(one: unknown, other: unknown): boolean {
  return ["key", "operator", "value", "effect"].every((field) => at(one, field) === at(other, field));
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

function evict({ body, isDryRun, resources, target }: SubresourceCall) {
  const name = textAt(body, "metadata", "name");
  if (name !== "" && name !== target.name) throw badRequest("name in URL does not match name in Eviction object");
  const pod = resources.get(target);
  refuseByBudget(pod, resources, isDryRun);
  const options = (at(body, "deleteOptions") ?? {}) as object;
  resources.delete(target, isDryRun ? { ...options, dryRun: ["All"] } : options);
  return { status: 201, body: done };
}

/** An eviction that a PodDisruptionBudget forbids is to be tried again later; one that it allows is counted. */
function refuseByBudget(pod: KubeObject, resources: SubresourceCall["resources"], isDryRun: boolean): void {
  const phase = textAt(pod, "status", "phase");
  if (phase === "Pending" || phase === "Succeeded" || phase === "Failed") return;
  const table = "poddisruptionbudgets.policy";
  const budgets = resources.list(table, pod.metadata.namespace).filter((budget) =>
    selectorMatches(at(budget, "spec", "selector"), pod.metadata.labels ?? {})
  );
  if (budgets.length === 0) return;
  if (budgets.length > 1) {
    throw new ApiError(
      500,
      "",
      "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.",
    );
  }
  const [budget] = budgets as [KubeObject];
  const { name } = budget.metadata;
  const isKnown = Number(at(budget, "status", "observedGeneration") ?? 0) >= (budget.metadata.generation ?? 0);
  const allowed = Number(at(budget, "status", "disruptionsAllowed") ?? 0);
  if (!isKnown) {
    throw tooManyRequests(`The disruption budget ${name} is still being processed by the server.`, 10);
  }
  if (allowed <= 0) {
    const healthy = Number(at(budget, "status", "currentHealthy") ?? 0);
    const wanted = Number(at(budget, "status", "desiredHealthy") ?? 0);
    throw tooManyRequests(
      `The disruption budget ${name} needs ${wanted} healthy pods and has ${healthy} currently`,
      0,
    );
  }
  if (isDryRun) return;
  resources.store.put(table, { ...budget, status: { ...(budget.status as object), disruptionsAllowed: allowed - 1 } });
}

function tooManyRequests(message: string, retryAfterSeconds: number): ApiError {
  return new ApiError(
    429,
    "TooManyRequests",
    "Cannot evict pod as it would violate the pod's disruption budget.",
    {
      causes: [{ reason: "DisruptionBudget", message }],
      ...(retryAfterSeconds === 0 ? {} : { retryAfterSeconds }),
    },
  );
}

export const pods: KindRules = {
  shortNames: ["po"],
  categories: ["all"],
  selectable: {
    "spec.nodeName": (pod) => textAt(pod, "spec", "nodeName"),
    "spec.restartPolicy": (pod) => textAt(pod, "spec", "restartPolicy"),
    "spec.schedulerName": (pod) => textAt(pod, "spec", "schedulerName"),
    "spec.serviceAccountName": (pod) => textAt(pod, "spec", "serviceAccountName"),
    "spec.hostNetwork": (pod) => String(at(pod, "spec", "hostNetwork") ?? false),
    "status.phase": (pod) => textAt(pod, "status", "phase"),
    "status.podIP": (pod) => textAt(pod, "status", "podIP"),
    "status.podIPs": (pod) => listAt(pod, "status", "podIPs").map((ip) => textAt(ip, "ip")).join(","),
    "status.nominatedNodeName": (pod) => textAt(pod, "status", "nominatedNodeName"),
  },
  subresources: {
    binding: { as: "action", method: "POST", handle: bind },
    eviction: { as: "action", method: "POST", handle: evict },
    ephemeralcontainers: {
      as: "part",
      take(pod, old, _around: Surroundings) {
        const added = listAt(pod, "spec", "ephemeralContainers");
        pod.status = old.status;
        const { ephemeralContainers: _e, ...spec } = old.spec as Fields;
        pod.spec = { ...spec, ...(added.length === 0 ? {} : { ephemeralContainers: added }) };
      },
      validate(pod, old) {
        const before = listAt(old, "spec", "ephemeralContainers");
        const now = listAt(pod, "spec", "ephemeralContainers");
        const isKept = before.every((one) => now.some((other) => deepEqual(one, other)));
        return isKept ? podSpecErrors(pod.spec, "spec") : [
          denied("spec.ephemeralContainers", "existing ephemeral containers may not be changed or removed"),
        ];
      },
    },
  },
  columns: podColumns,
  strategy: podStrategy,
};
