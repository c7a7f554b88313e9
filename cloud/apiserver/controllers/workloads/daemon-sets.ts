// Keeps a pod of each DaemonSet on every node that takes it, and replaces those of an old template (Kubernetes v1.32
// `pkg/controller/daemon`). What is known of each node is kept, so that a change costs the same however many nodes there are.
import { at, keyOf, type KubeObject, listAt, textAt } from "../../../../protocol/apis/kube-object.ts";
import { selectorMatches } from "../../kinds/label-selector.ts";
import { deepEqual } from "../../patch/json-patch.ts";
import type { StoreEvent } from "../../storage/event.ts";
import { type Controller, type ControllerDeps, KeyQueue } from "../controller.ts";
import { placementOf, requiredTerms } from "../node-fit.ts";
import type { Toleration } from "../tolerations.ts";
import { share } from "./counts.ts";
import { Owners } from "./owners.ts";
import { isEnded, isReady } from "../pod-state.ts";
import { availableIn, controllerOf, createPod, deletePod, unlessZero, writeStatus } from "./pods.ts";
import { forgetOldRevisions, hashOf, revisionsOf } from "./revisions.ts";

const TABLE = "daemonsets.apps";
const COMPONENT = "daemonset-controller";
const HASH = "controller-revision-hash";

/** What each pod of a DaemonSet tolerates besides. */
const tolerations: readonly Toleration[] = [
  ...["not-ready", "unreachable"].map((name) => ({
    key: `node.kubernetes.io/${name}`,
    operator: "Exists",
    effect: "NoExecute",
  })),
  ...["disk-pressure", "memory-pressure", "pid-pressure", "unschedulable"].map((name) => ({
    key: `node.kubernetes.io/${name}`,
    operator: "Exists",
    effect: "NoSchedule",
  })),
];

/** What a node counts for in the status of a DaemonSet. */
interface Facts {
  readonly wanted: boolean;
  readonly present: boolean;
  readonly ready: boolean;
  readonly available: boolean;
  readonly updated: boolean;
}

const none: Facts = { wanted: false, present: false, ready: false, available: false, updated: false };

/** What is known of a DaemonSet. */
interface Known {
  readonly facts: Map<string, Facts>;
  /** Keys of its pods by the node that each is for. */
  readonly pods: Map<string, Set<string>>;
  /** Nodes whose pod is of an old template. */
  readonly old: Set<string>;
  readonly counts: {
    wanted: number;
    current: number;
    misplaced: number;
    ready: number;
    available: number;
    updated: number;
  };
  hash: string;
  generation: unknown;
  uid: string;
}

export const daemonSets: Controller = { name: "daemonset", start: (deps) => new DaemonSets(deps).start() };

class DaemonSets {
  readonly #deps: ControllerDeps;
  readonly #known = new Map<string, Known>();
  readonly #owners: Owners;
  /** `set node`. */
  readonly #places: KeyQueue;

