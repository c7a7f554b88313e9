// The console and the control endpoint of `skep run`, loaded only when its first environment is open: the first message does not wait for them.
import { silentLogger } from "../base/log/logger.ts";
import { limits } from "../protocol/limits.ts";
import { consoleFile } from "../scenarios/console/console.ts";
import type { Environment } from "../scenarios/model/environment.ts";
import { recordFailure, RunTap } from "../scenarios/tap/run-tap.ts";
import { serveTap } from "../scenarios/tap/serve.ts";
import { ringOf } from "./ring.ts";

export { recordFailure };

/** What is told of a run. */
export interface OpenRunTap extends AsyncDisposable {
  opened(environment: Environment): void;
  closed(environment: Environment): void;
  mark(text: string): void;
}

export async function openRunTap(title: string): Promise<OpenRunTap> {
  const ring = ringOf(limits.servedHopBytes);
  const tap = new RunTap(ring, title);
  const server = await serveTap({
    what: "run",
    listen: { host: "127.0.0.1", port: 0, exact: false },
    ring,
    source: tap.source,
    logger: silentLogger,
    run: tap.view,
    file: consoleFile,
  });
  return {
    opened: (environment) => tap.opened(environment),
    closed: (environment) => tap.closed(environment),
    mark: (text) => tap.view.mark(text),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}
