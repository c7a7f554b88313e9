// DeviceController: devices and models down to the edges, twins and states up into DeviceStatus.
import type { HopName } from "../../protocol/message/hops.ts";
import { type Logger, reasonOf } from "../../base/log/logger.ts";
import { KeyedWorker } from "../../base/queue/keyed-worker.ts";
import type { Clock } from "../../base/time/clock.ts";
import { limits } from "../../protocol/limits.ts";
import type { Device } from "../../protocol/apis/device.ts";
import { contentJson, type Message, newMessage } from "../../protocol/message/message.ts";
import { edgeModules, groups, modules, ok, operations } from "../../protocol/message/names.ts";
import { nodeOf } from "../../protocol/resource/path.ts";
import type { Bus, BusMessage } from "../beehive/bus.ts";
import { tapFromEdge } from "../beehive/hops.ts";
import type { Module } from "../beehive/modules.ts";
import type { CloudCoreConfig } from "../config/config.ts";
import { KubeApiError } from "../kube/client.ts";
import type { Caches } from "../kube/caches.ts";
import type { Eras } from "../nodes/eras.ts";
import type { SyncIndex } from "../nodes/sync-index.ts";
import type { ReconcilerDeps } from "../kube/reconciler.ts";
import { DeviceFollower } from "./downstream/devices.ts";
import { DeviceV1alpha1Follower } from "./v1alpha1/devices.ts";
import { type DeviceStatusChange, DeviceStatuses } from "./statuses.ts";
import { mergeTwins, stateOf } from "./upstream/reports.ts";
import { V1alpha1Receiver } from "./v1alpha1/receiver.ts";

/** Injected dependencies. */
export interface DeviceControllerDeps extends ReconcilerDeps {
  readonly bus: Bus;
  readonly caches: Caches;
  readonly index: SyncIndex;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly strictGo: CloudCoreConfig["strictGo"];
  readonly eras: Eras;
  /** Whether the API has devices of v1alpha1 too. */
  readonly servesV1alpha1: boolean;
}

/** `node/{node}/device/{namespace}/{name}/{what}`. */
const reportPath = /^node\/([^/]+)\/device\/([^/]+)\/([^/]+)\/(twin\/edge_updated|state\/update)$/;

interface ReportPath {
  readonly node: string;
  readonly namespace: string;
  readonly name: string;
  readonly what: string;
}

interface WaitingReport {
  readonly message: BusMessage;
  readonly report: ReportPath;
  readonly settled: () => void;
}

export class DeviceController implements Module {
  readonly name = modules.devicecontroller;
  readonly #deps: DeviceControllerDeps;
  readonly #statuses: DeviceStatuses;
  readonly #follower: DeviceFollower;
  /** Absent where no node is of v1.1, or the API does not serve that era's devices. */
  readonly #followerOfV11: DeviceV1alpha1Follower | undefined;
  readonly #receiver: V1alpha1Receiver;
  readonly #upstream = new KeyedWorker(limits.upstreamJobs);
  /** By device: reports that wait. The hub reads no more than `limits.upstreamMessages` of each edge. */
  readonly #waiting = new Map<string, WaitingReport[]>();