  constructor(deps: ControllerDeps) {
    this.#deps = deps;
    this.#places = new KeyQueue("daemonset", deps, (id) => {
      const [key = "", node = ""] = id.split(" ");
      this.#place(key, node);
    });
    this.#owners = new Owners(deps, {
      name: "daemonset",
      table: TABLE,
      kind: "DaemonSet",
      owned: ["pods"],
      selects: (owner, labels) => selectorMatches(at(owner, "spec", "selector"), labels),
      reconcile: (set) => this.#reconcile(set),
      seen: (_table, event) => this.#seePod(event),
    });
  }

  start(): () => void {
    const { store } = this.#deps.resources;
    const stops = [
      store.watch("nodes", ({ object, previous, type }) => {
        const isSame = type === "MODIFIED" && previous !== undefined && deepEqual(object.spec, previous.spec) &&
          deepEqual(object.metadata.labels, previous.metadata.labels);
        if (isSame) return;
        for (const key of this.#known.keys()) this.#places.add(`${key} ${object.metadata.name}`);
      }),
      store.watch(TABLE, ({ object, type }) => {
        if (type === "DELETED") this.#known.delete(keyOf(object));
      }),
    ];
    return () => {
      for (const stop of stops) stop();
      this.#owners.stop();
      this.#places.stop();
    };
  }

  #seePod({ object, previous, type }: StoreEvent): void {
    const owner = controllerOf(object) ?? controllerOf(previous);
    if (owner?.kind !== "DaemonSet") return;
    const key = `${object.metadata.namespace}/${owner.name}`;
    const known = this.#known.get(key);
    const node = targetOf(object);
    if (known === undefined || node === "") return;
    const pods = known.pods.get(node) ?? new Set<string>();
    known.pods.set(node, pods);
    if (type === "DELETED" || controllerOf(object) === undefined) pods.delete(keyOf(object));
    else pods.add(keyOf(object));
    this.#places.add(`${key} ${node}`);
  }

  /** The set itself has changed, or something that it owns has. */
  #reconcile(set: KubeObject): void {
    const key = keyOf(set);
    const { indices, resources: { store } } = this.#deps;
    this.#owners.claim(set, "pods");
    let known = this.#known.get(key);
    const { generation, uid = "" } = set.metadata;
    if (known === undefined || known.uid !== uid) {
      known = {
        facts: new Map(),
        pods: new Map(),
        old: new Set(),
        counts: { wanted: 0, current: 0, misplaced: 0, ready: 0, available: 0, updated: 0 },
        hash: "",
        generation: undefined,
        uid,
      };
      this.#known.set(key, known);
      for (const pod of indices.controlledBy(uid, "pods")) {
        const node = targetOf(pod);
        known.pods.set(node, (known.pods.get(node) ?? new Set()).add(keyOf(pod)));
      }
    }
    if (set.metadata.deletionTimestamp !== undefined) return;
    if (known.generation !== generation) {
      // The set asks for something else: every node is looked at once.
      const revisions = revisionsOf(this.#deps, set);
      known.hash = hashOf(revisions.current);
      known.generation = generation;
      const inUse = new Set(indices.controlledBy(uid, "pods").map(({ metadata }) => metadata.labels?.[HASH] ?? ""));
      forgetOldRevisions(this.#deps, set, revisions, inUse);
      for (const node of new Set([...store.list("nodes").map(({ metadata }) => metadata.name), ...known.pods.keys()])) {
        this.#look(set, known, node);
      }
    }
    this.#replaceOld(set, known);
    const { available, current, misplaced, ready, updated, wanted } = known.counts;
    writeStatus(this.#deps, TABLE, set, {
      currentNumberScheduled: current,
      numberMisscheduled: misplaced,
      desiredNumberScheduled: wanted,
      numberReady: ready,
      observedGeneration: generation,
      updatedNumberScheduled: unlessZero(updated),
      numberAvailable: unlessZero(available),
      numberUnavailable: unlessZero(wanted - available),
    });
  }

  #place(key: string, node: string): void {
    const set = this.#deps.resources.store.get(TABLE, key);
    const known = this.#known.get(key);
    if (
      set === undefined || known === undefined || set.metadata.deletionTimestamp !== undefined ||
      known.generation === undefined
    ) return;
    this.#look(set, known, node);
    this.#owners.queue.add(key);
  }

  /** Makes what a node has of a set right, and counts it. */
  #look(set: KubeObject, known: Known, name: string): void {
    const { resources: { store } } = this.#deps;
    const node = store.get("nodes", name);
    const { mayRun, mayStay } = node === undefined
      ? { mayRun: false, mayStay: false }
      : placementOf(wantedPod(set, name), node);
    const pods = [...known.pods.get(name) ?? []].map((key) => store.get("pods", key)).filter((pod) =>
      pod !== undefined
    );
    // One that has ended goes, and another comes in its place; of several the oldest stays.
    for (const pod of pods) if (isEnded(pod)) deletePod(this.#deps, set, pod, COMPONENT);
    const alive = pods.filter((pod) => !isEnded(pod) && pod.metadata.deletionTimestamp === undefined)
      .sort((a, b) => Date.parse(a.metadata.creationTimestamp ?? "") - Date.parse(b.metadata.creationTimestamp ?? ""));
    const kept = mayStay ? alive.slice(0, 1) : [];
    for (const pod of alive.slice(kept.length)) deletePod(this.#deps, set, pod, COMPONENT);
    const isLeaving = pods.some((pod) => pod.metadata.deletionTimestamp !== undefined || isEnded(pod)) &&
      [...known.pods.get(name) ?? []].some((key) => store.get("pods", key) !== undefined);
    let pod = kept[0];
    if (pod === undefined && mayRun && !isLeaving) {
      const spec = podSpecFor(set, name);
      pod = createPod(this.#deps, set, at(set, "spec", "template"), COMPONENT, {
        labels: { [HASH]: known.hash },
        spec,
      });
    }
    const isUpdated = pod?.metadata.labels?.[HASH] === known.hash;
    const wait = pod === undefined ? Infinity : availableIn(pod, set, this.#deps);
    if (wait > 0 && Number.isFinite(wait)) this.#places.addAfter(`${keyOf(set)} ${name}`, wait);
    const facts: Facts = {
      wanted: mayRun,
      present: pod !== undefined,
      ready: mayRun && pod !== undefined && isReady(pod),
      available: mayRun && wait === 0,
      updated: mayRun && isUpdated,
    };
    count(known, known.facts.get(name) ?? none, -1);
    count(known, facts, 1);
    if (facts.wanted || facts.present) known.facts.set(name, facts);
    else known.facts.delete(name);
    if (pod !== undefined && !isUpdated) known.old.add(name);
    else known.old.delete(name);
  }

  /** Deletes pods of an old template, as many as may be missing at a time; those that are not available first. */
  #replaceOld(set: KubeObject, known: Known): void {
    if (known.old.size === 0 || textAt(set, "spec", "updateStrategy", "type") !== "RollingUpdate") return;
    const most = share(
      at(set, "spec", "updateStrategy", "rollingUpdate", "maxUnavailable") ?? 1,
      known.counts.wanted,
      "up",
    );
    let room = most - (known.counts.wanted - known.counts.available);
    for (const node of [...known.old]) {
      const isBroken = known.facts.get(node)?.available !== true;
      if (!isBroken && room <= 0) continue;
      if (!isBroken) room--;
      for (const key of known.pods.get(node) ?? []) {
        const pod = this.#deps.resources.store.get("pods", key);
        if (pod !== undefined) deletePod(this.#deps, set, pod, COMPONENT);
      }
      if (room <= 0 && !isBroken) break;
    }
  }
}

