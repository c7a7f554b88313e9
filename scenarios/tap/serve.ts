// Opens the control endpoint of a running skep: its hops, its answers, its console, and the file by which it is found.
import { clientOf, followHops } from "../../base/control/follow.ts";
import { type RunFile, writeRunFile } from "../../base/control/run-file.ts";
import { type ControlServer, type PageFile, serveControl } from "../../base/control/server.ts";
import type { HopRing } from "../../base/hop/ring.ts";
import { type Logger, reasonOf } from "../../base/log/logger.ts";
import type { ListenOptions } from "../../base/transport/listen.ts";
import { version } from "../../base/version.ts";
import { limits } from "../../protocol/limits.ts";
import { maskHop } from "../../protocol/message/mask.ts";
import type { ActionTaker } from "./actions.ts";
import { answersOf } from "./api.ts";
import { wantsTraces } from "./wants-traces.ts";
import { JoinedSource, RemoteSource } from "./remote.ts";
import { RunView } from "./run-view.ts";
import type { TapSource } from "./source.ts";

/** Injected dependencies. */
export interface TapServerDeps {
  readonly what: string;
  readonly listen: ListenOptions;
  readonly ring: HopRing;
  readonly source: TapSource;
  readonly logger: Logger;
  readonly actions?: ActionTaker;
  /** Default: one that only marks actions. */
  readonly run?: RunView;
  /** Where the file is written by which it is found. Default: where `skep tap` looks. */
  readonly runFolder?: string;
  /** The console's files; absent for one without a page. */
  readonly file?: (path: string) => Promise<PageFile | undefined>;
}

/** A running endpoint, with those of its child processes joined to it. */
export interface TapServer extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  /** The console's address, with the token. */
  readonly address: string;
  /** Joins a child process: its hops come into this ring, its answers into this one's. Settles when it is joined, or has none. */
  join(pid: number): Promise<void>;
}

/** Opens it. A folder that can't be written costs the file, not the run. Rejects with ListenError. */
export async function serveTap(deps: TapServerDeps): Promise<TapServer> {
  const { logger, ring, source, what } = deps;
  const children = new Map<number, RemoteSource>();
  const joined = new JoinedSource(() => [source, ...children.values()]);
  const stop = new AbortController();
  const server = await serveControl({
    listen: deps.listen,
    limits,
    ring,
    masked: maskHop,
    answer: answersOf({
      what,
      ring,
      source: joined,
      now: Date.now,
      ...(deps.actions === undefined ? {} : { actions: deps.actions }),
      run: deps.run ?? new RunView(`skep ${what}`),
    }),
    ...(deps.file === undefined ? {} : { file: deps.file }),
  });
  // Parts of a run are traced by who started them.
  const isTraced = process.env.SKEP_PARENT === undefined && wantsTraces(process.env);
  const traces = isTraced ? await (await import("./traces.ts")).exportTraces(ring, what) : undefined;
  const removeFile = await writeRunFile(runFileOf(what, server), deps.runFolder).catch((error) => {
    logger.warn("this run can't be found by `skep tap`: its file can't be written", { error: reasonOf(error) });
    return () => {};
  });
  return {
    url: server.url,
    port: server.port,
    address: `${server.url}/?token=${server.token}`,
    async join(pid) {
      const client = await clientOf(pid, stop.signal);
      if (client === undefined) return;
      children.set(pid, new RemoteSource(client));
      followHops(client, ring, stop.signal, (error) => {
        logger.debug("a child's hops can't be had", { pid, error: reasonOf(error) });
        children.delete(pid);
      });
    },
    async [Symbol.asyncDispose]() {
      stop.abort();
      await traces?.[Symbol.asyncDispose]();
      removeFile();
      await server.stop();
    },
  };
}

function runFileOf(what: string, { token, url }: ControlServer): RunFile {
  const parent = Number(process.env.SKEP_PARENT);
  return {
    pid: process.pid,
    what,
    url,
    token,
    startedAt: Date.now(),
    version,
    ...(parent > 0 ? { parent } : {}),
  };
}
