// Whether a pod fits on a node, and how well: kube-scheduler's filters and scores, as far as nodes here tell apart.
import { at, type KubeObject, listAt, textAt } from "../../../protocol/apis/kube-object.ts";
import { quantityOf } from "../../../protocol/apis/quantity.ts";
import { type Taint, tolerates, type Toleration } from "./tolerations.ts";

/** Why a pod does not fit, in kube-scheduler's words (Kubernetes v1.32 `pkg/scheduler/framework/plugins`). */
export interface Misfit {
  readonly reasons: readonly string[];
  /** Whether it would fit, were other pods not there. */
  readonly isResolvable: boolean;
}

/** What a pod asks of a node. */
interface Needs {
  /** By resource: thousandths of processors, whole units of everything else. */
  readonly requests: ReadonlyMap<string, number>;
  readonly hostPorts: readonly { readonly key: string; readonly address: string }[];
}

/** What the pods on a node use. */
export class NodeUse {
  readonly resources = new Map<string, number>();
  /** `protocol/port` → addresses, with how many pods use each. */
  readonly ports = new Map<string, Map<string, number>>();
  readonly #pods = new Map<string, Needs>();

  /** How many pods there are. */
  get pods(): number {
    return this.#pods.size;
  }

  add(pod: KubeObject, key: string): void {
    if (this.#pods.has(key)) this.remove(key);
    const needs = needsOf(pod);
    this.#pods.set(key, needs);
    this.#count(needs, 1);
  }

  remove(key: string): void {
    const needs = this.#pods.get(key);
    if (needs === undefined) return;
    this.#pods.delete(key);
    this.#count(needs, -1);
  }

  #count({ hostPorts, requests }: Needs, sign: 1 | -1): void {
    for (const [name, amount] of requests) this.resources.set(name, (this.resources.get(name) ?? 0) + sign * amount);
    for (const { address, key } of hostPorts) {
      const known = this.ports.get(key) ?? new Map<string, number>();
      const count = (known.get(address) ?? 0) + sign;
      if (count > 0) known.set(address, count);
      else known.delete(address);
      this.ports.set(key, known);
    }
  }
}

/** Stored objects never change, so what was read from one is kept with it. */
function remembered<T>(read: (object: KubeObject) => T): (object: KubeObject) => T {
  const known = new WeakMap<KubeObject, T>();
  return (object) => {
    let found = known.get(object);
    if (found === undefined) {
      found = read(object);
      known.set(object, found);
    }
    return found;
  };
}

const needsOf = remembered((pod): Needs => ({ requests: requestsOf(pod), hostPorts: hostPortsOf(pod) }));
const tolerationsOf = remembered((pod) => listAt(pod, "spec", "tolerations") as Toleration[]);

const isSidecar = (container: unknown) => at(container, "restartPolicy") === "Always";

/**
 * Requests of a pod by resource: of all its containers and sidecars, or of an init container with the sidecars that run beside
 * it, where that is more; and its overhead (Kubernetes v1.32 `component-helpers/resource.PodRequests`).
 */
function requestsOf(pod: KubeObject): Map<string, number> {
  const total = new Map<string, number>();
  const add = (to: Map<string, number>, amounts: Iterable<readonly [string, number]>) => {
    for (const [name, amount] of amounts) to.set(name, (to.get(name) ?? 0) + amount);
  };
  for (const container of listAt(pod, "spec", "containers")) add(total, containerRequests(container));
  const sidecars = new Map<string, number>();
  const most = new Map<string, number>();
  for (const container of listAt(pod, "spec", "initContainers")) {
    const requests = containerRequests(container);
    const now = new Map(sidecars);
    add(now, requests);
    for (const [name, amount] of now) most.set(name, Math.max(most.get(name) ?? 0, amount));
    if (!isSidecar(container)) continue;
    add(sidecars, requests);
    add(total, requests);
  }
  for (const [name, amount] of most) total.set(name, Math.max(total.get(name) ?? 0, amount));
  add(total, amountsOf(at(pod, "spec", "overhead")));
  return total;
}

