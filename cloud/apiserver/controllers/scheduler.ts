// Binds pods to nodes; reports why a pod fits nowhere in its condition and an Event, as kube-scheduler does.
import { at, keyOf, type KubeObject, listAt, textAt } from "../../../protocol/apis/kube-object.ts";
import { secondsOf } from "../../../protocol/apis/time.ts";
import { withCondition } from "../conditions.ts";
import type { Kind } from "../kinds/kind.ts";
import { deepEqual } from "../patch/json-patch.ts";
import type { StoreEvent } from "../storage/event.ts";
import { type Controller, type ControllerDeps, KeyQueue } from "./controller.ts";
import { recordEvent } from "./events.ts";
import { isReady, type Misfit, misfitOf, scoreOf } from "./node-fit.ts";
import { isEnded } from "./pod-state.ts";
import { NodesByLabel, signatureOf, WaitingPods } from "./waiting-pods.ts";

/** Nodes on which a pod fits that are compared; kube-scheduler, too, looks at a part of a large cluster only. */
const ENOUGH = 100;
/** How often pods that wait are told anew why, where nodes have changed. */
const REFRESH_MS = 1_000;

/** Each unbound pod goes to the best of the nodes that it fits on, the first by name among equals. */
export const scheduler: Controller = { name: "scheduler", start: (deps) => new Scheduler(deps).start() };

function isUnbound({ metadata, spec }: KubeObject): boolean {
  return textAt(spec, "nodeName") === "" && metadata.deletionTimestamp === undefined &&
    textAt(spec, "schedulerName") === "default-scheduler" && listAt(spec, "schedulingGates").length === 0;
}

/** Most changes of Nodes are heartbeats, and those change nothing that counts here. */
function changesNode({ object, previous, type }: StoreEvent): boolean {
  if (type !== "MODIFIED" || previous === undefined) return true;
  return isReady(object) !== isReady(previous) ||
    (object.spec !== previous.spec && !deepEqual(object.spec, previous.spec)) ||
    !deepEqual(object.metadata.labels, previous.metadata.labels) ||
    !deepEqual(at(object, "status", "allocatable"), at(previous, "status", "allocatable"));
}

class Scheduler {
  readonly #deps: ControllerDeps;
  readonly #kind: Kind;
  readonly #pods: KeyQueue;
  readonly #nodes: KeyQueue;
  readonly #refresh: KeyQueue;
  readonly #byLabel = new NodesByLabel();
  readonly #waiting = new WaitingPods();
  /** Where the search begins, so that all nodes of a large cluster have their turn. */
  #turn = 0;
  /** Counts changes of nodes: why a pod does not fit is found once for each of them and each kind of pod. */
  #change = 0;
  readonly #reasons = new Map<string, { readonly change: number; readonly message: string }>();

