// MetaManager: stores what the cloud sends, acknowledges it, tells the others, and asks the cloud for what is missing.
import type { EdgeEra } from "../era/edge-era.ts";
import { SkepError } from "../../base/error/skep-error.ts";
import { hopOf } from "../../protocol/message/hops.ts";
import type { Tap } from "../../base/hop/hop.ts";
import type { Clock } from "../../base/time/clock.ts";
import { at, type KubeObject, type KubeStatus, textAt } from "../../protocol/apis/kube-object.ts";
import { type Message, newMessage, responseTo } from "../../protocol/message/message.ts";
import { edgeModules, groups, modules, ok, operations, resourceTypes } from "../../protocol/message/names.ts";
import { noNamespace, wirePath } from "../../protocol/resource/path.ts";
import type { EdgeHub } from "../edgehub/edgehub.ts";
import type { EdgeStore } from "./store.ts";

/** An error of the cloud's API that came back with an answer. */
export class CloudError extends SkepError {
  readonly code = "SKEP_CLOUD";
  readonly status: KubeStatus;
  constructor(status: KubeStatus) {
    super(status.message);
    this.status = status;
  }
}

/** A change of the store that the cloud made. */
export interface StoreChange {
  readonly operation: "put" | "delete";
  readonly path: string;
  readonly type: string;
  readonly object: KubeObject;
  /** The cloud module that sent it. */
  readonly source: string;
}

/** Injected dependencies. */
export interface MetaManagerDeps {
  readonly node: string;
  readonly hub: EdgeHub;
  readonly store: EdgeStore;
  readonly clock: Clock;
  readonly tap: Tap | undefined;
  readonly changed: (change: StoreChange) => void;
  /** MetaManager of KubeEdge v1.1: it stores lists, ignores inserts of what it has, and acknowledges no answer. */
  readonly era: EdgeEra;
}

/** Cloud modules whose updates are acknowledged; those of others are stored in silence. */
const acknowledgedSources: ReadonlySet<string> = new Set([
  modules.edgecontroller,
  modules.dynamiccontroller,
  modules.devicecontroller,
  "policycontroller",
]);

/** What the lists of v1.1 are lists of. */
const singleOf: Readonly<Record<string, string>> = {
  [resourceTypes.servicelist]: resourceTypes.service,
  [resourceTypes.endpointslist]: resourceTypes.endpoints,
};

export class MetaManager {
  readonly #deps: MetaManagerDeps;

  constructor(deps: MetaManagerDeps) {
    this.#deps = deps;
  }

  /** A message of group `resource` that answers no request. */
  receive(message: Message): void {
    switch (message.route.operation) {
      case operations.insert:
      case operations.update:
        return this.#put(message);
      case operations.delete:
        return this.#delete(message);
      default:
        // An answer that no request waits for is not acknowledged: the cloud resends it, as with edgecore.
    }
  }

  /** Asks the cloud for an object, stores it, and acknowledges the answer. Rejects with CloudError or DisconnectedError. */
  async query(path: string, content: unknown = null): Promise<KubeObject> {
    return await this.call(operations.query, path, content);
  }

  /**
   * A call the cloud carries out for the edge. The answer is stored under the request's path and acknowledged, also where it
   * is an error, as edgecore does for what MetaManager itself asks.
   */
  async call(operation: string, path: string, content: unknown): Promise<KubeObject> {
    const { clock, era, hub, store } = this.#deps;
    const answer = await this.#request(operation, path, content);
    if (era.acknowledgesAnswers) hub.send(responseTo(clock.now(), answer, ok));
    const object = objectIn(answer);
    store.put(path, object);
    return object;
  }

  /** A call that is only passed on (`nodepatch`, `podpatch`, a pod's deletion): its answer is not acknowledged. */
  async pass(operation: string, path: string, content: unknown): Promise<KubeObject> {
    return objectIn(await this.#request(operation, path, content));
  }

  #request(operation: string, path: string, content: unknown): Promise<Message> {
    const { clock, hub } = this.#deps;
    const request = newMessage(clock.now(), {
      source: edgeModules.edged,
      group: groups.meta,
      operation,
      resource: path,
      content,
    });
    return hub.request(request);
  }