function count({ counts }: Known, { available, present, ready, updated, wanted }: Facts, sign: 1 | -1): void {
  if (wanted) counts.wanted += sign;
  if (wanted && present) counts.current += sign;
  if (!wanted && present) counts.misplaced += sign;
  if (ready) counts.ready += sign;
  if (available) counts.available += sign;
  if (updated) counts.updated += sign;
}

/** The node that a pod of a DaemonSet is on, or is for. */
function targetOf(pod: KubeObject): string {
  const bound = textAt(pod, "spec", "nodeName");
  if (bound !== "") return bound;
  for (const field of requiredTerms(pod).flatMap((term) => listAt(term, "matchFields"))) {
    if (textAt(field, "key") === "metadata.name") return String(listAt(field, "values")[0] ?? "");
  }
  return "";
}

/** The template's spec, tied to a node by the affinity that the scheduler minds. */
function podSpecFor(set: KubeObject, node: string): Record<string, unknown> {
  const affinity = (at(set, "spec", "template", "spec", "affinity") ?? {}) as Record<string, Record<string, unknown>>;
  const required = at(affinity, "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution");
  const here = { matchFields: [{ key: "metadata.name", operator: "In", values: [node] }] };
  const terms = listAt(required, "nodeSelectorTerms");
  const nodeSelectorTerms = terms.length === 0 ? [here] : terms.map((term) => ({ ...term as object, ...here }));
  return {
    affinity: {
      ...affinity,
      nodeAffinity: { ...affinity.nodeAffinity, requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms } },
    },
    tolerations: [...listAt(set, "spec", "template", "spec", "tolerations"), ...tolerations],
  };
}

function wantedPod(set: KubeObject, node: string): KubeObject {
  const spec = { ...at(set, "spec", "template", "spec") as object, ...podSpecFor(set, node) };
  return { metadata: { name: "" }, spec } as KubeObject;
}
