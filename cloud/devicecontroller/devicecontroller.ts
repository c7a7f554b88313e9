// DeviceController: devices and models down to the edges, twins and states up into DeviceStatus.
import { hopOf, type Tap } from "../../base/hop/hop.ts";
import { type Logger, reasonOf } from "../../base/log/logger.ts";
import { KeyedWorker } from "../../base/queue/keyed-worker.ts";
import type { Clock } from "../../base/time/clock.ts";
import { limits } from "../../protocol/limits.ts";
import { contentJson, type Message, newMessage } from "../../protocol/message/message.ts";
import { groups, modules, ok, operations } from "../../protocol/message/names.ts";
import { nodeOf, trimNode } from "../../protocol/resource/path.ts";
import type { Bus, BusMessage } from "../beehive/bus.ts";
import type { Module } from "../beehive/modules.ts";
import type { CloudCoreConfig } from "../config/config.ts";
import type { Caches } from "../kube/caches.ts";
import type { SyncIndex } from "../kube/sync-index.ts";
import type { WorkQueueWorld } from "../kube/work-queue.ts";
import { DeviceFollower } from "./downstream/devices.ts";
import { DeviceStatuses } from "./statuses.ts";
import { mergeTwins, stateOf } from "./upstream/reports.ts";

/** What it needs from outside. */
export interface DeviceControllerWorld extends WorkQueueWorld {
  readonly bus: Bus;
  readonly caches: Caches;
  readonly index: SyncIndex;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly tap: Tap | undefined;
  readonly strictGo: CloudCoreConfig["strictGo"];
}

/** `node/{node}/device/{namespace}/{name}/{what}`. */
const reportPath = /^node\/([^/]+)\/device\/([^/]+)\/([^/]+)\/(twin\/edge_updated|state\/update)$/;

interface ReportPath {
  readonly node: string;
  readonly namespace: string;
  readonly name: string;
  readonly what: string;
}

export class DeviceController implements Module {
  readonly name = modules.devicecontroller;
  readonly #world: DeviceControllerWorld;
  readonly #statuses: DeviceStatuses;
  readonly #follower: DeviceFollower;
  readonly #upstream = new KeyedWorker(limits.upstreamJobs);

  constructor(world: DeviceControllerWorld) {
    this.#world = world;
    this.#statuses = new DeviceStatuses(world.caches);
    this.#follower = new DeviceFollower({ ...world, statuses: this.#statuses });
  }

  start(): Promise<void> {
    this.#follower.start();
    return Promise.resolve();
  }

  async receive(message: BusMessage): Promise<void> {
    const settled = message.settled ?? (() => {});
    const report = this.#reportIn(message);
    if (report === undefined) return settled();
    const { namespace, name } = report;
    await this.#upstream.submit(`${namespace}/${name}`, () => this.#report(message, report).finally(settled));
  }

  async stop(): Promise<void> {
    this.#follower.stop();
    await this.#upstream.idle();
  }

  /** Where a report points; undefined for what is none. */
  #reportIn(message: BusMessage): ReportPath | undefined {
    const { clock, logger, tap } = this.#world;
    const { operation = "", resource = "" } = message.route;
    const isToldAgain = !this.#world.strictGo.has("membership-on-connect");
    if (operation === operations.connected && isToldAgain) this.#follower.connected(nodeOf(resource));
    if (operation === operations.connected || operation === operations.disconnected) return undefined;
    // A node asks for its memberships at every connect; it has got them unasked.
    if (resource.endsWith("/membership/detail")) return undefined;
    const [, node = "", namespace = "", name = "", what = ""] = reportPath.exec(resource) ?? [];
    if (what === "") {
      logger.warn("an edge's device message has an unknown resource", { resource, id: message.header.msg_id });
      return undefined;
    }
    const wire = trimNode(resource);
    tap?.(hopOf(message, { time: clock.now(), hop: "controller.receive", direction: "up", node, resource: wire }));
    return { node, namespace, name, what };
  }

  /** A report is confirmed once it is stored; one that can't be stored, or is of another node's device, is not. */
  async #report(message: Message, { node, namespace, name, what }: ReportPath): Promise<void> {
    const { bus, clock, logger } = this.#world;
    const about = { node, device: `${namespace}/${name}`, id: message.header.msg_id };
    const device = this.#follower.deviceOn(node, namespace, name);
    if (device === undefined) {
      logger.warn("a report of a device that the node does not have was refused", about);
      return;
    }
    try {
      const report = contentJson(message);
      const status = await this.#statuses.ensure(device);
      const change = what === "state/update" ? stateOf(report) : { twins: mergeTwins(device, status, report) };
      await this.#statuses.patch(device, change);
    } catch (error) {
      logger.warn("a report could not be stored", { ...about, error: reasonOf(error) });
      return;
    }
    await bus.send(
      modules.cloudhub,
      newMessage(clock.now(), {
        source: modules.devicecontroller,
        group: groups.twin,
        operation: operations.response,
        resource: `node/${node}/twin`,
        content: ok,
        parent: message.header.msg_id,
      }),
    );
  }
}
