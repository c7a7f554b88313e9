// EdgeController: pods, configmaps, secrets and nodes down to the edges; registration, status, leases and queries up.
import type { HopName } from "../../protocol/message/hops.ts";
import { type Logger, reasonOf } from "../../base/log/logger.ts";
import { Gate } from "../../base/queue/gate.ts";
import { KeyedWorker } from "../../base/queue/keyed-worker.ts";
import type { UpstreamChannel } from "../../protocol/apis/cloudcore-config.ts";
import { at, textAt } from "../../protocol/apis/kube-object.ts";
import { limits } from "../../protocol/limits.ts";
import { modules, operations, resourceTypes } from "../../protocol/message/names.ts";
import { nodeCommonName, nodeOrganization } from "../../protocol/pki/request.ts";
import { nodeOf, parseNodePath } from "../../protocol/resource/path.ts";
import type { BusMessage } from "../beehive/bus.ts";
import { tapFromEdge } from "../beehive/hops.ts";
import type { Module } from "../beehive/modules.ts";
import type { CloudCoreConfig } from "../config/config.ts";
import { configMapFollower } from "./downstream/configmap.ts";
import type { DownstreamDeps, Follower } from "./downstream/downstream.ts";
import { LocationCache } from "./downstream/location.ts";
import { NodeFollower } from "./downstream/node.ts";
import { PodFollower } from "./downstream/pod.ts";
import { ruleFollowers } from "./downstream/rule.ts";
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
import { ruleStatus } from "./upstream/rule-status.ts";
import { followersOfV11 } from "./v1.1/followers.ts";
import { tableOfV11 } from "./v1.1/requests.ts";
import { signingRequest } from "./upstream/signing.ts";
import { answerMessage, type EdgeAnswer, type EdgeRequest, type Handler } from "./upstream/request.ts";

/** Injected dependencies. */
export interface EdgeControllerDeps extends Omit<DownstreamDeps, "connected" | "location"> {
  readonly logger: Logger;
  readonly strictGo: CloudCoreConfig["strictGo"];
  /** Calls for an edge impersonate its node; true only with authorisation switched on in the hub (as with KubeEdge). */
  readonly impersonates: boolean;
  readonly upstream: CloudCoreConfig["upstream"];
}

/** The handler, and the channel whose workers and buffer it uses. */
type Row = readonly [handler: Handler, channel: UpstreamChannel];

/** What may be asked, by resource type and operation; `*` is any operation. */
const table: Readonly<Record<string, Readonly<Record<string, Row>>>> = {
  [resourceTypes.node]: {
    insert: [registerNode, "createNode"],
    query: [queryNode, "queryNode"],
    update: [updateNode, "updateNode"],
  },
  [resourceTypes.nodepatch]: { "*": [patchNode, "patchNode"] },
  [resourceTypes.nodestatus]: { "*": [nodeStatus, "nodeStatus"] },
  [resourceTypes.lease]: {
    insert: [writeLease, "createLease"],
    update: [writeLease, "createLease"],
    query: [queryLease, "queryLease"],
  },
  [resourceTypes.podpatch]: { "*": [patchPod, "patchPod"] },
  [resourceTypes.podstatus]: { "*": [podStatus, "podStatus"] },
  [resourceTypes.pod]: { insert: [createPod, "createPod"], delete: [deletePod, "deletePod"] },
  [resourceTypes.persistentvolume]: { "*": [queryVolume, "persistentVolume"] },
  [resourceTypes.persistentvolumeclaim]: { "*": [queryVolumeClaim, "persistentVolumeClaim"] },
  [resourceTypes.volumeattachment]: { "*": [queryVolumeAttachment, "volumeAttachment"] },
  [resourceTypes.certificatesigningrequest]: { "*": [signingRequest, "certificateSigningRequest"] },
  [resourceTypes.event]: { "*": [takeEvent, "event"] },
  [resourceTypes.configmap]: { "*": [queryConfigMap, "configMap"] },
  [resourceTypes.secret]: { "*": [querySecret, "secret"] },
  [resourceTypes.serviceaccounttoken]: { "*": [requestToken, "serviceAccountToken"] },
  // From the router; the hub does not forward edges' messages about rules. KubeEdge has it in the channel of node statuses too.
  [resourceTypes.rulestatus]: { update: [ruleStatus, "nodeStatus"] },
};

export class EdgeController implements Module {
  readonly name = modules.edgecontroller;
  readonly #deps: EdgeControllerDeps;
  readonly #followers: readonly Follower[];
  readonly #nodes: NodeFollower;
  readonly #connected = new Set<string>();
  readonly #upstream = new KeyedWorker(limits.upstreamJobs);
  readonly #gates: Readonly<Record<UpstreamChannel, Gate>>;

