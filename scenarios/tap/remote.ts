// Answers about what runs in other processes, asked at their control endpoints; and several sources as one.
import type { ControlClient } from "../../base/control/client.ts";
import { holdingsOf } from "./local.ts";
import type { Delivery, EdgePage, EdgeRow, ObjectRef, TapSource, Where } from "./source.ts";

/** Another skep. Its calls reject with ControlClientError. */
export class RemoteSource implements TapSource {
  readonly #client: ControlClient;

  constructor(client: ControlClient) {
    this.#client = client;
  }

  async edges(): Promise<EdgeRow[]> {
    return (await this.#client.get<{ readonly rows: EdgeRow[] }>("/api/edges")).rows;
  }

  async edge(node: string): Promise<EdgePage | undefined> {
    return await this.#client.get<{ readonly page?: EdgePage }>(`/api/edges/${encodeURIComponent(node)}`).then((
      { page },
    ) => page);
  }

  async names(kind: string, search: string): Promise<ObjectRef[]> {
    return (await this.#client.get<{ readonly names: ObjectRef[] }>("/api/objects", { kind, search })).names;
  }

  async where(ref: ObjectRef): Promise<Where> {
    return await this.#client.get<Where>("/api/where", { object: textOf(ref) });
  }

  async delivery(ref: ObjectRef, node: string): Promise<Where> {
    return await this.#client.get<Where>("/api/where", { object: textOf(ref), edge: node });
  }

  async gauges(): Promise<Readonly<Record<string, number>>> {
    return await this.#client.get("/api/gauges");
  }
}

/** Several sources, each of which sees a part: a cloudcore here, edges there. One that has ended meanwhile is left out. */
export class JoinedSource implements TapSource {
  readonly #sources: () => readonly TapSource[];

  constructor(sources: () => readonly TapSource[]) {
    this.#sources = sources;
  }

  async edges(): Promise<EdgeRow[]> {
    const rows = new Map<string, EdgeRow>();
    for (const row of (await this.#all((source) => source.edges())).flat()) {
      rows.set(row.node, { ...rows.get(row.node), ...row });
    }
    return [...rows.values()];
  }

  async edge(node: string): Promise<EdgePage | undefined> {
    const pages = (await this.#all((source) => source.edge(node))).filter((page) => page !== undefined);
    if (pages.length < 2) return pages[0];
    const cloud = pages.find((page) => page.cloud !== undefined);
    const edge = pages.find((page) => page.edge !== undefined);
    const wanted = cloud?.holdings.filter((each) => each.wanted !== undefined);
    const held = edge?.edge?.held ?? [];
    // Uids of the cloud's side are not handed on: the same version of the same name is the same object.
    const uidOf = (kind: string, name: string, version: string) =>
      held.find((each) => each.kind === kind && each.name === name && each.version === version)?.uid ?? "";
    return {
      node,
      ...(cloud?.cloud === undefined ? {} : { cloud: cloud.cloud }),
      ...(edge?.edge === undefined ? {} : { edge: edge.edge }),
      holdings: holdingsOf(
        wanted?.map(({ kind, name, namespace, wanted: version = "" }) =>
          ({ kind, name, namespace, version, uid: uidOf(kind, name, version) }) as ObjectRef & {
            version: string;
            uid: string;
          }
        ),
        held,
      ),
      log: pages.flatMap(({ log }) => log).sort((a, b) => a.time - b.time),
    };
  }

  async names(kind: string, search: string): Promise<ObjectRef[]> {
    const all = (await this.#all((source) => source.names(kind, search))).flat();
    return [...new Map(all.map((ref) => [textOf(ref), ref])).values()];
  }

  async where(ref: ObjectRef): Promise<Where> {
    return joined(await this.#all((source) => source.where(ref)));
  }

  async delivery(ref: ObjectRef, node: string): Promise<Where> {
    return joined(await this.#all((source) => source.delivery(ref, node)));
  }

  async gauges(): Promise<Readonly<Record<string, number>>> {
    const total: Record<string, number> = {};
    for (const gauges of await this.#all((source) => source.gauges())) {
      for (const [name, value] of Object.entries(gauges)) total[name] = (total[name] ?? 0) + value;
    }
    return total;
  }

  async #all<T>(ask: (source: TapSource) => Promise<T>): Promise<T[]> {
    const answers = await Promise.allSettled(this.#sources().map(ask));
    return answers.filter((answer) => answer.status === "fulfilled").map(({ value }) => value);
  }
}

/** Each part of an answer from the process that has it. */
function joined(parts: readonly Where[]): Where {
  const deliveries = new Map<string, Delivery>();
  for (const delivery of parts.flatMap((part) => part.deliveries)) {
    deliveries.set(delivery.node, { ...deliveries.get(delivery.node), ...delivery });
  }
  const object = parts.find((part) => part.object !== undefined)?.object;
  const watchProblem = parts.find((part) => part.watchProblem !== undefined)?.watchProblem;
  return {
    ...(object === undefined ? {} : { object }),
    ...(watchProblem === undefined ? {} : { watchProblem }),
    deliveries: [...deliveries.values()],
    hasCloud: parts.some((part) => part.hasCloud),
  };
}

function textOf({ kind, name, namespace }: ObjectRef): string {
  return namespace === "" ? `${kind}/${name}` : `${kind}/${namespace}/${name}`;
}
