// Ports for the environments of a run: a free block each, reserved also while nothing listens there.
import { randomInt } from "node:crypto";
import { createServer } from "node:net";
import { closeServer, listen, ListenError } from "../../base/transport/listen.ts";
import { StepFailure } from "../model/step-failure.ts";

/** Ports of a block: API, hub, enrolment, console, metrics. */
const BLOCK = 5;
/**
 * Blocks lie between this port and the range of outgoing connections (32768 on Linux): an outgoing connection could otherwise take
 * a port while its cloudcore or API server restarts.
 */
const LOWEST_PORT = 20_000;
const BLOCKS = 2_400;
const TRIES = 50;

/** Blocks in use by this process. Another process picks the same one with a probability of 1 in 2,400. */
const held = new Set<number>();

/**
 * The first port of a block that is free now. KubeEdge's own ports are not used: of two runs on one machine one would take the port of
 * the other's cloudcore while that restarts.
 */
export async function holdBlock(host: string, cleanup: AsyncDisposableStack): Promise<number> {
  for (let tries = 0; tries < TRIES; tries++) {
    const first = LOWEST_PORT + BLOCK * randomInt(BLOCKS);
    if (held.has(first)) continue;
    held.add(first);
    cleanup.defer(() => void held.delete(first));
    if (await isFree(host, first)) return first;
  }
  throw new StepFailure(`there are no ${BLOCK} free ports in a row`);
}

async function isFree(host: string, first: number): Promise<boolean> {
  const servers = Array.from({ length: BLOCK }, () => createServer());
  try {
    for (const [i, server] of servers.entries()) await listen(server, { host, port: first + i, exact: true });
    return true;
  } catch (error) {
    if (error instanceof ListenError && error.isAddress) throw error;
    return false;
  } finally {
    for (const server of servers) if (server.listening) await closeServer(server);
  }
}
