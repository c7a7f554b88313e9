// A fleet of edges in this process: cohorts of like edges, started together, counted together.
import type { BackoffOptions } from "../../base/backoff/backoff.ts";
import type { Tap } from "../../base/hop/hop.ts";
import type { Logger } from "../../base/log/logger.ts";
import type { Random } from "../../base/random/random.ts";
import { type Clock, sleep } from "../../base/time/clock.ts";
import type { DeviceBehaviour } from "../device/device.ts";
import type { MapperKind } from "../device/device-side.ts";
import { Edge, type EdgeOptions, type EdgeWatch } from "../edge.ts";
import type { EdgeVersion } from "../era/era.ts";
import type { HubAddress, Transport } from "../edgehub/hub-address.ts";
import { type EdgeCredentials, EnrolmentError, fetchCa } from "../edgehub/enrolment.ts";
import type { Stages } from "../edged/stages.ts";
import type { StoreRows } from "../metamanager/store-file.ts";
import type { EdgeTimings } from "../timings/timings.ts";

/** Edges that are alike: `{cohort}-0` … `{cohort}-{count-1}`. */
export interface Cohort {
  readonly cohort: string;
  readonly count: number;
  readonly labels?: Readonly<Record<string, string>>;
  readonly link?: { readonly latency?: number; readonly jitter?: number };
  /** How long its edges wait before they dial again. */
  readonly reconnect?: BackoffOptions;
  /** Pods a node takes. */
  readonly pods?: number;
  /** How its edges reach the hub. */
  readonly transport?: Transport;
  /** The version of KubeEdge they simulate. Nodes of v1.1 must exist before their edges start. */
  readonly version?: EdgeVersion;
  /** The certificate that all of them show, where they don't enrol one by one. */
  readonly credentials?: EdgeCredentials;
  /** By the name of a model: how its devices behave. */
  readonly behaviours?: Readonly<Record<string, DeviceBehaviour>>;
  /** The stages of the pods that they select. */
  readonly stages?: Stages;
  /** Which mapper operates its devices. */
  readonly mapper?: MapperKind;
  /** What each of its edges has for mappers and applications, by name and index. */
  readonly endpoints?: (name: string, index: number) => Pick<EdgeOptions, "dmi" | "mqtt" | "serviceBus">;
}

/** Every `of`-th edge of the fleet, starting at `index`. */
export interface Shard {
  readonly index: number;
  readonly of: number;
}

/** What a fleet needs. */
export interface FleetOptions {
  readonly cohorts: readonly Cohort[];
  readonly hub: HubAddress;
  /** Addresses of this machine that edges connect from in turn: each has its own ports. Default: the system chooses. */
  readonly sourceAddresses?: readonly string[];
  readonly timings: EdgeTimings;
  readonly clock: Clock;
  /** The clock of an edge, where edges have clocks of their own. Default: `clock`. */
  readonly clockOf?: (name: string) => Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly tap?: Tap;
  readonly watch?: EdgeWatch;
  /** Its part of the edges: the others are in other processes. */
  readonly shard?: Shard;
  /** Where its edges' stores are kept. */
  readonly rows?: StoreRows;
  /** Edges that join a second. Default: as fast as the cloud admits them. */
  readonly rate?: number;
  /** Appended to the names of all edges, as in `gw-0-k3x9f`. Default: nothing. */
  readonly suffix?: string;
  /** Labels of all Nodes. Default: none. */
  readonly labels?: Readonly<Record<string, string>>;
}

/** The totals of a fleet. */
export interface FleetTotals {
  readonly edges: number;
  readonly connected: number;
  readonly ready: number;
  readonly podsRunning: number;
  readonly devices: number;
  readonly connections: number;
  /** Messages to the cloud and from it, since the start. */
  readonly up: number;
  readonly down: number;
}

/** On everything that `skep fleet` makes in a cluster, so that it can be found and removed again. */
export const fleetLabel = "skep/fleet";

/** Edges that enrol and connect at the same moment. More would only make all of them late together. */
const JOINS_AT_ONCE = 4;

/** What an edge of a cohort is called. */
export function edgeName(cohort: string, index: number, suffix = ""): string {
  return `${cohort}-${index}${suffix}`;
}

export class Fleet {
  readonly #edges = new Map<string, Edge>();
  readonly #cohorts = new Map<string, Edge[]>();
  readonly #options: FleetOptions;
  #hub: HubAddress;
  #index = 0;
  readonly #stop = new AbortController();

  constructor(options: FleetOptions) {
    this.#options = options;
    this.#hub = options.hub;
  }

