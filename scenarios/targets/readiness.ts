// Waits until the edges of a scenario are Ready, and reports why they are not.
import { SkepError } from "../../base/error/skep-error.ts";
import { type Clock, sleep } from "../../base/time/clock.ts";
import type { Edge } from "../../edge-sim/edge.ts";
import type { Fleet } from "../../edge-sim/fleet/fleet.ts";

/** Milliseconds, times the target's patience, for all edges to be Ready and have their devices. */
export const READY_MS = 30_000;

/** Milliseconds for the first edge to connect; after that the address is taken for wrong. */
const FIRST_CONNECTION_MS = 30_000;

/** Edges that were not Ready in time. */
export class NotReadyError extends SkepError {
  readonly code = "SKEP_NOT_READY";
}

/** A cloudcore that no edge can reach. */
export class UnreachableError extends SkepError {
  readonly code = "SKEP_CLOUDCORE_UNREACHABLE";
  constructor(reason: string) {
    super(`no edge could connect to the cloudcore within ${FIRST_CONNECTION_MS / 1000} s: ${reason}`);
  }
}

/** A cloudcore that refuses every edge: the token or the certificates are wrong. */
export class RefusedError extends SkepError {
  readonly code = "SKEP_CLOUDCORE_REFUSES";
  constructor(reason: string) {
    super(`the cloudcore refuses the edges: ${reason}`);
  }
}

/** Settles when all edges are Ready and have their devices, counted by `devicesOf`. Rejects with NotReadyError, UnreachableError or RefusedError. */
export async function untilReady(
  fleet: Fleet,
  devices: ReadonlyMap<string, number>,
  clock: Clock,
  ms: number,
  signal: AbortSignal,
  devicesOf: (edge: Edge) => number = (edge) => edge.devices.size,
): Promise<void> {
  const began = clock.now();
  const deadline = began + ms;
  for (;;) {
    const late = fleet.edges().filter((edge) => !edge.isReady || devicesOf(edge) < (devices.get(edge.name) ?? 0));
    if (late.length === 0) return;
    signal.throwIfAborted();
    const refusal = fleet.refusal();
    if (refusal !== undefined) throw new RefusedError(refusal);
    const { problem } = fleet;
    const isUnreachable = fleet.totals().connections === 0 && clock.now() - began > FIRST_CONNECTION_MS;
    if (isUnreachable && problem !== undefined) throw new UnreachableError(problem);
    if (clock.now() > deadline) {
      const [edge] = late;
      const why = edge?.hub.problem ?? (edge?.isReady ? "its devices have not arrived" : "its Node is not registered");
      throw new NotReadyError(
        `${late.length} of ${fleet.edges().length} edges were not ready within ${ms} ms; ${edge?.name}: ${why}`,
      );
    }
    await sleep(clock, 5, signal);
  }
}

/** Of an edge's devices those whose objects are in its store, too: membership, by which an edge has a device, comes first. */
export function devicesHeld(edge: Edge): number {
  const stored = [...edge.store.entries()].filter(([path]) => path.split("/")[1] === "device").length;
  return Math.min(stored, edge.devices.size);
}
