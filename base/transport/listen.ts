// Opens a port, stepping around the ones in use unless the user asked for exactly this one.
import type { Server as NetServer } from "node:net";

/** Where to listen. `port` 0 takes any free one; `exact` fails instead of stepping to the next port. */
export interface ListenOptions {
  readonly host: string;
  readonly port: number;
  readonly exact: boolean;
  /** Ports that are somebody's although nobody listens there now: they are stepped around. */
  readonly avoid?: ReadonlySet<number>;
}

/**
 * One port of a block that begins at `first`: `first + offset`, exactly. Where no block is asked for it is `own`, stepped
 * around when taken; where `first` is 0, any free one.
 */
export function portOfBlock(first: number | undefined, offset: number, own: number): Omit<ListenOptions, "host"> {
  if (first === undefined || first === 0) return { port: first ?? own, exact: false };
  return { port: first + offset, exact: true };
}

/** How many ports are tried after the first. */
const STEPS = 200;

/** A port that could not be had; the message says which and why. */
export class ListenError extends Error {
  /** Whether the address is to blame, and not the port. */
  readonly isAddress: boolean;
  constructor(message: string, code: string | undefined) {
    super(message);
    this.name = "ListenError";
    this.isAddress = code !== "EADDRINUSE" && code !== "EACCES";
  }
}

/** Resolves with the port that was opened. */
export async function listen(server: NetServer, options: ListenOptions): Promise<number> {
  for (let step = 0;; step++) {
    const port = options.port === 0 ? 0 : options.port + step;
    if (!options.exact && options.avoid?.has(port) && step < STEPS) continue;
    const error = await tryListen(server, options.host, port);
    if (error === undefined) {
      const given = (server.address() as { port: number }).port;
      if (options.exact || !options.avoid?.has(given)) return given;
      await closeServer(server);
      continue;
    }
    const taken = error.code === "EADDRINUSE" || error.code === "EACCES";
    if (!taken || options.exact || options.port === 0 || step === STEPS) {
      const why = error.code === "EADDRINUSE" ? "it is in use" : error.message;
      throw new ListenError(`can't listen on ${options.host}:${port}: ${why}`, error.code);
    }
  }
}

function tryListen(server: NetServer, host: string, port: number): Promise<NodeJS.ErrnoException | undefined> {
  return new Promise((resolve) => {
    const failed = (error: NodeJS.ErrnoException) => {
      server.off("listening", opened);
      resolve(error);
    };
    const opened = () => {
      server.off("error", failed);
      resolve(undefined);
    };
    server.once("error", failed);
    server.once("listening", opened);
    server.listen(port, host);
  });
}

/** Stops listening and ends every connection; resolves when the last is gone. */
export function closeServer(server: NetServer & { closeAllConnections?(): void }): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections?.();
  });
}
