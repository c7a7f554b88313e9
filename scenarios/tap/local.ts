// Answers about what runs in this process: its cloudcore, its edges.
import { heldVersion, summaryOf, viewOf } from "../../edge-sim/edge-view.ts";
import type { Edge } from "../../edge-sim/edge.ts";
import type { Inspector } from "../../cloud/inspector.ts";
import type { LogRing } from "../../base/log/log-ring.ts";
import { kindNamed } from "./objects.ts";
import type { Delivery, EdgePage, EdgeRow, HoldingView, LogLine, ObjectRef, TapSource, Where } from "./source.ts";

/** Counters and gauges by name. */
type Gauges = Readonly<Record<string, number>>;

/** What there is in this process; all of it may come and go. */
export interface LocalParts {
  readonly cloud?: () => Inspector | undefined;
  readonly edges?: () => readonly Edge[];
  readonly edge?: (name: string) => Edge | undefined;
  readonly gauges?: () => Gauges | Promise<Gauges>;
  readonly logs?: LogRing;
}

/** Names in one answer. */
const NAMES = 200;
const LOG_LINES = 200;

export class LocalSource implements TapSource {
  readonly #parts: LocalParts;

  constructor(parts: LocalParts) {
    this.#parts = parts;
  }

  edges(): Promise<EdgeRow[]> {
    const rows = new Map<string, EdgeRow>();
    const cloud = this.#parts.cloud?.();
    for (const node of cloud?.nodeNames() ?? []) {
      rows.set(node, { node, ...(cloud === undefined ? {} : { cloud: cloud.node(node) }) });
    }
    for (const edge of this.#parts.edges?.() ?? []) {
      rows.set(edge.name, { ...rows.get(edge.name) ?? { node: edge.name }, edge: summaryOf(edge) });
    }
    return Promise.resolve([...rows.values()]);
  }

  edge(node: string): Promise<EdgePage | undefined> {
    const cloud = this.#parts.cloud?.();
    const edge = this.#parts.edge?.(node);
    const seen = cloud?.node(node);
    if (edge === undefined && (seen === undefined || !(seen.isKnown || seen.isConnected))) {
      return Promise.resolve(undefined);
    }
    const view = edge === undefined ? undefined : viewOf(edge);
    return Promise.resolve({
      node,
      ...(seen === undefined ? {} : { cloud: seen }),
      ...(view === undefined ? {} : { edge: view }),
      holdings: holdingsOf(cloud?.wantedOn(node), view?.held),
      log: this.#logOf(node),
    });
  }

  names(kind: string, search: string): Promise<ObjectRef[]> {
    const known = kindNamed(kind);
    return Promise.resolve(known === undefined ? [] : this.#parts.cloud?.()?.names(known, search, NAMES) ?? []);
  }

  where(ref: ObjectRef): Promise<Where> {
    const cloud = this.#parts.cloud?.();
    const found = cloud?.where(ref);
    const deliveries = new Map<string, Delivery>(
      found?.deliveries.map((each) => [each.node.node, this.#withEdge({ node: each.node.node, cloud: each }, ref)]),
    );
    // An edge that cloudcore does not expect to hold it may hold it all the same.
    for (const edge of this.#parts.edges?.() ?? []) {
      if (deliveries.has(edge.name) || heldVersion(edge, ref.kind, ref.namespace, ref.name) === undefined) continue;
      const delivery = cloud === undefined ? {} : { cloud: cloud.delivery(ref, edge.name) };
      deliveries.set(edge.name, this.#withEdge({ node: edge.name, ...delivery }, ref));
    }
    return Promise.resolve({
      ...(found?.object === undefined ? {} : { object: found.object }),
      ...(found?.watchProblem === undefined ? {} : { watchProblem: found.watchProblem }),
      deliveries: [...deliveries.values()],
      hasCloud: cloud !== undefined,
    });
  }

  delivery(ref: ObjectRef, node: string): Promise<Where> {
    const cloud = this.#parts.cloud?.();
    const object = cloud?.object(ref);
    const watchProblem = cloud?.watchProblem(ref.kind);
    const delivery = cloud === undefined ? {} : { cloud: cloud.delivery(ref, node) };
    return Promise.resolve({
      ...(object === undefined ? {} : { object }),
      ...(watchProblem === undefined ? {} : { watchProblem }),
      deliveries: [this.#withEdge({ node, ...delivery }, ref)],
      hasCloud: cloud !== undefined,
    });
  }

  async gauges(): Promise<Gauges> {
    return await this.#parts.gauges?.() ?? {};
  }

  #withEdge(delivery: Delivery, ref: ObjectRef): Delivery {
    const edge = this.#parts.edge?.(delivery.node);
    if (edge === undefined) return delivery;
    const held = heldVersion(edge, ref.kind, ref.namespace, ref.name);
    const seen = { summary: summaryOf(edge), faults: edge.link.faults, ...(held === undefined ? {} : { held }) };
    return { ...delivery, edge: seen };
  }

  #logOf(node: string): LogLine[] {
    return (this.#parts.logs?.about(node, LOG_LINES) ?? []).map(({ fields, level, message, time }) => {
      const { edge: _edge, node: _node, ...others } = fields;
      const facts = Object.entries(others).map(([name, value]) => `${name}=${String(value)}`);
      return { time, level, text: [message, ...facts].join(" ") };
    });
  }
}

/** What an edge should hold beside what it holds; each side may be unknown. */
export function holdingsOf(
  wanted: readonly (ObjectRef & { readonly version: string; readonly uid: string })[] | undefined,
  held:
    | readonly {
      readonly kind: string;
      readonly namespace: string;
      readonly name: string;
      readonly version: string;
      readonly uid: string;
    }[]
    | undefined,
): HoldingView[] {
  const keyOf = ({ kind, name, namespace }: { kind: string; namespace: string; name: string }) =>
    `${kind}/${namespace}/${name}`;
  const stored = new Map(held?.map((each) => [keyOf(each), each]));
  const found: HoldingView[] = [];
  for (const { kind, name, namespace, uid, version } of wanted ?? []) {
    const has = stored.get(keyOf({ kind, name, namespace }));
    stored.delete(keyOf({ kind, name, namespace }));
    const isSame = has !== undefined && has.uid === uid && has.version === version;
    const state = held === undefined ? "not seen" : has === undefined ? "missing" : isSame ? "same" : "stale";
    found.push({ kind, namespace, name, wanted: version, ...(has === undefined ? {} : { held: has.version }), state });
  }
  for (const { kind, name, namespace, version } of stored.values()) {
    // An edge always has its own Node, which is no object of others.
    const state = wanted === undefined || kind === "node" ? "not seen" : "extra";
    found.push({ kind, namespace, name, held: version, state });
  }
  return found;
}
