// EdgeController: pods, configmaps, secrets and nodes down to the edges; registration, status, leases and queries up.
import { hopOf, type Tap } from "../../base/hop/hop.ts";
import { type Logger, reasonOf } from "../../base/log/logger.ts";
import { KeyedWorker } from "../../base/queue/keyed-worker.ts";
import { limits } from "../../protocol/limits.ts";
import { modules, operations, resourceTypes } from "../../protocol/message/names.ts";
import { nodeCommonName, nodeOrganization } from "../../protocol/pki/request.ts";
import { nodeOf, parseNodePath, trimNode } from "../../protocol/resource/path.ts";
import type { BusMessage } from "../beehive/bus.ts";
import type { Module } from "../beehive/modules.ts";
import type { CloudCoreConfig } from "../config/config.ts";
import { configMapFollower } from "./downstream/configmap.ts";
import type { DownstreamWorld, Follower } from "./downstream/downstream.ts";
import { LocationCache } from "./downstream/location.ts";
import { NodeFollower } from "./downstream/node.ts";
import { PodFollower } from "./downstream/pod.ts";
import { secretFollower } from "./downstream/secret.ts";
import { queryLease, writeLease } from "./upstream/lease.ts";
import { queryNode, registerNode, updateNode } from "./upstream/node.ts";
import { nodeStatus, patchNode } from "./upstream/node-status.ts";
import { takeEvent } from "./upstream/event.ts";
import { createPod, deletePod, patchPod, podStatus } from "./upstream/pod.ts";
import {
  queryConfigMap,
  querySecret,
  queryVolume,
  queryVolumeAttachment,
  queryVolumeClaim,
  requestToken,
} from "./upstream/query.ts";
import { signingRequest } from "./upstream/signing.ts";
import { answerMessage, type EdgeRequest, type Handler } from "./upstream/request.ts";

/** What it needs from outside. */
export interface EdgeControllerWorld extends Omit<DownstreamWorld, "location"> {
  readonly logger: Logger;
  readonly tap: Tap | undefined;
  readonly strictGo: CloudCoreConfig["strictGo"];
  /** Calls for an edge are made in its name, where the hub authorises what edges ask (KubeEdge does it then only). */
  readonly impersonates: boolean;
}

/** What an edge may ask, by resource type and operation; `*` is any operation. */
const table: Readonly<Record<string, Readonly<Record<string, Handler>>>> = {
  [resourceTypes.node]: { insert: registerNode, query: queryNode, update: updateNode },
  [resourceTypes.nodepatch]: { "*": patchNode },
  [resourceTypes.nodestatus]: { "*": nodeStatus },
  [resourceTypes.lease]: { insert: writeLease, update: writeLease, query: queryLease },
  [resourceTypes.podpatch]: { "*": patchPod },
  [resourceTypes.podstatus]: { "*": podStatus },
  [resourceTypes.pod]: { insert: createPod, delete: deletePod },
  [resourceTypes.persistentvolume]: { "*": queryVolume },
  [resourceTypes.persistentvolumeclaim]: { "*": queryVolumeClaim },
  [resourceTypes.volumeattachment]: { "*": queryVolumeAttachment },
  [resourceTypes.certificatesigningrequest]: { "*": signingRequest },
  [resourceTypes.event]: { "*": takeEvent },
  [resourceTypes.configmap]: { "*": queryConfigMap },
  [resourceTypes.secret]: { "*": querySecret },
  [resourceTypes.serviceaccounttoken]: { "*": requestToken },
};

export class EdgeController implements Module {
  readonly name = modules.edgecontroller;
  readonly #world: EdgeControllerWorld;
  readonly #followers: readonly Follower[];
  readonly #nodes: NodeFollower;
  readonly #upstream = new KeyedWorker(limits.upstreamJobs);

  constructor(world: EdgeControllerWorld) {
    this.#world = world;
    const downstream = { ...world, location: new LocationCache() };
    this.#nodes = new NodeFollower(downstream);
    // Pods first: what they refer to is known before the first configmap is looked at.
    this.#followers = [
      new PodFollower(downstream),
      configMapFollower(downstream),
      secretFollower(downstream),
      this.#nodes,
    ];
  }

  start(): Promise<void> {
    for (const follower of this.#followers) follower.start();
    return Promise.resolve();
  }

  async receive(message: BusMessage): Promise<void> {
    const settled = message.settled ?? (() => {});
    const request = this.#requestIn(message);
    if (request === undefined) return settled();
    // One node's requests are answered in order; different nodes' at the same time.
    await this.#upstream.submit(request.node, () => this.#answer(request).finally(settled));
  }

  async stop(): Promise<void> {
    for (const follower of this.#followers) follower.stop();
    await this.#upstream.idle();
  }

  /** What an edge asks; undefined for what is no request. */
  #requestIn(message: BusMessage): EdgeRequest | undefined {
    const { clock, logger, tap } = this.#world;
    const { operation = "", resource = "" } = message.route;
    if (operation === operations.connected) {
      this.#nodes.annotate(nodeOf(resource));
      const isGo = this.#world.strictGo.has("sync-on-connect");
      for (const follower of isGo ? [] : this.#followers) follower.connected(nodeOf(resource));
    }
    if (operation === operations.connected || operation === operations.disconnected) return undefined;
    const found = parseNodePath(resource);
    if (found === undefined) {
      logger.warn("an edge's message has no resource path that means anything", {
        resource,
        id: message.header.msg_id,
      });
      return undefined;
    }
    const { node, ...path } = found;
    const wire = trimNode(resource);
    tap?.(hopOf(message, { time: clock.now(), hop: "controller.receive", direction: "up", node, resource: wire }));
    return { node, path, operation, message };
  }

  async #answer(request: EdgeRequest): Promise<void> {
    const { bus, caches, clock, impersonates, localAddress, logger } = this.#world;
    const { type } = request.path;
    const handlers = Object.hasOwn(table, type) ? table[type] ?? {} : {};
    const handler = Object.hasOwn(handlers, request.operation) ? handlers[request.operation] : handlers["*"];
    const about = { node: request.node, type, operation: request.operation, id: request.message.header.msg_id };
    if (handler === undefined) {
      logger.warn("an edge asks for what is not supported", about);
      return;
    }
    try {
      const own = caches.client;
      const client = impersonates ? own.impersonating(nodeCommonName(request.node), nodeOrganization) : own;
      const world = { client, caches, clock, localAddress, impersonates };
      for (const answer of await handler(world, request)) {
        await bus.send(modules.cloudhub, answerMessage(clock.now(), request, answer));
      }
    } catch (error) {
      logger.warn("an edge's request could not be carried out", { ...about, error: reasonOf(error) });
    }
  }
}
