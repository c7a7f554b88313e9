// The questions that a control endpoint answers under /api; the console and `skep tap` ask them.
import { type ControlCall, ControlError } from "../../base/control/server.ts";
import { hopFields } from "../../base/hop/fields.ts";
import type { HopRecord } from "../../base/hop/hop.ts";
import type { HopRing } from "../../base/hop/ring.ts";
import { version } from "../../base/version.ts";
import { inspectedKinds } from "../../cloud/inspector.ts";
import { hopNames } from "../../protocol/message/hops.ts";
import { maskHop } from "../../protocol/message/mask.ts";
import type { ActionTaker } from "./actions.ts";
import { AckTimes } from "./ack-times.ts";
import { chainOf, historyOf } from "./chain.ts";
import { parseObject } from "./objects.ts";
import type { RunView } from "./run-view.ts";
import { unseenOf } from "./time-line.ts";
import type { EdgeRow, TapSource } from "./source.ts";
import { explain } from "./why.ts";

/** Injected dependencies. */
export interface ApiDeps {
  /** The command that runs. */
  readonly what: string;
  readonly ring: HopRing;
  readonly source: TapSource;
  readonly now: () => number;
  readonly actions?: ActionTaker;
  /** What goes on; actions are marked in it. */
  readonly run: RunView;
}

/** Hops of a history that are shown, the latest. */
const SHOWN = 2000;

/** The answers of an endpoint. */
export function answersOf(deps: ApiDeps): (call: ControlCall) => Promise<unknown> {
  const startedAt = Date.now();
  const { actions, now, ring, source, what } = deps;
  const acks = new AckTimes(ring);
  const table: Readonly<Record<string, (call: ControlCall) => unknown>> = {
    "/api/about": () => ({
      what,
      pid: process.pid,
      version,
      startedAt,
      actions: actions?.names ?? [],
      tap: {
        isOn: ring.on !== undefined,
        position: ring.position,
        lost: ring.lost,
        bytes: ring.bytes,
        capacity: ring.capacity,
      },
    }),
    "/api/clock": () => ({ now: now() }),
    "/api/words": () => ({ fields: hopFields, hops: hopNames, kinds: inspectedKinds }),
    "/api/edges": async ({ query }) => pageOf(await source.edges(), query),
    "/api/gauges": async () => ({ ...await source.gauges(), ...acks.read() }),
    "/api/run": () => deps.run.facts(),
    "/api/objects": async ({ query }) => ({
      names: await source.names(query.get("kind") ?? "", query.get("search") ?? ""),
    }),
    "/api/where": ({ query }) => {
      const ref = parseObject(query.get("object") ?? "");
      const edge = query.get("edge");
      return edge === null ? source.where(ref) : source.delivery(ref, edge);
    },
    "/api/why": async ({ query }) => {
      const ref = parseObject(query.get("object") ?? "");
      const node = query.get("edge") ?? "";
      if (node === "") throw new ControlError(400, "edge=NAME is needed");
      const history = [...ring.since(0)].filter((hop) => hop.resource === "" ? hop.node === node : true);
      const why = explain({ ref, node, where: await source.delivery(ref, node), history, now: now() });
      return { ...why, hops: why.hops.map(maskHop) };
    },
    "/api/chain": ({ query }) => {
      const id = query.get("id") ?? "";
      if (id === "") throw new ControlError(400, "id=ID is needed");
      const hops = shown(chainOf(ring.since(0), id, query.get("edge") ?? ""));
      return { hops, unseen: unseenOf(hops) };
    },
    "/api/history": ({ query }) => {
      const node = query.get("edge");
      const hops = historyOf(ring.since(0), parseObject(query.get("object") ?? ""));
      const found = shown(node === null ? hops : hops.filter((hop) => hop.node === node || hop.node === ""));
      return { hops: found, unseen: unseenOf(found) };
    },
    "/api/actions": async ({ body, method }) => {
      if (method !== "POST") throw new ControlError(400, "an action is a POST");
      if (actions === undefined) throw new ControlError(409, `skep ${what} has nothing here that can be acted on`);
      await actions.take(body);
      deps.run.mark(JSON.stringify(body), now());
      return { done: true };
    },
  };
  return async (call) => {
    const handler = Object.hasOwn(table, call.path) ? table[call.path] : undefined;
    if (handler !== undefined) return await handler(call);
    const [, name] = /^\/api\/edges\/([^/]+)$/.exec(call.path) ?? [];
    if (name === undefined) return undefined;
    const page = await source.edge(decodeURIComponent(name));
    return page === undefined ? {} : { page };
  };
}

function shown(hops: readonly HopRecord[]): HopRecord[] {
  return hops.slice(-SHOWN).map(maskHop);
}

/** What rows are sorted by. */
const columns: Readonly<Record<string, (row: EdgeRow) => string | number>> = {
  node: (row) => row.node,
  state: (row) => stateOf(row),
  waiting: (row) => row.cloud?.waiting ?? 0,
  unacked: (row) => row.cloud?.unacked ?? 0,
  oldest: (row) => row.cloud?.oldest ?? 0,
  objects: (row) => row.edge?.objects ?? row.cloud?.records ?? 0,
  pods: (row) => row.edge?.pods ?? 0,
  devices: (row) => row.edge?.devices ?? 0,
  connections: (row) => row.edge?.connections ?? 0,
};

/** The rows that a table shows: those that contain `search`, in the order of `sort` (`-` before it: descending), `count` from `from` on. */
function pageOf(
  all: readonly EdgeRow[],
  query: URLSearchParams,
): { readonly total: number; readonly rows: readonly EdgeRow[] } {
  const search = (query.get("search") ?? "").toLowerCase();
  const rows = all.filter((row) => search === "" || `${row.node} ${stateOf(row)}`.toLowerCase().includes(search));
  const sort = query.get("sort");
  if (sort !== null) {
    const isDown = sort.startsWith("-");
    const column = columns[isDown ? sort.slice(1) : sort];
    if (column === undefined) throw new ControlError(400, `sort is one of ${Object.keys(columns).join(", ")}`);
    rows.sort((a, b) => compare(column(a), column(b)) * (isDown ? -1 : 1) || compare(a.node, b.node));
  }
  const from = Number(query.get("from") ?? 0) || 0;
  const count = query.get("count");
  return { total: rows.length, rows: rows.slice(from, count === null ? undefined : from + (Number(count) || 0)) };
}

const collator = new Intl.Collator("en", { numeric: true });

function compare(a: string | number, b: string | number): number {
  return typeof a === "number" && typeof b === "number" ? a - b : collator.compare(String(a), String(b));
}

/** One word. */
export function stateOf({ cloud, edge }: EdgeRow): string {
  if (edge?.isRunning === false) return "stopped";
  const isConnected = edge?.isConnected ?? cloud?.isConnected ?? false;
  if (!isConnected) return "away";
  return (edge?.isReady ?? true) && (cloud?.isReady ?? true) ? "ready" : "connected";
}