  constructor(deps: EdgeControllerDeps) {
    this.#deps = deps;
    this.#gates = Object.fromEntries(
      Object.entries(deps.upstream).map(([channel, { buffer, workers }]) => [channel, new Gate(workers, buffer)]),
    ) as Record<UpstreamChannel, Gate>;
    const downstream = { ...deps, connected: this.#connected, location: new LocationCache() };
    this.#nodes = new NodeFollower(downstream);
    // Pods first: what they refer to is known before the first configmap is looked at.
    this.#followers = [
      new PodFollower(downstream),
      configMapFollower(downstream),
      secretFollower(downstream),
      this.#nodes,
      ...ruleFollowers(downstream),
      ...(deps.eras.hasV11 ? followersOfV11(downstream) : []),
    ];
  }

  start(): Promise<void> {
    for (const follower of this.#followers) follower.start();
    return Promise.resolve();
  }

  async receive(message: BusMessage): Promise<void> {
    const settled = message.settled ?? (() => {});
    const request = this.#requestIn(message);
    const row = request === undefined ? undefined : this.#rowOf(request);
    if (request === undefined || row === undefined) return settled();
    const [handler, channel] = row;
    const gate = this.#gates[channel];
    // One node's requests are answered in order; different nodes' at the same time. Leases depend on no other request, and a late
    // one looks like a dead node: they don't wait for the node's pods. A full channel delays requests for it, and no
    // others: the hub stops reading from an edge with too many requests in progress.
    const isLease = request.path.type === resourceTypes.lease;
    await this.#upstream.submit(isLease ? `${request.node} leases` : request.node, async () => {
      await gate.room();
      await gate.run(() => this.#answer(request, handler)).finally(settled);
    });
  }

  async stop(): Promise<void> {
    for (const follower of this.#followers) follower.stop();
    await this.#upstream.idle();
  }

  /** What an edge asks; undefined for what is no request. */
  #requestIn(message: BusMessage): EdgeRequest | undefined {
    const { logger } = this.#deps;
    const { operation = "", resource = "" } = message.route;
    if (operation === operations.disconnected) this.#connected.delete(nodeOf(resource));
    if (operation === operations.connected) {
      this.#connected.add(nodeOf(resource));
      this.#nodes.annotate(nodeOf(resource));
      const isGo = this.#deps.strictGo.has("sync-on-connect");
      for (const follower of isGo ? [] : this.#followers) follower.connected?.(nodeOf(resource));
    }
    if (operation === operations.connected || operation === operations.disconnected) return undefined;
    const found = parseNodePath(resource);
    if (found === undefined) {
      logger.warn("an edge's message has an invalid resource path", {
        resource,
        id: message.header.msg_id,
      });
      return undefined;
    }
    const { node, ...path } = found;
    const request = { node, path, operation, message };
    this.#tapAt("controller.receive", request);
    return request;
  }

  #rowOf(request: EdgeRequest): Row | undefined {
    const { type } = request.path;
    const all = this.#deps.eras.isV11(request.node) ? tableOfV11 : table;
    const rows = Object.hasOwn(all, type) ? all[type] ?? {} : {};
    const row = Object.hasOwn(rows, request.operation) ? rows[request.operation] : rows["*"];
    if (row === undefined) {
      this.#deps.logger.warn("an edge asks for what is not supported", aboutOf(request));
      this.#tapAt("controller.drop", request, "this is not supported");
    }
    return row;
  }

  #tapAt(hop: HopName, { message, node }: EdgeRequest, outcome = ""): void {
    tapFromEdge(this.#deps, hop, message, node, outcome);
  }

  async #answer(request: EdgeRequest, handler: Handler): Promise<void> {
    const { bus, caches, clock, impersonates, localAddress, logger } = this.#deps;
    const about = aboutOf(request);
    try {
      const own = caches.client;
      const client = impersonates ? own.impersonating(nodeCommonName(request.node), nodeOrganization) : own;
      const deps = { client, caches, clock, localAddress, impersonates };
      const answers = await handler(deps, request);
      if (this.#deps.tap?.on !== undefined) this.#tapAt("kube.write", request, outcomeOf(answers));
      for (const answer of answers) {
        await bus.send(modules.cloudhub, answerMessage(clock.now(), request, answer));
      }
    } catch (error) {
      logger.warn("an edge's request could not be carried out", { ...about, error: reasonOf(error) });
      this.#tapAt("controller.drop", request, reasonOf(error));
    }
  }
}

/** What the API said, in a word or by its message. */
function outcomeOf(answers: readonly EdgeAnswer[]): string {
  const content = answers.at(0)?.content;
  const status = at(content, "Err", "ErrStatus") ?? at(content, "ErrStatus");
  return status === undefined ? "done" : textAt({ status }, "status", "message");
}

function aboutOf({ message, node, operation, path }: EdgeRequest) {
  return { node, type: path.type, operation, id: message.header.msg_id };
}
