// One of several cloudcores does what must be done once: the holder of a Lease, as in Kubernetes' leader election (https://kubernetes.io/docs/concepts/architecture/leases/#leader-election).
import { randomUUID } from "node:crypto";
import { type Logger, reasonOf } from "../../base/log/logger.ts";
import { type Clock, every, sleep, type Timer } from "../../base/time/clock.ts";
import { type KubeObject, textAt } from "../../protocol/apis/kube-object.ts";
import { hasCode, type KubeClient } from "./client.ts";
import { resources } from "./resource.ts";

/** Milliseconds. */
export interface LeaderTimings {
  /** For how long a holder that is not heard of is believed (Kubernetes: 15 s). */
  readonly lease: number;
  /** How often it is renewed, or tried for (Kubernetes: 2 s). */
  readonly retry: number;
}

const STOP_MS = 1000;

/** Injected dependencies. */
export interface LeaderDeps {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly namespace: string;
  readonly name: string;
  readonly timings: LeaderTimings;
  /** Called each time the Lease has come to be ours. */
  readonly elected: () => void;
}

/** Tries for the Lease until it is stopped; while the API can't be reached nobody leads. */
export class Leader {
  readonly #deps: LeaderDeps;
  readonly #identity = `skep-${randomUUID()}`;
  /** When the Lease was last seen to change, in monotonic milliseconds: times of day may be wrong here, and at other machines. */
  #seen = { version: "", at: 0 };
  /** Until when it is ours, by the same clock. */
  #until = 0;
  #timer: Timer | undefined;
  #isTrying = false;
  #isStopped = false;
  #isForbidden = false;
  #trying: Promise<void> = Promise.resolve();

  constructor(deps: LeaderDeps) {
    this.#deps = deps;
  }

  /** Whether this cloudcore is the one. */
  get isLeader(): boolean {
    return this.#deps.clock.monotonic() < this.#until;
  }

  start(): void {
    const { clock, timings } = this.#deps;
    const next = () => {
      // One try at a time: a slow API must not have them overtake each other.
      if (this.#isTrying) return;
      this.#isTrying = true;
      this.#trying = this.#try().finally(() => this.#isTrying = false);
    };
    next();
    this.#timer = every(clock, timings.retry, next);
  }

  /** Gives the Lease back, so that another need not wait for its end. */
  async stop(): Promise<void> {
    this.#timer?.cancel();
    this.#isStopped = true;
    const givenBack = async () => {
      await this.#trying;
      if (!this.isLeader) return;
      this.#until = 0;
      await this.#write({ holderIdentity: "" });
    };
    // An API that does not answer is not waited for: the Lease ends by itself.
    const late = new AbortController();
    const { clock } = this.#deps;
    await Promise.race([givenBack().catch(() => {}), sleep(clock, STOP_MS, late.signal).catch(() => {})]);
    late.abort();
  }

  async #try(): Promise<void> {
    const { clock, elected, logger, timings } = this.#deps;
    const began = clock.monotonic();
    try {
      if (!await this.#takes()) return;
      const wasLeader = this.isLeader;
      this.#until = began + timings.lease;
      if (!wasLeader && !this.#isStopped) elected();
    } catch (error) {
      // Another was faster, or the API is away: the next try finds out.
      if (hasCode(error, 403) && !this.#isForbidden) {
        this.#isForbidden = true;
        logger.warn("leases may not be written: records of Nodes that are gone stay. Said once", {
          error: reasonOf(error),
        });
      } else if (!hasCode(error, 409)) logger.debug("the lease of the leader can't be had", { error: reasonOf(error) });
    }
  }

  /** Whether the Lease is ours now: it was, is nobody's, or its holder has not been heard of for too long. */
  async #takes(): Promise<boolean> {
    const { client, clock, name, namespace } = this.#deps;
    const lease = await client.find({ resource: resources.leases, namespace, name });
    if (lease === undefined) {
      await this.#write({});
      return true;
    }
    const version = lease.metadata.resourceVersion ?? "";
    if (this.#seen.version !== version) this.#seen = { version, at: clock.monotonic() };
    const holder = textAt(lease, "spec", "holderIdentity");
    const isOver = clock.monotonic() - this.#seen.at > this.#deps.timings.lease;
    if (holder !== "" && holder !== this.#identity && !isOver) return false;
    await this.#write({}, lease);
    return true;
  }

  async #write(spec: { readonly holderIdentity?: string }, before?: KubeObject): Promise<void> {
    const { client, clock, name, namespace, timings } = this.#deps;
    const ref = { resource: resources.leases, namespace, name };
    const stored = before ?? await client.find(ref);
    const lease = {
      apiVersion: "coordination.k8s.io/v1",
      kind: "Lease",
      metadata: { ...stored?.metadata, name, namespace },
      spec: {
        holderIdentity: this.#identity,
        leaseDurationSeconds: Math.max(1, Math.round(timings.lease / 1000)),
        renewTime: new Date(clock.now()).toISOString().replace("Z", "000Z"),
        ...spec,
      },
    };
    // With the version that was seen: of two that try at once one gets 409.
    if (stored === undefined) await client.create(resources.leases, lease);
    else await client.update(resources.leases, lease as unknown as KubeObject);
  }
}