  /**
   * Starts all edges; settles when each has been connected once, or can't be for now. With a token the CA is fetched and
   * checked once for all. Rejects with EnrolmentError or TokenError where the token or the CA is wrong; where the cloud
   * can't be reached the edges go on trying. Rejects with BrokerError or DmiError where an edge can't listen.
   */
  async start(): Promise<void> {
    this.#hub = await this.#withCa(this.#options.hub);
    const { rate, shard = { index: 0, of: 1 }, suffix = "" } = this.#options;
    const waiting: Edge[] = [];
    for (const { cohort, count, credentials, endpoints, ...alike } of this.#options.cohorts) {
      const hub = credentials === undefined ? this.#hub : { ...this.#hub, credentials };
      for (let i = 0; i < count; i++) {
        const name = edgeName(cohort, i, suffix);
        if (this.#index++ % shard.of !== shard.index) continue;
        const edge = this.#make(name, hub, { ...alike, ...endpoints?.(name, i) });
        this.#joins(cohort, edge);
        waiting.push(edge);
      }
    }
    const { clock } = this.#options;
    const began = clock.monotonic();
    let next = 0;
    const joiner = async () => {
      while (next < waiting.length) {
        const due = rate === undefined ? 0 : began + next * 1000 / rate - clock.monotonic();
        const edge = waiting[next++] as Edge;
        if (due > 0) await sleep(clock, due, this.#stop.signal).catch(() => {});
        if (this.#stop.signal.aborted) return;
        edge.start();
        await Promise.all([edge.opened, edge.hub.firstRound]);
      }
    };
    await Promise.all(Array.from({ length: JOINS_AT_ONCE }, joiner));
  }

  /**
   * Adds an edge and starts it. It uses the fleet's credentials, or those given. `node` is the node name it connects with. Default:
   * its name.
   */
  add(name: string, hub: Partial<HubAddress> = {}, node = name): Edge {
    // An edge with a token of its own trusts the CA that it names, and enrols by itself.
    const { ca, issue, ...own } = this.#hub;
    const shared = { ...(ca === undefined ? {} : { ca }), ...(issue === undefined ? {} : { issue }) };
    this.#index++;
    const edge = this.#make(name, { ...own, ...(hub.token === undefined ? shared : {}), ...hub }, {}, node);
    const { suffix = "" } = this.#options;
    const bare = suffix !== "" && name.endsWith(suffix) ? name.slice(0, -suffix.length) : name;
    this.#joins(bare.replace(/-\d+$/, ""), edge);
    edge.start();
    return edge;
  }

  #joins(cohort: string, edge: Edge): void {
    const edges = this.#cohorts.get(cohort);
    if (edges === undefined) this.#cohorts.set(cohort, [edge]);
    else edges.push(edge);
  }

  #make(
    name: string,
    hub: HubAddress,
    alike: Partial<EdgeOptions>,
    node = name,
  ): Edge {
    const { clockOf, cohorts: _cohorts, rate: _rate, shard = { of: 1 }, sourceAddresses = [], ...deps } = this.#options;
    const index = this.#index;
    // The edges of one shard take turns among themselves: they all go to one hub.
    const sourceAddress = sourceAddresses[Math.floor(index / shard.of) % sourceAddresses.length];
    const address = `10.${(index >> 16) & 255}.${(index >> 8) & 255}.${index & 255}`;
    const edge = new Edge({
      ...deps,
      ...(clockOf === undefined ? {} : { clock: clockOf(name) }),
      ...alike,
      labels: { ...alike.labels, ...deps.labels },
      hub: sourceAddress === undefined ? hub : { ...hub, sourceAddress },
      name: node,
      address,
    });
    this.#edges.set(name, edge);
    return edge;
  }

  async #withCa(hub: HubAddress): Promise<HubAddress> {
    if (hub.token === undefined || hub.ca !== undefined) return hub;
    try {
      const server = `https://${hub.host}:${hub.httpsPort}`;
      return {
        ...hub,
        ca: await fetchCa({ server, token: hub.token, timeout: 10_000, signal: new AbortController().signal }),
      };
    } catch (error) {
      if (error instanceof EnrolmentError && error.isTransient) return hub;
      throw error;
    }
  }

  /** The edge of that name, if there is one. */
  get(name: string): Edge | undefined {
    return this.#edges.get(name);
  }

  /** The edges of a cohort; none where there is no such cohort. */
  cohort(name: string): Edge[] {
    return [...this.#cohorts.get(name) ?? []];
  }

  edges(): Edge[] {
    return [...this.#edges.values()];
  }

  /** Why the cloud refused these edges, where it has refused every one of them for good. */
  refusal(): string | undefined {
    const edges = this.#edges.values();
    return edges.some(({ hub }) => hub.refusal === undefined) ? undefined : this.#first?.hub.refusal;
  }

  /** Why the first of them isn't connected. */
  get problem(): string | undefined {
    return this.#first?.hub.problem;
  }

  get #first(): Edge | undefined {
    return this.#edges.values().next().value;
  }

  totals(): FleetTotals {
    const totals = {
      edges: this.#edges.size,
      connected: 0,
      ready: 0,
      podsRunning: 0,
      devices: 0,
      connections: 0,
      up: 0,
      down: 0,
    };
    for (const edge of this.#edges.values()) {
      if (edge.hub.isConnected) totals.connected++;
      if (edge.isReady) totals.ready++;
      totals.podsRunning += edge.pods.count("running");
      totals.devices += edge.devices.size;
      const { down, up } = edge.hub.traffic;
      totals.up += up;
      totals.down += down;
      totals.connections += edge.hub.connections;
    }
    return totals;
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await Promise.all([...this.#edges.values()].map((edge) => edge.stop()));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}