  #put(message: Message): void {
    const path = message.route.resource ?? "";
    const { era, store } = this.#deps;
    if (era.takesLists && Array.isArray(message.content)) {
      return this.#putList(message, message.content as KubeObject[]);
    }
    if (era.takesLists && message.route.operation === operations.insert && store.get(path) !== undefined) {
      return this.#acknowledge(message);
    }
    const object = message.content as KubeObject | null;
    const isObject = typeof object === "object" && object !== null && typeof object.metadata === "object";
    if (!isObject) return this.#refuse(message, "insert or update meta failed, the content is no object");
    if (store.isFull) return this.#refuse(message, "insert or update meta failed, database or disk is full");
    store.put(path, object);
    this.#stored(message, "put", object);
    const { operation, source = "" } = message.route;
    if (operation === operations.insert || acknowledgedSources.has(source)) this.#acknowledge(message);
  }

  /** Lists of services and endpoints are kept one by one; the pods behind a service as the list that they are. */
  #putList(message: Message, list: readonly KubeObject[]): void {
    const { store } = this.#deps;
    const [namespace = "", type = "", name = ""] = (message.route.resource ?? "").split("/");
    const single = singleOf[type];
    if (single === undefined) {
      const pods: KubeObject = { metadata: { namespace, name }, items: list };
      store.put(wirePath(namespace, type, name), pods);
      this.#stored(message, "put", pods);
    } else {
      for (const object of list) {
        const { metadata } = object;
        store.put(wirePath(metadata.namespace ?? noNamespace, single, metadata.name), object);
      }
    }
    this.#acknowledge(message);
  }

  #delete(message: Message): void {
    const path = message.route.resource ?? "";
    const { store } = this.#deps;
    const stored = store.get(path);
    if (store.isFull) return this.#refuse(message, "delete meta failed, database or disk is full");
    const given = message.content as KubeObject | null;
    const uid = textAt(given, "metadata", "uid");
    const type = path.split("/")[1];
    // Deleting an older pod must not delete a newer pod of the same name; other kinds are matched by name alone.
    const isOther = type === resourceTypes.pod && uid !== "" && stored !== undefined && stored.metadata.uid !== uid;
    if (!isOther) {
      store.delete(path);
      const last = stored ?? given;
      if (last !== null) this.#stored(message, "delete", last);
    }
    this.#acknowledge(message);
  }

  #stored(message: Message, operation: "put" | "delete", object: KubeObject): void {
    const { changed, clock, node, tap } = this.#deps;
    const path = message.route.resource ?? "";
    tap?.on?.(hopOf(message, { time: clock.now(), hop: "edge.store", direction: "down", node, outcome: operation }));
    changed({ operation, path, type: path.split("/")[1] ?? "", object, source: message.route.source ?? "" });
  }

  /** Sent after storing. What came from DeviceController as insert or delete has been re-routed to the twin by then. */
  #acknowledge(message: Message): void {
    const { clock, hub } = this.#deps;
    const answer = responseTo(clock.now(), message, ok);
    const rerouted = message.route.source === modules.devicecontroller && message.route.operation !== operations.update;
    hub.send(rerouted ? { ...answer, route: { ...answer.route, source: "meta", group: groups.twin } } : answer);
  }

  #refuse(message: Message, why: string): void {
    const { clock, hub } = this.#deps;
    hub.send(newMessage(clock.now(), {
      source: edgeModules.metamanager,
      group: groups.resource,
      operation: operations.error,
      resource: message.route.resource ?? "",
      content: why,
      parent: message.header.msg_id,
    }));
  }
}

/** The object of an answer in any of KubeEdge's shapes. Throws CloudError. */
function objectIn(answer: Message): KubeObject {
  const { content } = answer;
  const error = at(content, "Err", "ErrStatus") ?? at(content, "ErrStatus");
  if (error !== undefined) throw new CloudError(error as KubeStatus);
  const object = at(content, "Object");
  if (object !== undefined && object !== null) return object as KubeObject;
  if (typeof content === "object" && content !== null) return content as KubeObject;
  return { metadata: { name: "" } };
}
