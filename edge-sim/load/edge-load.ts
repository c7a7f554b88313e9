// Load at the edges of one process: what they are made to do, and how long what they see took.
import type { HopRecord } from "../../base/hop/hop.ts";
import type { Clock, Timer } from "../../base/time/clock.ts";
import type { EdgeWatch } from "../edge.ts";
import type { Fleet } from "../fleet/fleet.ts";
import { FlowCounter, type FlowCounts } from "./flow-counts.ts";

/** Something that an edge is to do at a time: Unix milliseconds. */
export type EdgeOperation =
  | {
    readonly kind: "report";
    readonly at: number;
    readonly edge: string;
    readonly device: string;
    readonly property: string;
    readonly size: number;
  }
  | { readonly kind: "query"; readonly at: number; readonly edge: string; readonly path: string; readonly id: number };

/** A version of an object that some edges have stored: how many of them, and when the last one did. */
export interface StoredVersion {
  /** As on the wire: `namespace/configmap/name`. */
  readonly path: string;
  readonly version: string;
  readonly edges: number;
  readonly last: number;
}

/** A desired value that a device has taken. */
export interface AppliedValue {
  /** `namespace/name` of the device. */
  readonly device: string;
  readonly value: string;
  readonly at: number;
}

/** What happened since the last report. */
export interface EdgeLoadReport {
  readonly flows: Readonly<Record<string, FlowCounts>>;
  readonly stored: readonly StoredVersion[];
  readonly applied: readonly AppliedValue[];
  /** Ids of queries that have ended, answered or not. */
  readonly ended: readonly number[];
  /** Reports that could not be made. */
  readonly unreported: readonly { readonly device: string; readonly at: number }[];
  /** Operations that could not be done, by reason. */
  readonly errors: Readonly<Record<string, number>>;
  /** Connections lost since the last report. */
  readonly losses: number;
}

/** Requests of edges whose answers are waited for; beyond it the oldest are given up. */
const MAX_ASKED = 50_000;
/** Applied values that wait to be reported; a fleet that is asked for more has them dropped, which shows as lost. */
const MAX_APPLIED = 100_000;
/** Ends the time in the value of a report; the rest fills it up to its size. Values of numbers are the time alone, with size 0. */
export const VALUE_END = ":";

/** What the edges of one process do and see. `onHop` takes the fleet's hops, `watch` is the fleet's. */
export class EdgeLoad {
  readonly #clock: Clock;
  /** Milliseconds between two renewals of a lease, at most. */
  readonly #lease: number;
  readonly #flows = new FlowCounter();
  readonly #begun = new Map<string, { readonly at: number; readonly isAgain: boolean; isConnected: boolean }>();
  readonly #renewed = new Map<string, number>();
  readonly #asked = new Map<string, { readonly at: number; readonly node: string }>();
  #stored = new Map<string, { path: string; version: string; edges: number; last: number }>();
  #applied: AppliedValue[] = [];
  #errors: Record<string, number> = {};
  #ended: number[] = [];
  #unreported: { device: string; at: number }[] = [];
  #losses = 0;
  readonly #timers = new Set<Timer>();

  constructor(clock: Clock, lease: number) {
    this.#clock = clock;
    this.#lease = lease;
  }

  /** Times joins and returns. */
  readonly watch: EdgeWatch = {
    started: (edge) => void this.#begun.set(edge, { at: this.#clock.now(), isAgain: false, isConnected: false }),
    connected: (edge) => {
      const begun = this.#begun.get(edge);
      if (begun === undefined || begun.isConnected) return;
      begun.isConnected = true;
      if (!begun.isAgain) this.#flows.add("join", this.#clock.now() - begun.at);
    },
    disconnected: (edge) => {
      this.#losses++;
      this.#renewed.delete(edge);
      // Where it comes and goes before it is back, all of that is one return.
      if (this.#begun.get(edge)?.isAgain !== true) {
        this.#begun.set(edge, { at: this.#clock.now(), isAgain: true, isConnected: false });
      }
    },
    registered: (edge) => {
      const begun = this.#begun.get(edge);
      if (begun === undefined) return;
      this.#begun.delete(edge);
      this.#flows.add(begun.isAgain ? "reconnect" : "ready", this.#clock.now() - begun.at);
    },
  };

