// Devices of v1alpha1 to the nodes of v1.1 they are bound to: memberships with twins, what is wanted of them, and profiles.
import { randomUUID } from "node:crypto";
import type { Clock } from "../../../base/time/clock.ts";
import {
  type DeviceV1alpha1,
  memberOfV1alpha1,
  msgTwinsOf,
  nodeOfV1alpha1,
  twinsOf,
  wishesOf,
} from "../../../protocol/apis/device-v1alpha1.ts";
import { keyOf } from "../../../protocol/apis/kube-object.ts";
import { newMessage } from "../../../protocol/message/message.ts";
import { groups, modules, operations, resourceTypes } from "../../../protocol/message/names.ts";
import type { DeviceTwinUpdate, MembershipDetail } from "../../../protocol/twin/twin.ts";
import type { Bus } from "../../beehive/bus.ts";
import type { Caches } from "../../kube/caches.ts";
import type { Eras } from "../../kube/eras.ts";
import type { Informer } from "../../kube/informer.ts";
import { resources } from "../../kube/resource.ts";
import { WorkQueue, type WorkQueueWorld } from "../../kube/work-queue.ts";
import { membershipMessage } from "./messages.ts";
import { DeviceProfiles } from "./profiles.ts";

/** What it needs from outside. */
export interface DeviceV1alpha1World extends WorkQueueWorld {
  readonly bus: Bus;
  readonly caches: Caches;
  readonly clock: Clock;
  readonly eras: Eras;
}

/** A device as its node was last told it. */
interface Told {
  /** Empty where the device is bound to no node of v1.1. */
  readonly node: string;
  readonly device: DeviceV1alpha1;
}

export class DeviceV1alpha1Follower {
  readonly #world: DeviceV1alpha1World;
  readonly #devices: Informer;
  readonly #queue: WorkQueue;
  readonly #profiles: DeviceProfiles;
  readonly #told = new Map<string, Told>();

  constructor(world: DeviceV1alpha1World) {
    this.#world = world;
    this.#devices = world.caches.of(resources.devicesV1alpha1);
    this.#queue = new WorkQueue("v1alpha1 devices", world, (key) => this.#look(key));
    this.#profiles = new DeviceProfiles(world, (device) => this.#nodeOf(device));
  }

  start(): void {
    this.#devices.subscribe(({ object }) => this.#queue.add(keyOf(object)));
    // A node may become one of v1.1, or come after its devices.
    this.#world.caches.of(resources.nodes).subscribe(({ object }) => {
      for (const device of this.#devices.list()) {
        if (nodeOfV1alpha1(device) === object.metadata.name) this.#queue.add(keyOf(device));
      }
    });
    this.#profiles.start();
  }

  stop(): void {
    this.#queue.stop();
    this.#profiles.stop();
  }

  /** The device that a node knows by its bare name. */
  deviceOn(node: string, name: string): DeviceV1alpha1 | undefined {
    return this.#on(node).find(({ metadata }) => metadata.name === name);
  }

  /**
   * The node has asked which devices it has, as it does at every connection. Go's cloud leaves that unanswered, and what the
   * node missed stays missed; an edge of v1.1 takes the answer, and drops the devices that are not in it.
   */
  async answerDetail(node: string, request: string): Promise<void> {
    const { bus, clock } = this.#world;
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

  #on(node: string): DeviceV1alpha1[] {
    return (this.#devices.list() as DeviceV1alpha1[]).filter((device) => nodeOfV1alpha1(device) === node);
  }

  /** The node of v1.1 a device is bound to; empty for none. */
  #nodeOf(device: DeviceV1alpha1 | undefined): string {
    const node = nodeOfV1alpha1(device);
    return this.#world.eras.isV11(node) ? node : "";
  }

  async #look(key: string): Promise<void> {
    const [namespace = "", name = ""] = key.split("/");
    const device = this.#devices.get(namespace, name) as DeviceV1alpha1 | undefined;
    const told = this.#told.get(key);
    const node = this.#nodeOf(device);
    if (device === undefined) this.#told.delete(key);
    else this.#told.set(key, { node, device });
    this.#warnOfIdle(key, device, node);
    const isOther = told !== undefined && told.device.metadata.uid !== device?.metadata.uid;
    const isSamePlace = told?.node === node && !isOther;
    // One of the same name on the same node must be gone before it comes; one that moves comes before it goes, as with Go.
    if (told !== undefined && isOther && told.node === node) await this.#remove(told);
    if (device !== undefined && node !== "" && !isSamePlace) await this.#add(node, device);
    if (told !== undefined && !isSamePlace && told.node !== node) await this.#remove(told);
    if (device !== undefined && isSamePlace && node !== "" && wishesOf(told.device) !== wishesOf(device)) {
      await this.#update(node, device, told.device);
    }
    for (const on of new Set([node, told?.node ?? ""])) if (on !== "") this.#profiles.look(namespace, on);
  }

  #warnOfIdle(key: string, device: DeviceV1alpha1 | undefined, node: string): void {
    const wanted = nodeOfV1alpha1(device);
    if (wanted === "" || node !== "" || this.#world.caches.of(resources.nodes).get("", wanted) === undefined) return;
    this.#world.logger.warn("a device of v1alpha1 is bound to a node of another era, which can't have it", {
      device: key,
      node: wanted,
    });
  }

  async #add(node: string, device: DeviceV1alpha1): Promise<void> {
    const now = this.#world.clock.now();
    await this.#send(membershipMessage(now, node, [memberOfV1alpha1(device, now)], []));
  }

  async #remove({ device, node }: Told): Promise<void> {
    if (node === "") return;
    const now = this.#world.clock.now();
    await this.#send(membershipMessage(now, node, [], [memberOfV1alpha1(device, now)]));
  }

  /** What is wanted of all its twins, and which are no more. What it reports goes to nobody: the edge knows. */
  async #update(node: string, device: DeviceV1alpha1, former: DeviceV1alpha1): Promise<void> {
    if (twinsOf(device).length + twinsOf(former).length === 0) return;
    const now = this.#world.clock.now();
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
    return this.#world.bus.send(modules.cloudhub, message);
  }
}
