// Joins the hops of another process of this machine into a ring of ours, on our clock.
import type { HopRecord } from "../hop/hop.ts";
import type { HopRing } from "../hop/ring.ts";
import { ControlClient } from "./client.ts";
import { readRunFile, type RunFile } from "./run-file.ts";

/** Milliseconds that a process has to open its endpoint. */
const JOIN_MS = 15_000;
const LOOK_MS = 100;
const EVERYTHING = 1e15 - 1;

/** The endpoint of a process; undefined where it does not open one in time. */
export async function clientOf(pid: number, signal: AbortSignal): Promise<ControlClient | undefined> {
  const until = performance.now() + JOIN_MS;
  let file: RunFile | undefined;
  while (file === undefined && !signal.aborted && performance.now() < until) {
    file = await readRunFile(pid);
    if (file === undefined) await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
  return file && new ControlClient(file.url, file.token);
}

/**
 * Takes the process's hops into the ring while the ring takes any: a process whose own ring is on demand is left alone otherwise.
 * `failed` is called when they can't be had any more. The offset of its clock is measured first.
 */
export function followHops(
  client: ControlClient,
  ring: HopRing,
  signal: AbortSignal,
  failed: (error: unknown) => void,
): void {
  let reading: AbortController | undefined;
  const read = async (own: AbortSignal) => {
    const offset = await client.clockOffset();
    const take = (hop: HopRecord) => ring.push({ ...hop, time: hop.time - offset });
    await client.hops({ last: EVERYTHING, reveal: true }, take, AbortSignal.any([signal, own]));
  };
  ring.watch((isOn) => {
    reading?.abort();
    reading = isOn ? new AbortController() : undefined;
    if (reading === undefined || signal.aborted) return;
    const own = reading.signal;
    read(own).catch((error) => own.aborted || signal.aborted || failed(error));
  });
}
