// Devices and their models to the nodes they are bound to, in the order membership, model, device.
import { type Device, deviceIdOf, type DeviceModel } from "../../../protocol/apis/device.ts";
import { deviceErrors, modelErrors } from "../../../protocol/apis/device-checks.ts";
import { at, keyOf, type KubeObject, textAt } from "../../../protocol/apis/kube-object.ts";
import { reasonOf } from "../../../base/log/logger.ts";
import { modules, operations, resourceTypes } from "../../../protocol/message/names.ts";
import type { Clock } from "../../../base/time/clock.ts";
import type { Bus, BusMessage } from "../../beehive/bus.ts";
import type { Caches } from "../../kube/caches.ts";
import type { Informer } from "../../kube/informer.ts";
import { type LastSent, Reconciler, type ReconcilerDeps } from "../../kube/reconciler.ts";
import { resources } from "../../kube/resource.ts";
import type { Eras } from "../../nodes/eras.ts";
import type { Held, SyncIndex } from "../../nodes/sync-index.ts";
import { WorkQueue } from "../../kube/work-queue.ts";
import type { DeviceStatuses } from "../statuses.ts";
import { memberOf, membershipMessage, objectMessage } from "./messages.ts";

/** Injected dependencies. */
export interface DeviceDownstreamDeps extends ReconcilerDeps {
  readonly bus: Bus;
  readonly caches: Caches;
  readonly index: SyncIndex;
  readonly clock: Clock;
  readonly statuses: DeviceStatuses;
  /** Whether a node runs KubeEdge v1.1: it can't have devices of today. */
  readonly eras: Eras;
  /** Whether a device without a node is one of v1alpha1. Rejects where the API can't be reached. */
  readonly isV1alpha1: (namespace: string, name: string) => Promise<boolean>;
}

interface SentDevice extends LastSent {
  readonly object: Device;
}

/** Follows Devices and DeviceModels. */
export class DeviceFollower {
  readonly #deps: DeviceDownstreamDeps;
  readonly #devices: Informer;
  readonly #models: Informer;
  readonly #reconciler: Reconciler<SentDevice>;
  readonly #modelQueue: WorkQueue;
  readonly #nodeQueue: WorkQueue;

