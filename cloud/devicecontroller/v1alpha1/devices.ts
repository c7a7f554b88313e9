// Devices of v1alpha1 to the nodes of v1.1 they are bound to: memberships with twins, what is wanted of them, and profiles.
import { randomUUID } from "node:crypto";
import type { Clock } from "../../../base/time/clock.ts";
import {
  desiredStateOf,
  type DeviceV1alpha1,
  memberOfV1alpha1,
  msgTwinsOf,
  nodeOfV1alpha1,
  twinsOf,
} from "../../../protocol/apis/device-v1alpha1.ts";
import { keyOf } from "../../../protocol/apis/kube-object.ts";
import { newMessage } from "../../../protocol/message/message.ts";
import { groups, modules, operations, resourceTypes } from "../../../protocol/message/names.ts";
import type { DeviceTwinUpdate, MembershipDetail } from "../../../protocol/twin/twin.ts";
import type { Bus } from "../../beehive/bus.ts";
import type { Caches } from "../../kube/caches.ts";
import type { Eras } from "../../nodes/eras.ts";
import type { Informer } from "../../kube/informer.ts";
import { type LastSent, Reconciler, type ReconcilerDeps } from "../../kube/reconciler.ts";
import { resources } from "../../kube/resource.ts";
import { membershipMessage } from "../downstream/messages.ts";
import { DeviceProfiles } from "./profiles.ts";

/** Injected dependencies. */
export interface DeviceV1alpha1Deps extends ReconcilerDeps {
  readonly bus: Bus;
  readonly caches: Caches;
  readonly clock: Clock;
  readonly eras: Eras;
}

/** A device as its node was last sent it. */
interface SentDevice extends LastSent {
  /** Empty where the device is bound to no node of v1.1. */
  readonly node: string;
  readonly object: DeviceV1alpha1;
}

export class DeviceV1alpha1Follower {
  readonly #deps: DeviceV1alpha1Deps;
  readonly #devices: Informer;
  readonly #reconciler: Reconciler<SentDevice>;
  readonly #profiles: DeviceProfiles;
  /** By the node that devices name, whatever era it is of; by key. */
  readonly #byNode = new Map<string, Map<string, DeviceV1alpha1>>();
  /** What has been warned about, by key: once is enough. */
  readonly #warned = new Map<string, string>();

