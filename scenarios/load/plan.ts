// What a profile will do to its target and to this machine, told before it starts; and what this machine can't do.
import { freemem } from "node:os";
import { readFile } from "node:fs/promises";
import { edgesPerProcess, type Machine } from "../../edge-sim/fleet/machine.ts";
import { edgecoreTimings } from "../../edge-sim/timings/timings.ts";
import { spoken } from "../files/duration.ts";
import { SkepError } from "../../base/error/skep-error.ts";
import { durationOf, edgesOf, type LoadProfile, type OperationKind, type Phase } from "./profile.ts";
import { objectCount, type Prepared } from "./setup.ts";

/** A run that this machine can't make; the message says what would help. */
export class TooLargeError extends SkepError {
  readonly code = "SKEP_TOO_LARGE";
}

/** What a run will make. Rates are a second, at their highest; memory is bytes on this machine. */
export interface Plan {
  readonly edges: number;
  readonly processes: number;
  readonly hubs: number;
  /** Addresses that edges connect from; 0 where the system chooses one. */
  readonly sourceAddresses: number;
  readonly objects: number;
  /** By what it is: messages a second. */
  readonly up: Readonly<Record<string, number>>;
  readonly down: Readonly<Record<string, number>>;
  readonly apiCalls: number;
  readonly memory: number;
  readonly duration: number;
}

/** Bytes that an edge takes, measured: here, in our cloudcore, in the embedded API; and a pod in the last two. */
const EDGE_BYTES = 200_000;
const CLOUDCORE_EDGE_BYTES = 140_000;
const API_EDGE_BYTES = 50_000;
const POD_BYTES = 40_000;
/** Bytes of each process without edges. */
const PROCESS_BYTES = 150_000_000;

/** Calls of the API that one operation makes, on both sides: ours, and those of the cloudcore for its edges. */
const callsOf: Readonly<Record<OperationKind, (users: number) => number>> = {
  // Created, recorded, its statuses patched, deleted by us and by its edge.
  pods: () => 8,
  restarts: () => 8,
  configmaps: (users) => 1 + users,
  reports: () => 1,
  desired: () => 2,
  queries: () => 1,
};
/** Messages from and to edges that one operation makes. */
const upOf: Readonly<Record<OperationKind, (users: number) => number>> = {
  pods: () => 6,
  restarts: () => 6,
  configmaps: (users) => users,
  reports: () => 1,
  desired: () => 2,
  queries: () => 2,
};
const downOf: Readonly<Record<OperationKind, (users: number) => number>> = {
  pods: () => 5,
  restarts: () => 5,
  configmaps: (users) => users,
  reports: () => 1,
  desired: () => 1,
  queries: () => 1,
};

/** The highest load of a phase, operations a second; a closed phase's depends on the target. */
function highest({ from, model, to }: Phase): number {
  return model === "open" ? Math.max(from, to) : 0;
}

/** What a profile will make. */
export function planOf(
  profile: LoadProfile,
  prepared: Prepared,
  spread: Pick<Plan, "processes" | "hubs" | "sourceAddresses">,
  timeScale: number,
  isOurs: boolean,
): Plan {
  const edges = edgesOf(profile);
  const { heartbeat, lease, nodeStatus } = { ...edgecoreTimings, ...profile.timings };
  const beats = (every: number) => edges * 1000 * timeScale / every;
  const up: Record<string, number> = {
    keepalives: beats(heartbeat),
    leases: beats(lease),
    acknowledgements: beats(lease) + beats(nodeStatus),
    "node statuses": beats(nodeStatus),
  };
  const down: Record<string, number> = { answers: beats(lease) + beats(nodeStatus) };
  let apiCalls = beats(lease) + beats(nodeStatus);
  const rate = Math.max(0, ...profile.phases.map(highest));
  const shares = profile.mix.reduce((sum, { share }) => sum + share, 0);
  const users = prepared.configmaps[0]?.users ?? 0;
  for (const mix of profile.mix) {
    const each = rate * mix.share / Math.max(shares, Number.MIN_VALUE);
    const ofKind = mix.kind === "configmaps" ? users : 1;
    up[mix.kind] = each * upOf[mix.kind](ofKind);
    down[mix.kind] = each * downOf[mix.kind](ofKind);
    apiCalls += each * callsOf[mix.kind](ofKind);
  }
  const pods = prepared.standing.length;
  const memory = edges * (EDGE_BYTES + (isOurs ? CLOUDCORE_EDGE_BYTES + API_EDGE_BYTES : 0)) +
    (isOurs ? pods * POD_BYTES : 0) + (spread.processes + (isOurs ? spread.hubs + 2 : 1)) * PROCESS_BYTES;
  return {
    edges,
    ...spread,
    objects: objectCount(profile, prepared),
    up,
    down,
    apiCalls,
    memory,
    duration: durationOf(profile),
  };
}

