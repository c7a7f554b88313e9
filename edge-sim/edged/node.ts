// The edge's Node: it registers itself, reports its status and keeps its lease.
import { microsOf, secondsOf } from "../../protocol/apis/time.ts";
import type { Clock, Timer } from "../../base/time/clock.ts";
import { every } from "../../base/time/clock.ts";
import { type Logger, reasonOf } from "../../base/log/logger.ts";
import type { Random } from "../../base/random/random.ts";
import { isNewerVersion, type KubeObject, listAt, textAt } from "../../protocol/apis/kube-object.ts";
import { edgeNodeLabel, operations, resourceTypes } from "../../protocol/message/names.ts";
import { noNamespace, wirePath } from "../../protocol/resource/path.ts";
import { type Condition, sortedJson, type Status, statusPatch, withTransitions } from "./status-patch.ts";
import { CloudError, type MetaManager } from "../metamanager/metamanager.ts";
import type { EdgeStore } from "../metamanager/store.ts";
import { type EdgeTimings, spread } from "../timings/timings.ts";

/** What kind of node this is. */
export interface NodeIdentity {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  /** The address the node reports. */
  readonly address: string;
  /** Pods it takes. */
  readonly pods: number;
}

/** An edge's Node, as the rest of the edge and tests see it. */
export interface NodeAgent {
  readonly isRegistered: boolean;
  /** Renewals of its lease so far. */
  readonly renewals: number;
  /** Whether the cloud has taken a sign of its life within three of its periods, or may yet take the first; false without a connection. */
  readonly isOnTime: boolean;
  connected(): void;
  disconnected(): void;
  stop(): void;
}

/** Injected dependencies. */
export interface NodeDeps {
  readonly identity: NodeIdentity;
  readonly meta: MetaManager;
  readonly store: EdgeStore;
  readonly timings: EdgeTimings;
  readonly random: Random;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Called when the Node is known to be there, once per connection. */
  readonly registered?: () => void;
}

/** Periods after which a node is late: one sign of its life may be lost, another slow. */
export const LATE_PERIODS = 3;
/** Namespace of the leases of nodes, and how long one is valid (seconds). */
const LEASE_NAMESPACE = "kube-node-lease";
const LEASE_SECONDS = 40;
/** The version that an edgecore v1.23 reports. */
const KUBELET_VERSION = "v1.32.10-kubeedge-v1.23.1";

export class EdgeNode implements NodeAgent {
  readonly #deps: NodeDeps;
  #status: Timer | undefined;
  #lease: Timer | undefined;
  #retry: Timer | undefined;
  #isRegistered = false;
  /** Registered since the edge started: a kubelet does that once, not at every connection. */
  #wasRegistered = false;
  #isBusy = false;
  #renewals = 0;
  /** Monotonic milliseconds of the last renewal; of the last connection as long as there was none. */
  #renewedAt = 0;

  constructor(deps: NodeDeps) {
    this.#deps = deps;
  }

  /** Whether there is a connection, and the Node was registered since the edge started. */
  get isRegistered(): boolean {
    return this.#isRegistered;
  }

  /** Renewals of the lease so far. */
  get renewals(): number {
    return this.#renewals;
  }

  /** Whether the lease has been renewed in time. */
  get isOnTime(): boolean {
    const { clock, timings } = this.#deps;
    return this.#lease !== undefined && clock.monotonic() - this.#renewedAt <= LATE_PERIODS * timings.lease;
  }

  /** On connect: registers once per start, then reports the status and renews the lease periodically. */
  connected(): void {
    const { clock, random, timings } = this.#deps;
    if (this.#renewals === 0) this.#renewedAt = clock.monotonic();
    void this.#attempt("register", () => this.#register());
    this.#lease = every(clock, spread(timings.lease, timings, random), () => void this.#renewLease());
    this.#status = every(
      clock,
      spread(timings.nodeStatus, timings, random),
      () => void this.#attempt("status", () => this.#report()),
    );
  }

  /** The edge stops: the next start registers again. */
  stop(): void {
    this.#wasRegistered = false;
  }

  disconnected(): void {
    const { identity, store } = this.#deps;
    this.#isRegistered = false;
    // After a failed renewal, a kubelet reads the lease before it writes it.
    store.delete(wirePath(LEASE_NAMESPACE, resourceTypes.lease, identity.name));
    for (const timer of [this.#lease, this.#status, this.#retry]) timer?.cancel();
    this.#lease = undefined;
  }

  async #register(): Promise<void> {
    if (!this.#wasRegistered) await this.#insert();
    this.#wasRegistered = true;
    this.#isRegistered = true;
    this.#deps.registered?.();
    await this.#renewLease();
  }

  async #insert(): Promise<void> {
    const { clock, identity, meta } = this.#deps;
    const node = nodeOf(identity, clock.now());
    const path = wirePath(noNamespace, resourceTypes.node, identity.name);
    try {
      await meta.call(operations.insert, path, node);
      await this.#patch("{}");
    } catch (error) {
      const isThere = error instanceof CloudError && error.status.reason === "AlreadyExists";
      if (!isThere) throw error;
      await this.#report();
    }
  }

  /** The heartbeat: reports every condition with the current time, and all fields that differ from the cloud's Node. */
  async #report(): Promise<void> {
    const { clock, identity, store } = this.#deps;
    const before = (store.get(wirePath(noNamespace, resourceTypes.node, identity.name))?.status ?? {}) as Status;
    const status = nodeOf(identity, clock.now()).status as Status & { readonly conditions: Condition[] };
    const conditions = withTransitions(before, status.conditions, secondsOf(clock.now()));
    await this.#patch(sortedJson({ status: statusPatch(before, { ...before, ...status, conditions }) }));
  }

