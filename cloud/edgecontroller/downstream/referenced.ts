// Configmaps and secrets to the nodes whose pods use them; to no other.
import { keyOf, type KubeObject, textAt } from "../../../protocol/apis/kube-object.ts";
import { operations } from "../../../protocol/message/names.ts";
import type { Informer } from "../../kube/informer.ts";
import { type Resource, resources } from "../../kube/resource.ts";
import { WorkQueue } from "../../kube/work-queue.ts";
import { type DownstreamWorld, type Follower, sendDown } from "./downstream.ts";
import { type Referenced, referencesOf } from "../../../protocol/apis/pod.ts";

/**
 * An object goes to the nodes that use it by the pods on them, and to those that have it by the sync records. A pod that
 * comes does not bring its configmaps along: the edge asks for them, as edgecore does.
 */
export class ReferencedFollower implements Follower {
  readonly #world: DownstreamWorld;
  readonly #type: Referenced;
  readonly #firstOperation: string;
  readonly #informer: Informer;
  readonly #queue: WorkQueue;
  readonly #told = new Map<string, KubeObject>();
  readonly #gone = new Map<string, KubeObject>();
  /** By key: nodes that have just connected and lack the object. */
  readonly #lacking = new Map<string, Set<string>>();

  /** `firstOperation` is what a new object comes as: KubeEdge inserts configmaps but updates secrets. */
  constructor(world: DownstreamWorld, resource: Resource, type: Referenced, firstOperation: string) {
    this.#world = world;
    this.#type = type;
    this.#firstOperation = firstOperation;
    this.#informer = world.caches.of(resource);
    this.#queue = new WorkQueue(resource.plural, world, (key) => this.#look(key));
  }

  start(): void {
    this.#informer.subscribe((event) => {
      if (event.type === "deleted") this.#gone.set(event.object.metadata.uid ?? "", event.object);
      this.#queue.add(keyOf(event.object));
    });
  }

  /** What the node lacks although it has a pod that uses it: the object was made while the node was away. */
  connected(node: string): void {
    const { caches, index } = this.#world;
    for (const pod of caches.of(resources.pods).list()) {
      if (textAt(pod, "spec", "nodeName") !== node || !index.holds(node, pod.metadata.uid ?? "")) continue;
      for (const reference of referencesOf(pod)) {
        const [type, namespace = "", name = ""] = reference.split("/");
        const object = type === this.#type ? this.#informer.get(namespace, name) : undefined;
        if (object === undefined || index.holds(node, object.metadata.uid ?? "")) continue;
        const key = keyOf(object);
        const lacking = this.#lacking.get(key) ?? new Set();
        this.#lacking.set(key, lacking.add(node));
        this.#queue.add(key);
      }
    }
  }

  stop(): void {
    this.#queue.stop();
  }

  async #look(key: string): Promise<void> {
    const [namespace = "", name = ""] = key.split("/");
    const object = this.#informer.get(namespace, name);
    const told = this.#told.get(key);
    const lacking = this.#lacking.get(key) ?? new Set();
    this.#lacking.delete(key);
    const path = [namespace, this.#type, name] as const;
    if (told !== undefined && told.metadata.uid !== object?.metadata.uid) {
      const uid = told.metadata.uid ?? "";
      const last = this.#gone.get(uid) ?? told;
      this.#told.delete(key);
      this.#gone.delete(uid);
      await sendDown(this.#world, this.#nodesOf(last), { operation: operations.delete, path, object: last });
    }
    if (object === undefined) {
      this.#forgetGone(namespace, name);
      return;
    }
    const before = this.#told.get(key);
    const isNew = before?.metadata.resourceVersion !== object.metadata.resourceVersion;
    const users = isNew ? this.#nodesOf(object) : [];
    const others = [...lacking].filter((node) => !users.includes(node));
    this.#told.set(key, object);
    const operation = before === undefined ? this.#firstOperation : operations.update;
    await sendDown(this.#world, users, { operation, path, object });
    await sendDown(this.#world, others, { operation: this.#firstOperation, path, object });
  }

  #nodesOf({ metadata: { namespace = "", name, uid = "" } }: KubeObject): string[] {
    const { location, index } = this.#world;
    return [...new Set([...location.nodesOf(this.#type, namespace, name), ...index.holders(uid)])];
  }

  #forgetGone(namespace: string, name: string): void {
    for (const [uid, { metadata }] of this.#gone) {
      if (metadata.namespace === namespace && metadata.name === name) this.#gone.delete(uid);
    }
  }
}