  constructor(deps: ControllerDeps) {
    this.#deps = deps;
    this.#kind = deps.resources.registry.find("", "v1", "pods") as Kind;
    this.#pods = new KeyQueue(
      "scheduler",
      deps,
      (key) => this.#schedule(key),
      (a, b) => this.#priorityOf(b) - this.#priorityOf(a),
    );
    this.#nodes = new KeyQueue("scheduler", deps, (name) => this.#fill(name));
    this.#refresh = new KeyQueue("scheduler", deps, () => this.#explain());
  }

  start(): () => void {
    const { store } = this.#deps.resources;
    for (const node of store.list("nodes")) this.#byLabel.change(undefined, node);
    for (const pod of store.list("pods")) if (isUnbound(pod)) this.#pods.add(keyOf(pod));
    const stops = [
      store.watch("pods", (event) => this.#seePod(event)),
      store.watch("nodes", (event) => this.#seeNode(event)),
    ];
    return () => {
      for (const stop of stops) stop();
      for (const queue of [this.#pods, this.#nodes, this.#refresh]) queue.stop();
    };
  }

  #seePod({ object, previous, type }: StoreEvent): void {
    const key = keyOf(object);
    if (type === "DELETED" || !isUnbound(object)) {
      this.#waiting.remove(key);
      // The end of a pod frees room.
      const node = previous === undefined ? "" : textAt(previous, "spec", "nodeName");
      const isRoomFree = node !== "" && previous !== undefined && !isEnded(previous) &&
        (type === "DELETED" || isEnded(object));
      if (isRoomFree && this.#waiting.size > 0) this.#nodes.add(node);
      return;
    }
    if (previous === undefined || !isUnbound(previous) || object.spec !== previous.spec) this.#pods.add(key);
  }

  #seeNode(event: StoreEvent): void {
    const { object, previous, type } = event;
    if (!changesNode(event)) return;
    this.#change++;
    this.#byLabel.change(previous, type === "DELETED" ? undefined : object);
    if (this.#waiting.size === 0) return;
    if (type !== "DELETED") this.#nodes.add(object.metadata.name);
    this.#refresh.addAfter("", REFRESH_MS / this.#deps.timeScale);
  }

  #priorityOf(key: string): number {
    return Number(at(this.#deps.resources.store.get("pods", key), "spec", "priority") ?? 0);
  }

  #schedule(key: string): void {
    const { store } = this.#deps.resources;
    const pod = store.get("pods", key);
    if (pod === undefined || !isUnbound(pod)) return;
    const node = this.#bestOf(pod);
    if (node !== undefined) {
      this.#bind(pod, node);
      return;
    }
    this.#waiting.add(key, pod);
    this.#refuse(pod, this.#reasonOf(pod));
  }

  /** The best of the nodes it fits on; of a large cluster, of enough of them. */
  #bestOf(pod: KubeObject): string | undefined {
    const { indices, resources: { store } } = this.#deps;
    const candidates = this.#byLabel.candidates(pod);
    const from = candidates.length > ENOUGH ? this.#turn++ % candidates.length : 0;
    let best: { readonly node: string; readonly score: readonly number[] } | undefined;
    let found = 0;
    for (let i = 0; i < candidates.length && found < ENOUGH; i++) {
      const name = candidates[(from + i) % candidates.length] as string;
      const node = store.get("nodes", name);
      if (node === undefined) continue;
      const use = indices.useOf(name);
      if (misfitOf(pod, node, use) !== undefined) continue;
      found++;
      const score = scoreOf(pod, node, use);
      if (best === undefined || isBetter(score, best.score) || (sameScore(score, best.score) && name < best.node)) {
        best = { node: name, score };
      }
    }
    return best?.node;
  }

  /** Gives a node the waiting pods that it has room for, one of each kind tried for all of them. */
  #fill(name: string): void {
    const { indices, resources: { store } } = this.#deps;
    const node = store.get("nodes", name);
    if (node === undefined) return;
    for (const group of this.#waiting.groupsFor(node)) {
      for (const key of group) {
        const pod = store.get("pods", key);
        if (pod === undefined || !isUnbound(pod)) {
          this.#waiting.remove(key);
          continue;
        }
        if (misfitOf(pod, node, indices.useOf(name)) !== undefined) break;
        this.#bind(pod, name);
      }
    }
  }

  #bind(pod: KubeObject, node: string): void {
    const { clock, resources } = this.#deps;
    const { name, namespace = "" } = pod.metadata;
    this.#waiting.remove(keyOf(pod));
    resources.bind({ kind: this.#kind, namespace, name }, node);
    const message = `Successfully assigned ${namespace}/${name} to ${node}`;
    recordEvent(
      resources,
      pod,
      { type: "Normal", reason: "Scheduled", message, component: "default-scheduler" },
      clock.now(),
    );
  }

  /** Why a pod fits nowhere. Pods of one kind have the same reason. */
  #reasonOf(pod: KubeObject): string {
    const signature = signatureOf(pod);
    const known = this.#reasons.get(signature);
    if (known?.change === this.#change) return known.message;
    const { indices, resources: { store } } = this.#deps;
    const nodes = store.list("nodes");
    const misfits = nodes.map((node) => misfitOf(pod, node, indices.useOf(node.metadata.name)))
      .filter((misfit) => misfit !== undefined);
    const message = messageOf(misfits, nodes.length);
    if (this.#reasons.size > 1000) this.#reasons.clear();
    this.#reasons.set(signature, { change: this.#change, message });
    return message;
  }

  /** Tells all pods that wait why they do, as the nodes are now. */
  #explain(): void {
    const { store } = this.#deps.resources;
    for (const key of this.#waiting.keys()) {
      const pod = store.get("pods", key);
      if (pod === undefined || !isUnbound(pod)) this.#waiting.remove(key);
      else this.#pods.add(key);
    }
  }

  #refuse(pod: KubeObject, message: string): void {
    const { clock, resources } = this.#deps;
    const known = listAt(pod, "status", "conditions").find((condition) => at(condition, "type") === "PodScheduled");
    if (at(known, "status") === "False" && at(known, "message") === message) return;
    const since = at(known, "status") === "False" ? at(known, "lastTransitionTime") : secondsOf(clock.now());
    const condition = {
      type: "PodScheduled",
      status: "False",
      reason: "Unschedulable",
      message,
      lastProbeTime: null,
      lastTransitionTime: since,
    };
    resources.store.put("pods", withCondition(pod, condition));
    const facts = { type: "Warning", reason: "FailedScheduling", message, component: "default-scheduler" } as const;
    recordEvent(resources, pod, facts, clock.now());
  }
}

function isBetter(score: readonly number[], other: readonly number[]): boolean {
  const at = score.findIndex((value, i) => value !== other[i]);
  return at !== -1 && (score[at] as number) > (other[at] as number);
}

function sameScore(score: readonly number[], other: readonly number[]): boolean {
  return score.every((value, i) => value === other[i]);
}

/** As in `0/2 nodes are available: 1 Insufficient cpu, 1 Too many pods. preemption: …`; reasons are in the order of their texts. */
function messageOf(misfits: readonly Misfit[], nodes: number): string {
  if (nodes === 0) return "no nodes available to schedule pods";
  const counted = (reasons: readonly string[]) => {
    const counts = new Map<string, number>();
    for (const reason of reasons) counts.set(reason, (counts.get(reason) ?? 0) + 1);
    return [...counts].map(([reason, count]) => `${count} ${reason}`).sort().join(", ");
  };
  const preemption = misfits.map(({ isResolvable }) =>
    isResolvable ? "No preemption victims found for incoming pod" : "Preemption is not helpful for scheduling"
  );
  const available = `0/${nodes} nodes are available`;
  return `${available}: ${counted(misfits.flatMap(({ reasons }) => reasons))}. preemption: ${available}: ${
    counted(preemption)
  }.`;
}
