// Ports of this host that nothing listens on, for servers that can't choose one themselves.
import { randomInt } from "node:crypto";
import { createServer, type Server } from "node:net";

/** A command with `--port` takes the next ones, too. */
const BLOCK = 5;
/** Between KubeEdge's own ports and those that runs take for themselves, far from outgoing connections, which would take one meanwhile. */
const LOWEST = 11_000;
const BLOCKS = 1_800;
const TRIES = 100;

/** Each is the first of a block of five that is free now. `from`: this port alone, rejects where it is in use. */
export async function freePorts(count: number, from = 0): Promise<number[]> {
  if (from > 0) {
    await (await listening(from))[Symbol.asyncDispose]();
    return [from];
  }
  const found = new Set<number>();
  for (let tries = 0; tries < TRIES && found.size < count; tries++) {
    const first = LOWEST + BLOCK * randomInt(BLOCKS);
    if (await isFree(first)) found.add(first);
  }
  if (found.size < count) throw new Error(`there are no ${BLOCK} free ports in a row`);
  return [...found];
}

async function isFree(first: number): Promise<boolean> {
  await using held = new AsyncDisposableStack();
  try {
    for (let i = 0; i < BLOCK; i++) held.use(await listening(first + i));
    return true;
  } catch {
    return false;
  }
}

function listening(port: number): Promise<Server> {
  const server = createServer();
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", () => resolve(server));
  });
}
