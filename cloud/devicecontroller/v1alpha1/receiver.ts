// Messages of nodes of v1.1 about their devices. None of them is confirmed: that era's edges repeat their reports without end.
import { type Logger, reasonOf } from "../../../base/log/logger.ts";
import type { KeyedWorker } from "../../../base/queue/keyed-worker.ts";
import type { HopName } from "../../../protocol/message/hops.ts";
import { contentJson, type Message } from "../../../protocol/message/message.ts";
import type { BusMessage } from "../../beehive/bus.ts";
import type { CloudCoreConfig } from "../../config/config.ts";
import type { Caches } from "../../kube/caches.ts";
import type { DeviceV1alpha1Follower } from "./devices.ts";
import { storeReportV1alpha1 } from "./reports.ts";

/** `node/{node}/device/{name}/twin/edge_updated`: nodes of v1.1 know devices by their bare names. */
const reportPathOfV11 = /^node\/[^/]+\/device\/([^/]+)\/twin\/edge_updated$/;
/** Reports of a node of v1.1 about its devices' states: that era's cloud keeps none. */
const statePathOfV11 = /^node\/[^/]+\/device\/[^/]+\/state$/;

/** Injected dependencies. */
export interface V1alpha1ReceiverDeps {
  readonly caches: Caches;
  readonly logger: Logger;
  readonly strictGo: CloudCoreConfig["strictGo"];
  /** Absent where the API does not serve that era's devices. */
  readonly follower: DeviceV1alpha1Follower | undefined;
  readonly upstream: KeyedWorker;
  readonly tapAt: (hop: HopName, message: Message, node: string, outcome?: string) => void;
}

export class V1alpha1Receiver {
  readonly #deps: V1alpha1ReceiverDeps;

  constructor(deps: V1alpha1ReceiverDeps) {
    this.#deps = deps;
  }

  /** `settled` is called when the message has been processed. */
  async receive(node: string, message: BusMessage, settled: () => void): Promise<void> {
    const { follower, logger, strictGo, tapAt, upstream } = this.#deps;
    const { resource = "" } = message.route;
    const { msg_id: id } = message.header;
    if (resource.endsWith("/membership/detail")) {
      if (!strictGo.has("membership-on-connect")) await follower?.answerDetail(node, id);
      return settled();
    }
    const [, name] = reportPathOfV11.exec(resource) ?? [];
    if (name === undefined) {
      if (!statePathOfV11.test(resource)) {
        logger.warn("an edge's device message has an unknown resource", { resource, id });
      }
      return settled();
    }
    tapAt("controller.receive", message, node);
    await upstream.submit(`${node}/${name}`, () => this.#report(message, node, name).finally(settled));
  }

  async #report(message: Message, node: string, name: string): Promise<void> {
    const { caches, follower, logger, tapAt } = this.#deps;
    const about = { node, device: name, id: message.header.msg_id };
    const device = follower?.deviceOn(node, name);
    if (device === undefined) {
      tapAt("controller.drop", message, node, `device ${name} is not bound to ${node}`);
      return logger.warn("a report of a device that the node does not have was refused", about);
    }
    try {
      await storeReportV1alpha1(caches.client, device, contentJson(message));
      tapAt("kube.write", message, node, "stored in the Device");
    } catch (error) {
      tapAt("controller.drop", message, node, `it could not be stored: ${reasonOf(error)}`);
      logger.warn("a report could not be stored", { ...about, error: reasonOf(error) });
    }
  }
}
