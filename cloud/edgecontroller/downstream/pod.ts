// Pods to the nodes they are bound to.
import { keyOf, type KubeObject, textAt } from "../../../protocol/apis/kube-object.ts";
import { operations, resourceTypes } from "../../../protocol/message/names.ts";
import type { Informer } from "../../kube/informer.ts";
import { type LastSent, Reconciler } from "../../kube/reconciler.ts";
import { resources } from "../../kube/resource.ts";
import { type DownstreamDeps, type Follower, sendDown } from "./downstream.ts";

/** A pod as its node was last sent it. */
interface SentPod extends LastSent {
  readonly node: string;
}

/**
 * A pod whose `nodeName` was set when it was created is sent as `insert`, one bound later as `update`, as with Go. A change of status
 * alone is not sent by itself: an API server's managedFields make it a change of metadata, and then it is.
 */
export class PodFollower implements Follower {
  readonly #deps: DownstreamDeps;
  readonly #pods: Informer;
  readonly #nodes: Informer;
  readonly #reconciler: Reconciler<SentPod>;
  /** Uids of pods that were seen without a node first. */
  readonly #boundLater = new Set<string>();
  /** Keys to be sent whatever was sent before: their node has just connected. */
  readonly #repeat = new Set<string>();

  constructor(deps: DownstreamDeps) {
    this.#deps = deps;
    this.#pods = deps.caches.of(resources.pods);
    this.#nodes = deps.caches.of(resources.nodes);
    this.#reconciler = new Reconciler<SentPod>(this.#pods, deps, {
      name: "pods",
      isMoved: ({ node }, pod) => node !== nodeNameOf(pod),
      remove: ({ node }, object) =>
        sendDown(this.#deps, [node], { operation: operations.delete, path: pathOf(object), object }),
      send: (pod, before, key) => this.#send(pod, before, key),
      absent: (key) => void this.#repeat.delete(key),
      groupsOf: ({ node }) => [node],
    });
  }

  start(): void {
    this.#pods.subscribe(({ object, type }) => {
      const uid = object.metadata.uid ?? "";
      if (type === "deleted") {
        this.#deps.location.remove(uid);
        this.#boundLater.delete(uid);
      } else {
        this.#deps.location.put(object);
        if (type === "added" && nodeNameOf(object) === "") this.#boundLater.add(uid);
      }
    });
    this.#reconciler.start();
    // A pod may be bound to a node that is created only later; Go never sends it then.
    this.#nodes.subscribe((event) => {
      const node = event.object.metadata.name;
      if (event.type === "added") { for (const pod of this.#on(node)) this.#reconciler.add(keyOf(pod)); }
      // Its records are deleted with it: if it is created again, nothing has been sent to it.
      if (event.type === "deleted") { for (const key of this.#reconciler.sentIn(node)) this.#reconciler.forget(key); }
    });
  }

  connected(node: string): void {
    for (const pod of this.#on(node)) {
      this.#repeat.add(keyOf(pod));
      this.#reconciler.add(keyOf(pod));
    }
  }

  stop(): void {
    this.#reconciler.stop();
  }

  #on(node: string): KubeObject[] {
    return this.#deps.caches.on(node, resources.pods);
  }

  async #send(pod: KubeObject, before: SentPod | undefined, key: string): Promise<void> {
    const isRepeated = this.#repeat.delete(key);
    const node = nodeNameOf(pod);
    if (node === "") return this.#reconciler.notSent(pod, "it is not bound to a node yet");
    if (this.#nodes.get("", node) === undefined) {
      return this.#reconciler.notSent(pod, `there is no edge node ${node}`, node);
    }
    if (before !== undefined && !isRepeated && !isPodUpdated(before.object, pod)) {
      return this.#reconciler.notSent(pod, "only its status has changed, which is the edge's own report", node);
    }
    const uid = pod.metadata.uid ?? "";
    // A node of v1.1 ignores the insert of what it has, and there is no record of what it has.
    const { eras, index } = this.#deps;
    const mayHaveIt = isRepeated && eras.isV11(node);
    const hasIt = before !== undefined || this.#boundLater.has(uid) || index.holds(node, uid) || mayHaveIt;
    const operation = hasIt || pod.metadata.deletionTimestamp !== undefined ? operations.update : operations.insert;
    this.#reconciler.sent(key, { node, object: pod });
    await sendDown(this.#deps, [node], { operation, path: pathOf(pod), object: pod });
  }
}

function nodeNameOf(pod: KubeObject): string {
  return textAt(pod, "spec", "nodeName");
}

function pathOf({ metadata: { name, namespace = "" } }: KubeObject): readonly [string, string, string] {
  return [namespace, resourceTypes.pod, name];
}

/** Metadata or spec differ, leaving versions and generation aside (KubeEdge `isPodUpdated`). */
export function isPodUpdated(old: KubeObject, pod: KubeObject): boolean {
  const comparable = ({ metadata: { resourceVersion: _v, generation: _g, ...metadata }, spec }: KubeObject) =>
    JSON.stringify([metadata, spec]);
  return comparable(old) !== comparable(pod);
}