  /** The patch travels as a JSON text, as edgecore sends it. */
  async #patch(patch: string): Promise<void> {
    const { identity, meta, store } = this.#deps;
    const node = await meta.pass(
      operations.patch,
      wirePath(noNamespace, resourceTypes.nodepatch, identity.name),
      patch,
    );
    const path = wirePath(noNamespace, resourceTypes.node, identity.name);
    // The cloud may have sent what others wrote since before it answered.
    if (!isNewerVersion(store.get(path)?.metadata.resourceVersion, node.metadata.resourceVersion)) {
      store.put(path, node);
    }
  }

  async #renewLease(): Promise<void> {
    if (!this.#isRegistered || this.#isBusy) return;
    this.#isBusy = true;
    // As a kubelet in each of its loops: corrects what differs in the cloud's Node.
    if (this.#isDoubted()) await this.#attempt("status", () => this.#report());
    await this.#attempt("lease", async () => {
      const { clock, identity, meta, store } = this.#deps;
      const path = wirePath(LEASE_NAMESPACE, resourceTypes.lease, identity.name);
      const stored = store.get(path) ?? await this.#queryLease(path);
      if (stored === undefined) {
        const uid = store.get(wirePath(noNamespace, resourceTypes.node, identity.name))?.metadata.uid ?? "";
        await meta.call(operations.insert, path, newLease(identity.name, uid, clock.now()));
      } else {
        const spec = { ...(stored.spec as object), renewTime: microsOf(clock.now()) };
        try {
          await meta.call(operations.update, path, { ...stored, spec });
        } catch (error) {
          // Another writer changed or deleted it: read it again at the next renewal.
          if (error instanceof CloudError) store.delete(path);
          throw error;
        }
      }
      this.#renewals++;
      this.#renewedAt = clock.monotonic();
    });
    this.#isBusy = false;
  }

  #isDoubted(): boolean {
    const { clock, identity, store } = this.#deps;
    const known = store.get(wirePath(noNamespace, resourceTypes.node, identity.name));
    const conditions = conditionsAt(clock.now());
    return listAt(known, "status", "conditions").some((condition) =>
      conditions.some(({ type, status }) =>
        type === textAt(condition, "type") && status !== textAt(condition, "status")
      )
    );
  }

  async #queryLease(path: string): Promise<KubeObject | undefined> {
    try {
      return await this.#deps.meta.query(path);
    } catch (error) {
      if (error instanceof CloudError && error.status.reason === "NotFound") return undefined;
      throw error;
    }
  }

  async #attempt(what: string, run: () => Promise<void>): Promise<void> {
    try {
      await run();
    } catch (error) {
      this.#deps.logger.debug("the node could not report to the cloud", { what, error: reasonOf(error) });
      if (what === "register") this.#retryRegistration();
    }
  }

  #retryRegistration(): void {
    const { clock, timings } = this.#deps;
    if (this.#lease === undefined) return;
    this.#retry = clock.after(timings.lease / 2, () => void this.#attempt("register", () => this.#register()));
  }
}

/** The conditions of a node that is well. */
function conditionsAt(now: number): Condition[] {
  const time = secondsOf(now);
  const condition = (type: string, status: string, reason: string, message: string) => ({
    type,
    status,
    lastHeartbeatTime: time,
    lastTransitionTime: time,
    reason,
    message,
  });
  return [
    condition("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
    condition("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    condition("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
    condition("Ready", "True", "EdgeReady", "edge is posting ready status"),
  ];
}

/** The Node as edgecore describes a machine. */
function nodeOf({ name, labels, address, pods }: NodeIdentity, now: number): KubeObject {
  const resources = { cpu: "4", memory: "3840Mi", "ephemeral-storage": "20Gi", pods: String(pods) };
  return {
    metadata: {
      name,
      creationTimestamp: null,
      labels: {
        "beta.kubernetes.io/arch": "amd64",
        "beta.kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64",
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        "node-role.kubernetes.io/agent": "",
        [edgeNodeLabel]: "",
        ...labels,
      },
      annotations: { "volumes.kubernetes.io/controller-managed-attach-detach": "true" },
    },
    spec: {},
    status: {
      capacity: resources,
      allocatable: resources,
      conditions: conditionsAt(now),
      addresses: [{ type: "InternalIP", address }, { type: "Hostname", address: name }],
      daemonEndpoints: { kubeletEndpoint: { Port: 10350 } },
      nodeInfo: nodeInfoOf(KUBELET_VERSION),
    },
  };
}

/** What a Node's status says of the machine, in both eras. */
export function nodeInfoOf(kubeletVersion: string) {
  return {
    machineID: "",
    systemUUID: "",
    bootID: "",
    kernelVersion: "6.1.0",
    osImage: "skep simulated edge",
    containerRuntimeVersion: "skep://0.1.0",
    kubeletVersion,
    kubeProxyVersion: "v0.0.0",
    operatingSystem: "linux",
    architecture: "amd64",
  };
}

function newLease(name: string, uid: string, now: number): KubeObject {
  return {
    metadata: {
      name,
      namespace: LEASE_NAMESPACE,
      creationTimestamp: null,
      ...(uid === "" ? {} : { ownerReferences: [{ apiVersion: "v1", kind: "Node", name, uid }] }),
    },
    spec: { holderIdentity: name, leaseDurationSeconds: LEASE_SECONDS, renewTime: microsOf(now) },
  };
}