  constructor(deps: DeviceV1alpha1Deps) {
    this.#deps = deps;
    this.#devices = deps.caches.of(resources.devicesV1alpha1);
    this.#reconciler = new Reconciler<SentDevice>(this.#devices, deps, {
      name: "v1alpha1 devices",
      remove: async (sent, _last, key) => {
        this.#warnOfIdle(key, undefined, "");
        await this.#remove(sent);
        this.#updateProfiles(sent.object.metadata.namespace ?? "", sent.node);
      },
      send: (device, before, key) => this.#reconcile(device as DeviceV1alpha1, before, key),
      absent: (key) => this.#warnOfIdle(key, undefined, ""),
    });
    this.#profiles = new DeviceProfiles(deps, (node) => this.#on(node));
  }

  start(): void {
    const { caches, eras } = this.#deps;
    // First: a deleted device is reconciled before the one that gets its name.
    this.#reconciler.start();
    this.#devices.subscribe((event) => {
      if (event.type === "modified") this.#place(event.previous as DeviceV1alpha1, false);
      this.#place(event.object as DeviceV1alpha1, event.type !== "deleted");
    });
    // A node may become one of v1.1, or come after its devices.
    caches.of(resources.nodes).subscribe((event) => {
      const isSame = event.type === "modified" && eras.isV11Node(event.previous) === eras.isV11Node(event.object);
      const devices = isSame ? [] : this.#byNode.get(event.object.metadata.name)?.keys() ?? [];
      for (const key of devices) this.#reconciler.add(key);
    });
    this.#profiles.start();
  }

  stop(): void {
    this.#reconciler.stop();
    this.#profiles.stop();
  }

  /** The device that a node knows by its bare name. */
  deviceOn(node: string, name: string): DeviceV1alpha1 | undefined {
    const named = [...this.#byNode.get(node)?.values() ?? []].filter(({ metadata }) => metadata.name === name);
    return this.#deps.eras.isV11(node) ? named.reduce<DeviceV1alpha1 | undefined>(older, undefined) : undefined;
  }

  /** Whether the device that today's version shows is one of v1alpha1: only that has a node selector. */
  async isOurs(namespace: string, name: string): Promise<boolean> {
    const ref = { resource: resources.devicesV1alpha1, namespace, name };
    const device = this.#devices.get(namespace, name) ?? await this.#deps.caches.client.find(ref);
    return (device as DeviceV1alpha1 | undefined)?.spec?.nodeSelector !== undefined;
  }

  /**
   * The node has asked which devices it has, as it does at every connection. Go's cloud leaves that unanswered, and what the
   * node missed stays missed; an edge of v1.1 takes the answer, and drops the devices that are not in it.
   */
  async answerDetail(node: string, request: string): Promise<void> {
    const { bus, clock } = this.#deps;
    const now = clock.now();
    const devices = this.#on(node).map((device) => memberOfV1alpha1(device, now));
    const content: MembershipDetail = { event_id: randomUUID(), timestamp: now, devices };
    await bus.send(
      modules.cloudhub,
      newMessage(now, {
        source: modules.devicecontroller,
        group: groups.twin,
        operation: operations.response,
        resource: `node/${node}/${resourceTypes.membership}/detail`,
        content,
        parent: request,
      }),
    );
  }

  /** The devices a node has: of two that have one name there, the one that was made first. */
  #on(node: string): DeviceV1alpha1[] {
    if (!this.#deps.eras.isV11(node)) return [];
    const byName = new Map<string, DeviceV1alpha1>();
    for (const device of this.#byNode.get(node)?.values() ?? []) {
      const { name } = device.metadata;
      byName.set(name, older(byName.get(name), device));
    }
    return [...byName.values()];
  }

  #place(device: DeviceV1alpha1, isThere: boolean): void {
    const node = nodeOfV1alpha1(device);
    if (node === "") return;
    const devices = this.#byNode.get(node) ?? new Map<string, DeviceV1alpha1>();
    this.#byNode.set(node, devices);
    if (isThere) devices.set(keyOf(device), device);
    else devices.delete(keyOf(device));
    if (devices.size === 0) this.#byNode.delete(node);
    // Another device of that name may have to be removed from the node, or be sent now.
    for (const [key, other] of devices) if (other.metadata.name === device.metadata.name) this.#reconciler.add(key);
  }

  /** The node of v1.1 a device is on; empty for none. */
  #nodeOf(device: DeviceV1alpha1 | undefined): string {
    const node = nodeOfV1alpha1(device);
    const first = device === undefined ? undefined : this.deviceOn(node, device.metadata.name);
    return first !== undefined && first.metadata.uid === device?.metadata.uid ? node : "";
  }

  async #reconcile(device: DeviceV1alpha1, before: SentDevice | undefined, key: string): Promise<void> {
    const node = this.#nodeOf(device);
    this.#reconciler.sent(key, { node, object: device });
    this.#warnOfIdle(key, device, node);
    const isSamePlace = before?.node === node;
    if (node !== "" && !isSamePlace) await this.#add(node, device);
    // One that moves is sent to its new node before it is deleted from the old one, as with Go.
    if (before !== undefined && !isSamePlace) await this.#remove(before);
    if (isSamePlace && node !== "" && desiredStateOf(before.object) !== desiredStateOf(device)) {
      await this.#update(node, device, before.object);
    }
    if (isSamePlace && JSON.stringify(before.object.spec) === JSON.stringify(device.spec)) return;
    this.#updateProfiles(device.metadata.namespace ?? "", node, before?.node);
  }

  #updateProfiles(namespace: string, ...nodes: readonly (string | undefined)[]): void {
    for (const node of new Set(nodes)) if (node !== undefined && node !== "") this.#profiles.enqueue(namespace, node);
  }

  #warnOfIdle(key: string, device: DeviceV1alpha1 | undefined, node: string): void {
    const { caches, eras, logger } = this.#deps;
    const wanted = nodeOfV1alpha1(device);
    const isThere = wanted !== "" && caches.of(resources.nodes).get("", wanted) !== undefined;
    const why = node !== "" || !isThere
      ? ""
      : eras.isV11(wanted)
      ? "another device of that name came first to its node, which knows devices by their bare names"
      : "its node is of another era, which can't have it";
    if (this.#warned.get(key) === why) return;
    if (why === "") this.#warned.delete(key);
    else this.#warned.set(key, why);
    if (why !== "") logger.warn("a device of v1alpha1 is not sent", { device: key, node: wanted, why });
  }

  async #add(node: string, device: DeviceV1alpha1): Promise<void> {
    const now = this.#deps.clock.now();
    await this.#send(membershipMessage(now, node, [memberOfV1alpha1(device, now)], []));
  }

  async #remove({ node, object: device }: SentDevice): Promise<void> {
    if (node === "") return;
    const now = this.#deps.clock.now();
    await this.#send(membershipMessage(now, node, [], [memberOfV1alpha1(device, now)]));
    // The deletion frees the name on the node: a device that has it now must be sent after that.
    const successor = this.deviceOn(node, device.metadata.name);
    if (successor === undefined || keyOf(successor) === keyOf(device)) return;
    this.#reconciler.forget(keyOf(successor));
    this.#reconciler.add(keyOf(successor));
  }

  /** Sends the desired values of all its twins, and which twins are deleted. Reported values are not sent: the edge has them. */
  async #update(node: string, device: DeviceV1alpha1, former: DeviceV1alpha1): Promise<void> {
    if (twinsOf(device).length + twinsOf(former).length === 0) return;
    const now = this.#deps.clock.now();
    const content: DeviceTwinUpdate = {
      event_id: randomUUID(),
      timestamp: now,
      twin: msgTwinsOf(device, now, former),
    };
    await this.#send(newMessage(now, {
      source: modules.devicecontroller,
      group: groups.twin,
      operation: operations.update,
      resource: `node/${node}/${resourceTypes.device}/${device.metadata.name}/twin/cloud_updated`,
      content,
    }));
  }

  #send(message: ReturnType<typeof newMessage>): Promise<void> {
    return this.#deps.bus.send(modules.cloudhub, message);
  }
}

/** Of two devices the one that was made before; in one second the first by namespace. */
function older(a: DeviceV1alpha1 | undefined, b: DeviceV1alpha1): DeviceV1alpha1 {
  const ageOf = ({ metadata }: DeviceV1alpha1) => `${metadata.creationTimestamp ?? ""} ${metadata.namespace ?? ""}`;
  return a !== undefined && ageOf(a) < ageOf(b) ? a : b;
}
