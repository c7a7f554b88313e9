// Pods to the nodes they are bound to.
import { keyOf, type KubeObject, textAt } from "../../../protocol/apis/kube-object.ts";
import { operations, resourceTypes } from "../../../protocol/message/names.ts";
import type { Informer } from "../../kube/informer.ts";
import { resources } from "../../kube/resource.ts";
import { WorkQueue } from "../../kube/work-queue.ts";
import { type DownstreamWorld, type Follower, sendDown } from "./downstream.ts";

/** What was last told about a pod. */
interface Told {
  readonly node: string;
  readonly pod: KubeObject;
}

/**
 * A pod whose `nodeName` was set at birth comes as `insert`, one bound later as `update`, as with Go. A change of status
 * alone is not told by itself: an API server's managedFields make it a change of metadata, and then it is.
 */
export class PodFollower implements Follower {
  readonly #world: DownstreamWorld;
  readonly #pods: Informer;
  readonly #nodes: Informer;
  readonly #queue: WorkQueue;
  readonly #told = new Map<string, Told>();
  /** Uids of pods that were seen without a node first. */
  readonly #boundLater = new Set<string>();
  /** The final form of deleted pods until their nodes have been told. */
  readonly #gone = new Map<string, KubeObject>();
  /** Keys to be sent whatever was told before: their node has just connected. */
  readonly #repeat = new Set<string>();

  constructor(world: DownstreamWorld) {
    this.#world = world;
    this.#pods = world.caches.of(resources.pods);
    this.#nodes = world.caches.of(resources.nodes);
    this.#queue = new WorkQueue("pods", world, (key) => this.#look(key));
  }

  start(): void {
    this.#pods.subscribe((event) => {
      const { object } = event;
      const uid = object.metadata.uid ?? "";
      if (event.type === "deleted") {
        this.#world.location.remove(uid);
        this.#boundLater.delete(uid);
        this.#gone.set(uid, object);
      } else {
        this.#world.location.put(object);
        if (event.type === "added" && textAt(object, "spec", "nodeName") === "") this.#boundLater.add(uid);
      }
      this.#queue.add(keyOf(object));
    });
    // A pod may be bound to a node that comes only later; Go never sends it then.
    this.#nodes.subscribe((event) => {
      const node = event.object.metadata.name;
      if (event.type === "added") this.#lookAtPodsOf(node, false);
      // Its records go with it: should it come again, it has been told nothing.
      if (event.type === "deleted") {
        for (const [key, told] of this.#told) if (told.node === node) this.#told.delete(key);
      }
    });
  }

  connected(node: string): void {
    this.#lookAtPodsOf(node, true);
  }

  stop(): void {
    this.#queue.stop();
  }

  #lookAtPodsOf(node: string, repeat: boolean): void {
    for (const pod of this.#pods.list()) {
      if (textAt(pod, "spec", "nodeName") !== node) continue;
      if (repeat) this.#repeat.add(keyOf(pod));
      this.#queue.add(keyOf(pod));
    }
  }

  async #look(key: string): Promise<void> {
    const [namespace = "", name = ""] = key.split("/");
    const pod = this.#pods.get(namespace, name);
    const told = this.#told.get(key);
    const repeat = this.#repeat.delete(key);
    const path = [namespace, resourceTypes.pod, name] as const;
    const node = pod === undefined ? "" : textAt(pod, "spec", "nodeName");
    if (told !== undefined && (pod === undefined || told.pod.metadata.uid !== pod.metadata.uid || told.node !== node)) {
      const uid = told.pod.metadata.uid ?? "";
      const last = this.#gone.get(uid) ?? told.pod;
      await sendDown(this.#world, [told.node], { operation: operations.delete, path, object: last });
      this.#told.delete(key);
      this.#gone.delete(uid);
    }
    if (pod === undefined) {
      this.#forgetGone(namespace, name);
      return;
    }
    if (node === "" || this.#nodes.get("", node) === undefined) return;
    const before = this.#told.get(key);
    if (before !== undefined && !repeat && !isPodUpdated(before.pod, pod)) return;
    const uid = pod.metadata.uid ?? "";
    // A node of v1.1 passes over the insert of what it has; whether it has it, nobody has written down.
    const { eras, index } = this.#world;
    const mayKnow = repeat && eras.isV11(node);
    const known = before !== undefined || this.#boundLater.has(uid) || index.holds(node, uid) || mayKnow;
    const operation = known || pod.metadata.deletionTimestamp !== undefined ? operations.update : operations.insert;
    this.#told.set(key, { node, pod });
    await sendDown(this.#world, [node], { operation, path, object: pod });
  }

  /** Deleted pods that no node of ours had. */
  #forgetGone(namespace: string, name: string): void {
    for (const [uid, pod] of this.#gone) {
      if (pod.metadata.namespace === namespace && pod.metadata.name === name) this.#gone.delete(uid);
    }
  }
}

/** Metadata or spec differ, leaving versions and generation aside (KubeEdge `isPodUpdated`). */
export function isPodUpdated(old: KubeObject, pod: KubeObject): boolean {
  const comparable = ({ metadata: { resourceVersion: _v, generation: _g, ...metadata }, spec }: KubeObject) =>
    JSON.stringify([metadata, spec]);
  return comparable(old) !== comparable(pod);
}