/** A limit counts as the request where there is none. */
function containerRequests(container: unknown): [string, number][] {
  const limits = at(container, "resources", "limits") as object | undefined;
  return amountsOf({ ...limits, ...at(container, "resources", "requests") as object | undefined });
}

function amountsOf(quantities: unknown): [string, number][] {
  return Object.entries(quantities ?? {}).map(([name, text]) => [name, amountOf(name, text) ?? 0]);
}

/** As kube-scheduler counts: thousandths of processors, whole units of everything else, rounded up. */
function amountOf(resource: string, quantity: unknown): number | undefined {
  return quantityOf(quantity, resource === "cpu" ? 3 : 0);
}

function hostPortsOf(pod: KubeObject): Needs["hostPorts"] {
  const containers = [...listAt(pod, "spec", "containers"), ...listAt(pod, "spec", "initContainers").filter(isSidecar)];
  return containers.flatMap((container) => listAt(container, "ports"))
    .filter((port) => Number(at(port, "hostPort") ?? 0) > 0)
    .map((port) => ({
      key: `${textAt(port, "protocol") || "TCP"}/${at(port, "hostPort")}`,
      address: textAt(port, "hostIP") || "0.0.0.0",
    }));
}

/** Why a pod can't be on a node; undefined where it can. */
export function misfitOf(pod: KubeObject, node: KubeObject, use: NodeUse): Misfit | undefined {
  const never = (reason: string): Misfit => ({ reasons: [reason], isResolvable: false });
  const tolerations = tolerationsOf(pod);
  const isCordoned = at(node, "spec", "unschedulable") === true &&
    !tolerates(tolerations, { key: "node.kubernetes.io/unschedulable", effect: "NoSchedule" });
  if (isCordoned) return never("node(s) were unschedulable");
  const taint = taintsOf(node).find(({ effect, ...rest }) =>
    (effect === "NoSchedule" || effect === "NoExecute") && !tolerates(tolerations, { effect, ...rest })
  );
  if (taint !== undefined) return never(`node(s) had untolerated taint {${taint.key}: ${taint.value ?? ""}}`);
  if (!matchesAffinity(pod, node)) return never("node(s) didn't match Pod's node affinity/selector");
  for (const { address, key } of needsOf(pod).hostPorts) {
    const taken = use.ports.get(key);
    const isTaken = taken !== undefined &&
      (address === "0.0.0.0" ? taken.size > 0 : taken.has(address) || taken.has("0.0.0.0"));
    if (isTaken) return { reasons: ["node(s) didn't have free ports for the requested pod ports"], isResolvable: true };
  }
  return lackOf(pod, node, use);
}

/** Whether a pod that is made for a node may be started there, and whether one that runs there may stay: as for DaemonSets. */
export function placementOf(
  pod: KubeObject,
  node: KubeObject,
): { readonly mayRun: boolean; readonly mayStay: boolean } {
  if (!matchesAffinity(pod, node)) return { mayRun: false, mayStay: false };
  const tolerations = listAt(pod, "spec", "tolerations") as Toleration[];
  const taints = taintsOf(node).filter((taint) => !isPassing(taint) && !tolerates(tolerations, taint));
  return {
    mayRun: taints.every(({ effect }) => effect !== "NoSchedule" && effect !== "NoExecute"),
    mayStay: taints.every(({ effect }) => effect !== "NoExecute"),
  };
}

/** A node that is not ready yet keeps its daemons, which wait for it. */
const isPassing = ({ effect, key }: Taint) => effect === "NoSchedule" && (key === notReady || key === unreachable);

/** Pods that a kubelet takes by default (`--max-pods`). */
const MAX_PODS = 110;
/** Resources that don't limit a node whose status doesn't name them. */
const everywhere: ReadonlySet<string> = new Set(["cpu", "memory", "ephemeral-storage"]);

const allocatableOf = remembered((node) => new Map(amountsOf(at(node, "status", "allocatable"))));

