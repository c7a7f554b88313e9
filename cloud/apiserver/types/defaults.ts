// Fills in what an object leaves open: constants from the table, and what depends on other fields.
import { at, type KubeObject, listAt, textAt } from "../../../protocol/apis/kube-object.ts";
import type { Shape, Struct } from "./shape.ts";
import { constantDefaults } from "./table.ts";

type Fields = Record<string, unknown>;

const core = "io.k8s.api.core.v1.";
const apps = "io.k8s.api.apps.v1.";

/** Defaults that depend on other fields, by type; they see objects whose constants are filled in already. */
const dependent: Readonly<Record<string, (object: Fields) => void>> = {
  [`${core}Container`]: fillContainer,
  [`${core}EphemeralContainer`]: fillContainer,
  [`${core}Volume`](volume) {
    // A volume without a source is an empty directory.
    if (Object.keys(volume).every((key) => key === "name")) volume.emptyDir = {};
  },
  [`${core}PodSpec`](spec) {
    spec.securityContext ??= {};
    if (spec.hostNetwork !== true) return;
    for (const list of ["containers", "initContainers"]) {
      for (const port of listAt(spec, list).flatMap((c) => listAt(c, "ports")) as Fields[]) {
        port.hostPort ??= port.containerPort;
      }
    }
  },
  [`${core}Pod`](pod) {
    const spec = pod.spec as Fields;
    spec.enableServiceLinks ??= true;
    for (const list of ["containers", "initContainers"]) {
      for (const container of listAt(spec, list) as Fields[]) requestLimits(container.resources as Fields);
    }
  },
  [`${core}ReplicationController`](controller) {
    const labels = at(controller, "spec", "template", "metadata", "labels");
    if (labels === undefined) return;
    const { metadata, spec } = controller as { metadata: Fields; spec: Fields };
    spec.selector ??= labels;
    metadata.labels ??= labels;
  },
  [`${core}LimitRangeItem`](item) {
    if (item.type !== "Container") return;
    const fill = (key: string, ...from: unknown[]) => {
      const filled = Object.assign({}, ...from.toReversed()) as Fields;
      if (Object.keys(filled).length > 0) item[key] = filled;
    };
    fill("default", item.default, item.max);
    fill("defaultRequest", item.defaultRequest, item.default, item.min);
  },
  [`${apps}DeploymentSpec`](spec) {
    const strategy = spec.strategy as Fields;
    if (strategy.type !== "RollingUpdate") return;
    const update = (strategy.rollingUpdate ??= {}) as Fields;
    update.maxUnavailable ??= "25%";
    update.maxSurge ??= "25%";
  },
  [`${apps}DaemonSetSpec`](spec) {
    const strategy = spec.updateStrategy as Fields;
    if (strategy.type !== "RollingUpdate") return;
    const update = (strategy.rollingUpdate ??= {}) as Fields;
    update.maxUnavailable ??= 1;
    update.maxSurge ??= 0;
  },
  [`${apps}StatefulSetSpec`](spec) {
    const strategy = spec.updateStrategy as Fields;
    if (strategy.type === "RollingUpdate") ((strategy.rollingUpdate ??= {}) as Fields).partition ??= 0;
    spec.persistentVolumeClaimRetentionPolicy ??= { whenDeleted: "Retain", whenScaled: "Retain" };
  },
  "io.k8s.api.batch.v1.Job"(job) {
    const { metadata, spec } = job as { metadata: Fields; spec: Fields };
    if (spec.completions === undefined && spec.parallelism === undefined) {
      spec.completions = 1;
      spec.parallelism = 1;
    }
    spec.parallelism ??= 1;
    spec.backoffLimit ??= spec.backoffLimitPerIndex === undefined ? 6 : 2147483647;
    spec.completionMode ??= "NonIndexed";
    spec.suspend ??= false;
    spec.manualSelector ??= false;
    spec.podReplacementPolicy ??= spec.podFailurePolicy === undefined ? "TerminatingOrFailed" : "Failed";
    const labels = at(spec, "template", "metadata", "labels");
    if (labels !== undefined) metadata.labels ??= labels;
  },
  "io.k8s.api.networking.v1.NetworkPolicySpec"(spec) {
    spec.policyTypes ??= spec.egress === undefined ? ["Ingress"] : ["Ingress", "Egress"];
  },
  "io.k8s.api.autoscaling.v2.HorizontalPodAutoscalerSpec"(spec) {
    spec.metrics ??= [{
      type: "Resource",
      resource: { name: "cpu", target: { type: "Utilization", averageUtilization: 80 } },
    }];
    const behavior = spec.behavior as Fields | undefined;
    if (behavior === undefined) return;
    behavior.scaleUp = { ...scaleUp, ...behavior.scaleUp as object };
    behavior.scaleDown = { ...scaleDown, ...behavior.scaleDown as object };
  },
  "io.k8s.api.rbac.v1.RoleBinding": fillSubjects,
  "io.k8s.api.rbac.v1.ClusterRoleBinding": fillSubjects,
};