  constructor(deps: DeviceControllerDeps) {
    this.#deps = deps;
    this.#statuses = new DeviceStatuses(deps.caches);
    this.#followerOfV11 = deps.servesV1alpha1 ? new DeviceV1alpha1Follower(deps) : undefined;
    this.#receiver = new V1alpha1Receiver({
      ...deps,
      follower: this.#followerOfV11,
      upstream: this.#upstream,
      tapAt: (...at) => this.#tapAt(...at),
    });
    const isV1alpha1 = async (namespace: string, name: string) =>
      await this.#followerOfV11?.isOurs(namespace, name) === true;
    this.#follower = new DeviceFollower({ ...deps, statuses: this.#statuses, isV1alpha1 });
  }

  start(): Promise<void> {
    this.#followerOfV11?.start();
    this.#follower.start();
    return Promise.resolve();
  }

  async receive(message: BusMessage): Promise<void> {
    const settled = message.settled ?? (() => {});
    const node = nodeOf(message.route.resource ?? "");
    if (this.#deps.eras.isV11(node) && message.route.source === edgeModules.twin) {
      return await this.#receiver.receive(node, message, settled);
    }
    const report = this.#reportIn(message);
    if (report === undefined) return settled();
    const key = `${report.namespace}/${report.name}`;
    const waiting = this.#waiting.get(key);
    if (waiting !== undefined) return void waiting.push({ message, report, settled });
    this.#waiting.set(key, [{ message, report, settled }]);
    // What comes of a device while its status is being written is written together.
    await this.#upstream.submit(key, async () => {
      const reports = this.#waiting.get(key) ?? [];
      this.#waiting.delete(key);
      await this.#report(reports);
      for (const { settled } of reports) settled();
    });
  }

  async stop(): Promise<void> {
    this.#follower.stop();
    this.#followerOfV11?.stop();
    await this.#upstream.idle();
  }

  #tapAt(hop: HopName, message: Message, node: string, outcome = ""): void {
    tapFromEdge(this.#deps, hop, message, node, outcome);
  }

  /** Where a report points; undefined for what is none. */
  #reportIn(message: BusMessage): ReportPath | undefined {
    const { logger } = this.#deps;
    const { operation = "", resource = "" } = message.route;
    const sendsMemberships = !this.#deps.strictGo.has("membership-on-connect");
    if (operation === operations.connected && sendsMemberships) this.#follower.connected(nodeOf(resource));
    if (operation === operations.connected || operation === operations.disconnected) return undefined;
    // A node asks for its memberships at every connect; it has been sent them already.
    if (resource.endsWith("/membership/detail")) return undefined;
    const [, node = "", namespace = "", name = "", what = ""] = reportPath.exec(resource) ?? [];
    if (what === "") {
      logger.warn("an edge's device message has an unknown resource", { resource, id: message.header.msg_id });
      return undefined;
    }
    this.#tapAt("controller.receive", message, node);
    return { node, namespace, name, what };
  }

  /**
   * Stores reports of one device by one write, in the order in which they came; where the API refuses that, one by one, so that
   * one that it never takes holds up no other. Each is confirmed once it is stored; one that can't be read or stored, or is of
   * another node's device, is not.
   */
  async #report(reports: readonly WaitingReport[]): Promise<void> {
    const { logger } = this.#deps;
    let device: Device | undefined;
    let change: DeviceStatusChange = {};
    const merged: WaitingReport[] = [];
    for (const waiting of reports) {
      const { message, report: { node, namespace, name, what } } = waiting;
      const about = { node, device: `${namespace}/${name}`, id: message.header.msg_id };
      const reported = this.#follower.deviceOn(node, namespace, name);
      if (reported === undefined) {
        logger.warn("a report of a device that the node does not have was refused", about);
        this.#tapAt("controller.drop", message, node, `device ${namespace}/${name} is not bound to ${node}`);
        continue;
      }
      // A device recreated under the same name must not get the reports of the former one.
      if (device !== undefined && device.metadata.uid !== reported.metadata.uid) {
        change = {};
        merged.length = 0;
      }
      device = reported;
      try {
        const report = contentJson(message);
        const status = await this.#statuses.ensure(device);
        change = what === "state/update"
          ? { ...change, ...stateOf(report) }
          : { ...change, twins: mergeTwins(device, { ...status, status: { ...status.status, ...change } }, report) };
        merged.push(waiting);
      } catch (error) {
        logger.warn("a report could not be stored", { ...about, error: reasonOf(error) });
        this.#tapAt("controller.drop", message, node, `it could not be stored: ${reasonOf(error)}`);
      }
    }
    if (device === undefined || merged.length === 0) return;
    try {
      await this.#statuses.patch(device, change);
    } catch (error) {
      if (merged.length > 1 && error instanceof KubeApiError && error.status.code < 500) {
        for (const each of merged) await this.#report([each]);
        return;
      }
      const { metadata: { name, namespace } } = device;
      for (const { message, report: { node } } of merged) {
        this.#tapAt("controller.drop", message, node, `it could not be stored: ${reasonOf(error)}`);
      }
      const facts = { device: `${namespace}/${name}`, reports: merged.length, error: reasonOf(error) };
      return logger.warn("reports of a device could not be stored", facts);
    }
    for (const { message, report: { node } } of merged) {
      this.#tapAt("kube.write", message, node, "stored in the DeviceStatus");
      await this.#confirm(message, node);
    }
  }

  async #confirm(message: Message, node: string): Promise<void> {
    const { bus, clock } = this.#deps;
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