/** The plan in lines for people. */
export function planLines(plan: Plan, profile: LoadProfile): string[] {
  const { apiCalls, down, duration, edges, hubs, memory, objects, processes, sourceAddresses, up } = plan;
  const sum = (rates: Readonly<Record<string, number>>) =>
    Object.values(rates).reduce((total, rate) => total + rate, 0);
  const parts = (rates: Readonly<Record<string, number>>) =>
    Object.entries(rates).filter(([, rate]) => rate > 0).map(([name, rate]) => `${name} ${number(rate)}`).join(", ");
  const closed = profile.phases.filter(({ model }) => model === "closed").map(({ from, to }) => Math.max(from, to));
  return [
    `${edges} connections, from ${processes} ${processes === 1 ? "process" : "processes"}${
      hubs === 1 ? "" : `, to ${hubs} hubs`
    }${
      sourceAddresses === 0 ? "" : `, from ${sourceAddresses} ${sourceAddresses === 1 ? "address" : "addresses"}`
    }; ${objects} objects made before it begins`,
    `at most ${number(sum(up))} messages/s up (${parts(up)}) and ${number(sum(down))} down (${parts(down)})`,
    `at most ${number(apiCalls)} calls of the API a second`,
    ...closed.length === 0 ? [] : [`and what ${Math.max(...closed)} users make, who each wait for the target`],
    `${spoken(duration)} in ${profile.phases.length} ${
      profile.phases.length === 1 ? "phase" : "phases"
    }, once all edges are Ready; about ${(memory / 1e9).toFixed(1)} GB of memory here`,
  ];
}

function number(rate: number): string {
  return rate >= 100 ? String(Math.round(rate)) : String(Math.round(rate * 10) / 10);
}

/** Throws TooLargeError where this machine has not what the plan needs; the message says what would help. */
export function refusePlan(plan: Plan, machine: Machine, available: number): void {
  const { edges, memory, processes } = plan;
  const each = Math.ceil(edges / processes);
  if (each > edgesPerProcess(machine)) {
    throw new TooLargeError(
      `${each} edges in a process are too many here, where it may have ${machine.descriptors} descriptors: say ulimit -n ${
        each + 1000
      } before, or --processes ${Math.ceil(edges / edgesPerProcess(machine))}`,
    );
  }
  const ports = (machine.ports ?? Infinity) * Math.max(1, plan.sourceAddresses);
  if (Math.ceil(edges / plan.hubs) > ports) {
    throw new TooLargeError(
      `${edges} edges are too many for ${
        plan.sourceAddresses > 1 ? `${plan.sourceAddresses} addresses` : "one address"
      } of this machine, which has ${machine.ports} local ports to one hub: name several (--source-address A --source-address B), widen net.ipv4.ip_local_port_range, or say --edges ${
        ports * plan.hubs
      }`,
    );
  }
  if (memory > available) {
    const fitting = Math.floor(edges * available / memory / 100) * 100;
    throw new TooLargeError(
      `about ${(memory / 1e9).toFixed(1)} GB of memory are needed here, and ${
        (available / 1e9).toFixed(1)
      } GB are free: say --edges ${Math.max(100, fitting)}, or run the cloudcore on another machine (--cloudcore)`,
    );
  }
}

/** Bytes of memory that a new process could have here. */
export async function availableMemory(): Promise<number> {
  const text = await readFile("/proc/meminfo", "utf8").catch(() => "");
  const [, kib] = /^MemAvailable:\s+(\d+) kB/m.exec(text) ?? [];
  return kib === undefined ? freemem() : Number(kib) * 1024;
}
