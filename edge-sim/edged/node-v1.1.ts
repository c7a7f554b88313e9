// The Node of an edge of KubeEdge v1.1, which its operator has created: the edge only reports its status every ten seconds.
import { type Logger, reasonOf } from "../../base/log/logger.ts";
import type { Random } from "../../base/random/random.ts";
import { type Clock, every, type Timer } from "../../base/time/clock.ts";
import { secondsOf } from "../../protocol/apis/time.ts";
import { operations, resourceTypes } from "../../protocol/message/names.ts";
import { wirePath } from "../../protocol/resource/path.ts";
import type { MetaManager } from "../metamanager/metamanager.ts";
import { type EdgeTimings, spread } from "../timings/timings.ts";
import { LATE_PERIODS, type NodeAgent, type NodeIdentity, nodeInfoOf } from "./node.ts";

/** Injected dependencies. */
export interface NodeV11Deps {
  readonly identity: NodeIdentity;
  readonly meta: MetaManager;
  readonly timings: EdgeTimings;
  readonly random: Random;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** The uid that every edge of that age gives for its Node. */
const NODE_UID = "38796d14-1df3-11e8-8e5a-286ed488f209";
/** The namespace in the paths of those edges' messages about their Nodes. */
const NAMESPACE = "default";
const KUBELET_VERSION = "v1.15.3-kubeedge-v1.1.0";

export class EdgeNodeV11 implements NodeAgent {
  readonly #deps: NodeV11Deps;
  readonly #since: string;
  #timer: Timer | undefined;
  #isRegistered = false;
  /** Monotonic milliseconds of the last status that the cloud has taken. */
  #reportedAt = 0;

  constructor(deps: NodeV11Deps) {
    this.#deps = deps;
    this.#since = secondsOf(deps.clock.now());
  }

  /** Whether there is a connection, and the cloud has taken the node's status over it. */
  get isRegistered(): boolean {
    return this.#isRegistered;
  }

  /** There are no leases yet. */
  get renewals(): number {
    return 0;
  }

  get isOnTime(): boolean {
    const { clock, timings } = this.#deps;
    return this.#isRegistered && clock.monotonic() - this.#reportedAt <= LATE_PERIODS * timings.nodeStatusV11;
  }

  connected(): void {
    const { clock, random, timings } = this.#deps;
    void this.#report();
    this.#timer = every(clock, spread(timings.nodeStatusV11, timings, random), () => void this.#report());
  }

  disconnected(): void {
    this.#isRegistered = false;
    this.#timer?.cancel();
  }

  stop(): void {
    this.#timer?.cancel();
  }

  async #report(): Promise<void> {
    const { identity, logger, meta } = this.#deps;
    const path = wirePath(NAMESPACE, resourceTypes.nodestatus, identity.name);
    const content = { UID: NODE_UID, Status: this.#status(), ExtendResources: null };
    try {
      await meta.pass(operations.update, path, content);
      this.#isRegistered = true;
      this.#reportedAt = this.#deps.clock.monotonic();
    } catch (error) {
      logger.debug("the node could not report to the cloud", { what: "status", error: reasonOf(error) });
    }
  }

  #status() {
    const { clock, identity: { address, name, pods } } = this.#deps;
    const resources = { cpu: "4", memory: "3840Mi", pods: String(pods) };
    return {
      capacity: resources,
      allocatable: { ...resources, memory: "3740Mi" },
      phase: "Running",
      conditions: [{
        type: "Ready",
        status: "True",
        lastHeartbeatTime: secondsOf(clock.now()),
        lastTransitionTime: this.#since,
        reason: "EdgeReady",
        message: "edge is posting ready status",
      }],
      addresses: [{ type: "InternalIP", address }, { type: "Hostname", address: name }],
      daemonEndpoints: { kubeletEndpoint: { Port: 0 } },
      nodeInfo: nodeInfoOf(KUBELET_VERSION),
    };
  }
}