  constructor(deps: DeviceDownstreamDeps) {
    this.#deps = deps;
    this.#devices = deps.caches.of(resources.devices);
    this.#models = deps.caches.of(resources.devicemodels);
    this.#reconciler = new Reconciler<SentDevice>(this.#devices, deps, {
      name: "devices",
      isMoved: ({ object }, device) => this.#nodeOf(object) !== this.#nodeOf(device as Device),
      remove: (_sent, last) => this.#remove(last as Device),
      send: (device, before, key) => this.#reconcile(device as Device, before?.object, key),
      groupsOf: ({ object }) => [modelKeyOf(object), useKeyOf(object, textAt(object, "spec", "nodeName"))],
    });
    this.#modelQueue = new WorkQueue("devicemodels", deps, (key) => this.#reconcileModel(key));
    this.#nodeQueue = new WorkQueue("device nodes", deps, (node) => this.#resyncNode(node));
  }

  start(): void {
    this.#reconciler.start();
    this.#models.subscribe((event) => {
      if (event.type === "deleted") {
        this.#removeModel(event.object).catch((error) => {
          const { logger } = this.#deps;
          logger.warn("a deleted model could not be taken from its nodes", {
            key: keyOf(event.object),
            error: reasonOf(error),
          });
        });
        return;
      }
      // A model that comes after its device was missed by it; one that changes is of interest to all its devices' nodes.
      this.#modelQueue.add(keyOf(event.object));
    });
  }

  /** A node has connected. It may have missed memberships, which have no sync record: all of its own are sent. */
  connected(node: string): void {
    this.#nodeQueue.add(node);
  }

  stop(): void {
    for (const queue of [this.#reconciler, this.#modelQueue, this.#nodeQueue]) queue.stop();
  }

  /** The device with this id, where it is bound to that node. */
  deviceOn(node: string, namespace: string, name: string): Device | undefined {
    const device = this.#devices.get(namespace, name) as Device | undefined;
    return device !== undefined && this.#nodeOf(device) === node ? device : undefined;
  }

  async #reconcile(device: Device, before: Device | undefined, key: string): Promise<void> {
    const { name, namespace = "" } = device.metadata;
    const isForeign = textAt(device, "spec", "nodeName") === "" &&
      (hasTwins(device) || await this.#deps.isV1alpha1(namespace, name));
    if (isForeign) return this.#reconciler.notSent(device, "it is a device of v1alpha1, which other nodes have");
    // Labels, status and the like are not sent to the edge.
    if (before !== undefined && JSON.stringify(before.spec) === JSON.stringify(device.spec)) {
      return this.#reconciler.notSent(device, "its spec has not changed, and edges are sent nothing else of it");
    }
    this.#warn("a device is invalid", key, deviceErrors(device, this.#modelOf(device)));
    if (before !== undefined) {
      this.#reconciler.sent(key, { object: device });
      return await this.#update(device);
    }
    await this.#deps.statuses.ensure(device);
    // That took a while: a device that changed meanwhile is sent as it is now; one that was deleted is reconciled again.
    const now = this.#devices.get(namespace, name) as Device | undefined;
    if (now === undefined || now.metadata.uid !== device.metadata.uid) return;
    this.#reconciler.sent(key, { object: now });
    await this.#add(now);
  }

  async #add(device: Device): Promise<void> {
    const node = this.#nodeOf(device);
    if (node === "") return this.#reconciler.notSent(device, "it is bound to no node that could have it");
    await this.#send(membershipMessage(this.#now(), node, [memberOf(device)], []));
    const model = this.#modelOf(device);
    if (model !== undefined && !this.#isModelInUse(device, node)) {
      await this.#send(objectMessage(this.#now(), node, operations.insert, resourceTypes.devicemodel, model));
    }
    await this.#send(objectMessage(this.#now(), node, operations.insert, resourceTypes.device, device));
  }

  async #update(device: Device): Promise<void> {
    const node = this.#nodeOf(device);
    if (node === "") return;
    const model = this.#modelOf(device);
    if (model !== undefined) {
      await this.#send(objectMessage(this.#now(), node, operations.update, resourceTypes.devicemodel, model));
    }
    await this.#send(objectMessage(this.#now(), node, operations.update, resourceTypes.device, device));
  }

  async #remove(device: Device): Promise<void> {
    const node = this.#nodeOf(device);
    if (node === "") return;
    await this.#send(membershipMessage(this.#now(), node, [], [memberOf(device)]));
    const model = this.#modelOf(device);
    if (model !== undefined && !this.#isModelInUse(device, node)) {
      await this.#send(objectMessage(this.#now(), node, operations.delete, resourceTypes.devicemodel, model));
    }
    await this.#send(objectMessage(this.#now(), node, operations.delete, resourceTypes.device, device));
  }

  async #reconcileModel(key: string): Promise<void> {
    const [namespace = "", name = ""] = key.split("/");
    const model = this.#models.get(namespace, name) as DeviceModel | undefined;
    if (model === undefined) return;
    this.#warn("a device model is invalid", key, modelErrors(model));
    const nodes = new Set<string>();
    for (const device of this.#reconciler.sentIn(`model ${namespace}/${name}`)) {
      nodes.add(this.#nodeOf(this.#reconciler.get(device)?.object));
    }
    nodes.delete("");
    for (const node of nodes) {
      const operation = this.#deps.index.holds(node, model.metadata.uid ?? "") ? operations.update : operations.insert;
      await this.#send(objectMessage(this.#now(), node, operation, resourceTypes.devicemodel, model));
    }
  }

  /** A model goes with the last of its devices; one that is deleted before them is taken from the nodes that have it, or had. */
  async #removeModel(model: KubeObject): Promise<void> {
    const { uid = "" } = model.metadata;
    const nodes = new Set([...this.#deps.index.holders(uid), ...this.#deps.index.formerHolders(uid)]);
    for (const node of nodes) {
      if (this.#deps.eras.isV11(node)) continue;
      await this.#send(
        objectMessage(this.#now(), node, operations.delete, resourceTypes.devicemodel, model as DeviceModel),
      );
    }
  }

  async #resyncNode(node: string): Promise<void> {
    const { caches, index } = this.#deps;
    const mine = (caches.on(node, resources.devices) as Device[]).filter((device) => this.#nodeOf(device) === node);
    const lost = index.of(node).filter((held) => held.kind === "Device" && this.#isLost(held, node));
    if (mine.length + lost.length === 0) return;
    const removed = lost.map(({ namespace, name }) => ({ id: `${namespace}/${name}`, name }));
    await this.#send(
      membershipMessage(
        this.#now(),
        node,
        mine.map(memberOf),
        removed.filter((m) => !mine.some((d) => deviceIdOf(d) === m.id)),
      ),
    );
    const models = new Map(
      mine.map((device) => this.#modelOf(device)).filter((m) => m !== undefined).map((m) => [keyOf(m), m]),
    );
    const operation = (object: KubeObject) =>
      index.holds(node, object.metadata.uid ?? "") ? operations.update : operations.insert;
    for (const model of models.values()) {
      await this.#send(objectMessage(this.#now(), node, operation(model), resourceTypes.devicemodel, model));
    }
    for (const { metadata: { name, namespace = "" } } of mine) {
      const device = this.deviceOn(node, namespace, name);
      if (device === undefined) continue;
      await this.#send(objectMessage(this.#now(), node, operation(device), resourceTypes.device, device));
    }
  }

  /** The node a device is bound to; empty for none that could have it. */
  #nodeOf(device: Device | undefined): string {
    const node = textAt(device, "spec", "nodeName");
    return this.#deps.eras.isV11(node) ? "" : node;
  }

  #isLost(held: Held, node: string): boolean {
    const device = this.#devices.get(held.namespace, held.name) as Device | undefined;
    return device === undefined || device.metadata.uid !== held.uid || this.#nodeOf(device) !== node;
  }

  #modelOf(device: Device): DeviceModel | undefined {
    const name = device.spec?.deviceModelRef?.name ?? "";
    return name === ""
      ? undefined
      : this.#models.get(device.metadata.namespace ?? "default", name) as DeviceModel | undefined;
  }

  /** Whether another device of the namespace on that node has the same model. */
  #isModelInUse(device: Device, node: string): boolean {
    const key = keyOf(device);
    return this.#reconciler.sentIn(useKeyOf(device, node)).some((other) => other !== key);
  }

  /** Invalid objects are sent all the same, as with KubeEdge; the log says why the edge may ignore them. */
  #warn(message: string, key: string, faults: readonly string[]): void {
    if (faults.length > 0) this.#deps.logger.warn(message, { key, faults: faults.join("; ") });
  }

  #now(): number {
    return this.#deps.clock.now();
  }

  #send(message: BusMessage): Promise<void> {
    return this.#deps.bus.send(modules.cloudhub, message);
  }
}

/** The group of devices of one model. */
function modelKeyOf({ metadata: { namespace = "" }, spec }: Device): string {
  return `model ${namespace}/${spec?.deviceModelRef?.name}`;
}

/** The group of devices of one model on one node. */
function useKeyOf(device: Device, node: string): string {
  return `${modelKeyOf(device)} on ${node}`;
}

/** What v1beta1 still shows of a device of v1alpha1: twins in its status. Such a one has no DeviceStatus. */
function hasTwins(device: Device | undefined): boolean {
  return at(device, "status", "twins") !== undefined;
}
