// Follows the objects of one kind and sends each change to the nodes that need it: what configmaps, services and the like share.
import { keyOf, type KubeObject } from "../../../protocol/apis/kube-object.ts";
import { operations } from "../../../protocol/message/names.ts";
import type { Informer } from "../../kube/informer.ts";
import type { Resource } from "../../kube/resource.ts";
import { WorkQueue } from "../../kube/work-queue.ts";
import { type DownstreamWorld, sendDown } from "./downstream.ts";

/** What is told of a kind, and to whom. */
export interface ObjectRules {
  readonly resource: Resource;
  /** Its word in resource paths. */
  readonly type: string;
  /** What a new object comes as: KubeEdge inserts configmaps but updates secrets. */
  readonly firstOperation: string;
  readonly nodesOf: (object: KubeObject) => readonly string[];
  /** Whether a changed object is told; whatever changes, where nothing is said. */
  readonly isUpdated?: (old: KubeObject, object: KubeObject) => boolean;
  /** Called when an object, new or changed, has been sent. */
  readonly sent?: (object: KubeObject) => Promise<void>;
}

/** A deletion, or a new object of the same name, is told with the object as it was last. */
export class ObjectFollower {
  readonly #world: DownstreamWorld;
  readonly #rules: ObjectRules;
  readonly #informer: Informer;
  readonly #queue: WorkQueue;
  readonly #told = new Map<string, KubeObject>();
  readonly #gone = new Map<string, KubeObject>();
  /** By key: nodes that have just connected and lack the object. */
  readonly #lacking = new Map<string, Set<string>>();

  constructor(world: DownstreamWorld, rules: ObjectRules) {
    this.#world = world;
    this.#rules = rules;
    this.#informer = world.caches.of(rules.resource);
    this.#queue = new WorkQueue(rules.resource.plural, world, (key) => this.#look(key));
  }

  start(): void {
    this.#informer.subscribe((event) => {
      if (event.type === "deleted") this.#gone.set(event.object.metadata.uid ?? "", event.object);
      this.#queue.add(keyOf(event.object));
    });
  }

  stop(): void {
    this.#queue.stop();
  }

  /** A node is to be sent the object although it has not changed. */
  lacks(node: string, object: KubeObject): void {
    const key = keyOf(object);
    const lacking = this.#lacking.get(key) ?? new Set();
    this.#lacking.set(key, lacking.add(node));
    this.#queue.add(key);
  }

  async #look(key: string): Promise<void> {
    const { firstOperation, isUpdated, nodesOf, sent, type } = this.#rules;
    const [namespace = "", name = ""] = key.split("/");
    const object = this.#informer.get(namespace, name);
    const told = this.#told.get(key);
    const lacking = this.#lacking.get(key) ?? new Set();
    this.#lacking.delete(key);
    const path = [namespace, type, name] as const;
    if (told !== undefined && told.metadata.uid !== object?.metadata.uid) {
      const uid = told.metadata.uid ?? "";
      const last = this.#gone.get(uid) ?? told;
      this.#told.delete(key);
      this.#gone.delete(uid);
      const nodes = new Set([...nodesOf(last), ...this.#world.index.formerHolders(uid)]);
      await sendDown(this.#world, [...nodes], { operation: operations.delete, path, object: last });
    }
    if (object === undefined) {
      this.#forgetGone(namespace, name);
      return;
    }
    const before = this.#told.get(key);
    const isNews = before?.metadata.resourceVersion !== object.metadata.resourceVersion &&
      (before === undefined || isUpdated === undefined || isUpdated(before, object));
    const users = isNews ? nodesOf(object) : [];
    const others = [...lacking].filter((node) => !users.includes(node));
    this.#told.set(key, object);
    const operation = before === undefined ? firstOperation : operations.update;
    await sendDown(this.#world, users, { operation, path, object });
    // A node of v1.1 passes over the insert of what it has, and nobody has written down what it has.
    const { eras } = this.#world;
    const old = others.filter((node) => eras.isV11(node));
    await sendDown(this.#world, old, { operation: operations.update, path, object });
    const lack = others.filter((node) => !old.includes(node));
    await sendDown(this.#world, lack, { operation: firstOperation, path, object });
    if (isNews) await sent?.(object);
  }

  #forgetGone(namespace: string, name: string): void {
    for (const [uid, { metadata }] of this.#gone) {
      if (metadata.namespace === namespace && metadata.name === name) this.#gone.delete(uid);
    }
  }
}
