// Follows the objects of one kind and sends each change to the nodes that need it: what configmaps, services and the like share.
import { keyOf, type KubeObject } from "../../../protocol/apis/kube-object.ts";
import { operations } from "../../../protocol/message/names.ts";
import { type LastSent, Reconciler } from "../../kube/reconciler.ts";
import type { Resource } from "../../kube/resource.ts";
import { type DownstreamDeps, sendDown } from "./downstream.ts";

/** What is sent of a kind, and to which nodes. */
export interface ObjectRules {
  readonly resource: Resource;
  /** Its word in resource paths. */
  readonly type: string;
  /** What a new object is sent as: KubeEdge inserts configmaps but updates secrets. */
  readonly firstOperation: string;
  readonly nodesOf: (object: KubeObject) => readonly string[];
  /** Why an object that no node needs is not sent. */
  readonly unneeded: string;
  /** Whether a changed object is sent. Default: always. */
  readonly isUpdated?: (old: KubeObject, object: KubeObject) => boolean;
  /** Called when an object, new or changed, has been sent. */
  readonly sent?: (object: KubeObject) => Promise<void>;
}

export class ObjectFollower {
  readonly #deps: DownstreamDeps;
  readonly #rules: ObjectRules;
  readonly #reconciler: Reconciler<LastSent>;
  /** By key: nodes that have just connected and lack the object. */
  readonly #lacking = new Map<string, Set<string>>();

  constructor(deps: DownstreamDeps, rules: ObjectRules) {
    this.#deps = deps;
    this.#rules = rules;
    this.#reconciler = new Reconciler(deps.caches.of(rules.resource), deps, {
      name: rules.resource.plural,
      remove: (_sent, last) => this.#remove(last),
      send: (object, before, key) => this.#send(object, before?.object, key),
      absent: (key) => void this.#lacking.delete(key),
    });
  }

  start(): void {
    this.#reconciler.start();
  }

  stop(): void {
    this.#reconciler.stop();
  }

  /** A node is to be sent the object although it has not changed. */
  lacks(node: string, object: KubeObject): void {
    const key = keyOf(object);
    const lacking = this.#lacking.get(key) ?? new Set();
    this.#lacking.set(key, lacking.add(node));
    this.#reconciler.add(key);
  }

  async #remove(object: KubeObject): Promise<void> {
    const nodes = new Set([
      ...this.#rules.nodesOf(object),
      ...this.#deps.index.formerHolders(object.metadata.uid ?? ""),
    ]);
    await sendDown(this.#deps, [...nodes], { operation: operations.delete, path: this.#pathOf(object), object });
  }

  async #send(object: KubeObject, before: KubeObject | undefined, key: string): Promise<void> {
    const { firstOperation, isUpdated, nodesOf, sent } = this.#rules;
    const lacking = this.#lacking.get(key) ?? new Set();
    this.#lacking.delete(key);
    const path = this.#pathOf(object);
    const isNews = before?.metadata.resourceVersion !== object.metadata.resourceVersion &&
      (before === undefined || isUpdated === undefined || isUpdated(before, object));
    const users = isNews ? nodesOf(object) : [];
    const others = [...lacking].filter((node) => !users.includes(node));
    if (isNews && users.length + others.length === 0) this.#reconciler.notSent(object, this.#rules.unneeded);
    this.#reconciler.sent(key, { object });
    const operation = before === undefined ? firstOperation : operations.update;
    await sendDown(this.#deps, users, { operation, path, object });
    // A node of v1.1 ignores the insert of what it has, and there is no record of what it has.
    const { eras } = this.#deps;
    const old = others.filter((node) => eras.isV11(node));
    await sendDown(this.#deps, old, { operation: operations.update, path, object });
    const lack = others.filter((node) => !old.includes(node));
    await sendDown(this.#deps, lack, { operation: firstOperation, path, object });
    if (isNews) await sent?.(object);
  }

  #pathOf({ metadata: { name, namespace = "" } }: KubeObject): readonly [string, string, string] {
    return [namespace, this.#rules.type, name];
  }
}