function lackOf(pod: KubeObject, node: KubeObject, use: NodeUse): Misfit | undefined {
  const allocatable = allocatableOf(node);
  const reasons: string[] = [];
  let isResolvable = true;
  if (use.pods + 1 > (allocatable.get("pods") ?? MAX_PODS)) reasons.push("Too many pods");
  for (const [name, wanted] of needsOf(pod).requests) {
    const there = allocatable.get(name) ?? (everywhere.has(name) ? Infinity : 0);
    if (wanted === 0 || (use.resources.get(name) ?? 0) + wanted <= there) continue;
    reasons.push(`Insufficient ${name}`);
    if (wanted > there) isResolvable = false;
  }
  return reasons.length === 0 ? undefined : { reasons, isResolvable };
}

/** A node that hasn't reported Ready counts as tainted: the node lifecycle controller will add that taint. */
export const taintsOf = remembered((node): readonly Taint[] => {
  const taints = listAt(node, "spec", "taints") as Taint[];
  const isKnown = taints.some(({ key }) => key === notReady || key === unreachable);
  return isReady(node) || isKnown ? taints : [...taints, { key: notReady, effect: "NoSchedule" }];
});

export function isReady(node: KubeObject): boolean {
  const ready = listAt(node, "status", "conditions").find((c) => at(c, "type") === "Ready");
  return at(ready, "status") === "True";
}

export const notReady = "node.kubernetes.io/not-ready";
export const unreachable = "node.kubernetes.io/unreachable";

/** How well a pod is placed on a node where it fits; more is better. Preferred affinity first, then taints, then fewer pods. */
export function scoreOf(pod: KubeObject, node: KubeObject, use: NodeUse): readonly number[] {
  const preferred = listAt(pod, "spec", "affinity", "nodeAffinity", "preferredDuringSchedulingIgnoredDuringExecution")
    .filter((term) => matchesTerm(at(term, "preference"), node))
    .reduce((sum: number, term) => sum + Number(at(term, "weight") ?? 0), 0);
  const tolerations = tolerationsOf(pod);
  const avoided = taintsOf(node).filter((taint) =>
    taint.effect === "PreferNoSchedule" && !tolerates(tolerations, taint)
  );
  return [preferred, -avoided.length, -use.pods];
}

function matchesAffinity(pod: KubeObject, node: KubeObject): boolean {
  const labels = node.metadata.labels ?? {};
  const selector = (at(pod, "spec", "nodeSelector") ?? {}) as Record<string, string>;
  if (!Object.entries(selector).every(([key, value]) => labels[key] === value)) return false;
  const required = at(pod, ...requiredAffinity);
  return required === undefined || listAt(required, "nodeSelectorTerms").some((term) => matchesTerm(term, node));
}

const requiredAffinity = [
  "spec",
  "affinity",
  "nodeAffinity",
  "requiredDuringSchedulingIgnoredDuringExecution",
] as const;

/** The terms of a pod's required node affinity, one of which must hold. */
export function requiredTerms(pod: KubeObject): unknown[] {
  return listAt(pod, ...requiredAffinity, "nodeSelectorTerms");
}

/** A term without requirements matches nothing. */
function matchesTerm(term: unknown, node: KubeObject): boolean {
  const expressions = listAt(term, "matchExpressions");
  const fields = listAt(term, "matchFields");
  if (expressions.length + fields.length === 0) return false;
  const labels = node.metadata.labels ?? {};
  return expressions.every((e) => meets(e, labels[textAt(e, "key")])) &&
    fields.every((e) => meets(e, textAt(e, "key") === "metadata.name" ? node.metadata.name : undefined));
}

function meets(expression: unknown, found: string | undefined): boolean {
  const values = listAt(expression, "values") as string[];
  switch (textAt(expression, "operator")) {
    case "In":
      return found !== undefined && values.includes(found);
    case "NotIn":
      return found === undefined || !values.includes(found);
    case "Exists":
      return found !== undefined;
    case "DoesNotExist":
      return found === undefined;
    case "Gt":
      return isInteger(found) && isInteger(values[0]) && BigInt(found) > BigInt(values[0]);
    case "Lt":
      return isInteger(found) && isInteger(values[0]) && BigInt(found) < BigInt(values[0]);
    default:
      return false;
  }
}

function isInteger(text: string | undefined): text is string {
  return text !== undefined && /^-?\d{1,19}$/.test(text);
}