  /** Times leases, and notes what edges store and devices take. */
  readonly onHop = (record: HopRecord): void => {
    switch (record.hop) {
      case "edge.write":
        if (record.parent === "" && record.resource.includes("/lease/")) this.#leaseWritten(record);
        return;
      case "edge.read":
        if (record.parent !== "") this.#answered(record);
        return;
      case "edge.store":
        if (record.resource.includes("/configmap/")) this.#noteStored(record);
        return;
      case "device.apply":
        this.#noteApplied(record);
    }
  };

  /** Does them at their times; what is due already at once. Each is timed from when it was due. */
  operate(fleet: Fleet, operations: readonly EdgeOperation[]): void {
    for (const operation of operations) {
      const wait = operation.at - this.#clock.now();
      if (wait <= 0) this.#do(fleet, operation);
      else {
        const timer = this.#clock.after(wait, () => {
          this.#timers.delete(timer);
          this.#do(fleet, operation);
        });
        this.#timers.add(timer);
      }
    }
  }

  /** What happened since the last call. */
  report(): EdgeLoadReport {
    const report = {
      flows: this.#flows.take(),
      stored: [...this.#stored.values()],
      applied: this.#applied,
      errors: this.#errors,
      ended: this.#ended,
      unreported: this.#unreported,
      losses: this.#losses,
    };
    this.#stored = new Map();
    this.#applied = [];
    this.#errors = {};
    this.#ended = [];
    this.#unreported = [];
    this.#losses = 0;
    return report;
  }

  stop(): void {
    for (const timer of this.#timers) timer.cancel();
    this.#timers.clear();
  }

  #do(fleet: Fleet, operation: EdgeOperation): void {
    const edge = fleet.get(operation.edge);
    this.#flows.add("generator.late", this.#clock.now() - operation.at);
    if (edge === undefined || !edge.hub.isConnected) return this.#failed(operation, "the edge is not connected");
    try {
      if (operation.kind === "report") {
        const { at, device, property, size } = operation;
        edge.devices.report(device, property, size === 0 ? String(at) : `${at}${VALUE_END}`.padEnd(size, "x"));
        return;
      }
      edge.query(operation.path).then(
        () => {
          this.#ended.push(operation.id);
          this.#flows.add("query.answered", this.#clock.now() - operation.at);
        },
        (error: Error) => this.#failed(operation, error.message),
      );
    } catch (error) {
      this.#failed(operation, (error as Error).message);
    }
  }

  #failed(operation: EdgeOperation, why: string): void {
    if (operation.kind === "query") this.#ended.push(operation.id);
    else this.#unreported.push({ device: operation.device, at: operation.at });
    const reason = `${operation.kind}: ${why}`;
    this.#errors[reason] = (this.#errors[reason] ?? 0) + 1;
  }

  #leaseWritten({ id, node, operation, time }: HopRecord): void {
    if (operation !== "update") return;
    // Due a period after the one before; the first one at once.
    const before = this.#renewed.get(node);
    this.#renewed.set(node, time);
    if (this.#asked.size >= MAX_ASKED) this.#asked.delete(this.#asked.keys().next().value as string);
    this.#asked.set(id, { at: before === undefined ? time : Math.min(time, before + this.#lease), node });
  }

  #answered({ parent, time }: HopRecord): void {
    const asked = this.#asked.get(parent);
    if (asked === undefined) return;
    this.#asked.delete(parent);
    this.#flows.add("lease.late", time - asked.at);
  }

  #noteStored({ outcome, resource, time, version }: HopRecord): void {
    if (outcome !== "put") return;
    const key = `${resource} ${version}`;
    const known = this.#stored.get(key);
    if (known === undefined) this.#stored.set(key, { path: resource, version, edges: 1, last: time });
    else {
      known.edges++;
      known.last = time;
    }
  }

  #noteApplied({ outcome, resource, time }: HopRecord): void {
    if (this.#applied.length >= MAX_APPLIED) return;
    // device/NAMESPACE/NAME/PROPERTY
    const device = resource.split("/").slice(1, -1).join("/");
    this.#applied.push({ device, value: outcome, at: time });
  }
}