const scaleUp = {
  stabilizationWindowSeconds: 0,
  selectPolicy: "Max",
  policies: [{ type: "Pods", value: 4, periodSeconds: 15 }, { type: "Percent", value: 100, periodSeconds: 15 }],
};
const scaleDown = { selectPolicy: "Max", policies: [{ type: "Percent", value: 100, periodSeconds: 15 }] };

function fillContainer(container: Fields): void {
  if (container.imagePullPolicy !== undefined) return;
  const image = textAt(container, "image");
  const tag = /:([^/:@]+)$/.exec(image)?.[1];
  const isLatest = !image.includes("@") && (tag === undefined || tag === "latest");
  container.imagePullPolicy = isLatest ? "Always" : "IfNotPresent";
}

/** Without a request, a limit is the request. */
function requestLimits(resources: Fields | undefined): void {
  const limits = resources?.limits as Fields | undefined;
  if (resources === undefined || limits === undefined) return;
  const requests = resources.requests as Fields | undefined;
  if (requests !== undefined && Object.keys(limits).every((name) => Object.hasOwn(requests, name))) return;
  resources.requests = { ...limits, ...requests };
}

function fillSubjects(binding: Fields): void {
  for (const subject of listAt(binding, "subjects") as Fields[]) {
    if (subject.kind !== "ServiceAccount") subject.apiGroup ??= "rbac.authorization.k8s.io";
  }
}

/** Whether a type has defaults or holds, somewhere, one that has; found out when it is first asked for. */
const concerned = new Map<string, boolean>();

function isConcerned(struct: Struct): boolean {
  const seen = new Set<string>();
  if (holdsDefaults(struct, seen)) return true;
  // All that it holds has none either.
  for (const name of seen) concerned.set(name, false);
  return false;
}

/** Types may hold themselves: those that were `seen` are not looked at again. */
function holdsDefaults(struct: Struct, seen: Set<string>): boolean {
  const { name } = struct;
  const known = concerned.get(name);
  if (known !== undefined) return known;
  if (seen.has(name)) return false;
  seen.add(name);
  const has = dependent[name] !== undefined || constantDefaults(name) !== undefined ||
    [...struct.fields.values()].some(({ shape }) => {
      const inner = innermost(shape);
      return inner.is === "struct" && holdsDefaults(inner, seen);
    });
  if (has) concerned.set(name, true);
  return has;
}

function innermost(shape: Shape): Shape {
  return shape.is === "list" ? innermost(shape.item) : shape.is === "map" ? innermost(shape.value) : shape;
}

interface Plan {
  readonly constants: readonly (readonly [name: string, value: unknown])[];
  readonly fields: readonly (readonly [name: string, shape: Shape])[];
  readonly dependent: ((object: Fields) => void) | undefined;
}

const plans = new Map<string, Plan>();

function planOf(struct: Struct): Plan {
  let plan = plans.get(struct.name);
  if (plan === undefined) {
    plan = {
      constants: Object.entries(constantDefaults(struct.name) ?? {}),
      fields: [...struct.fields.values()].filter(({ shape }) => {
        const inner = innermost(shape);
        return inner.is === "struct" && isConcerned(inner);
      }).map(({ name, shape }) => [name, shape]),
      dependent: dependent[struct.name],
    };
    plans.set(struct.name, plan);
  }
  return plan;
}

/** Changes a decoded object, but for what is `known`: the very same parts of an object whose defaults are filled in. */
export function applyDefaults(struct: Struct, object: KubeObject | Fields, known?: unknown): void {
  const { constants, dependent, fields } = planOf(struct);
  const own = object as Fields;
  for (const [name, value] of constants) {
    const given = own[name];
    const isOpen = given === undefined || given === null ||
      (given === "" || given === 0) && struct.fields.get(name)?.isPointer !== true;
    if (isOpen) own[name] = typeof value === "object" ? structuredClone(value) : value;
  }
  for (const [name, shape] of fields) {
    const inner = own[name];
    if (inner !== undefined && inner !== null) fill(shape, inner, partOf(known, name));
  }
  dependent?.(own);
}

function partOf(value: unknown, key: string | number): unknown {
  return typeof value === "object" && value !== null && Object.hasOwn(value, key)
    ? (value as Record<string | number, unknown>)[key]
    : undefined;
}

function fill(shape: Shape, value: unknown, known: unknown): void {
  if (value === known) return;
  if (shape.is === "struct") applyDefaults(shape, value as Fields, known);
  else if (shape.is === "list") {
    const items = value as unknown[];
    for (let i = 0; i < items.length; i++) fill(shape.item, items[i], partOf(known, i));
  } else if (shape.is === "map") {
    for (const [key, item] of Object.entries(value as Fields)) fill(shape.value, item, partOf(known, key));
  }
}
