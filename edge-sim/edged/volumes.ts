// The edge's CSI driver, as far as the cloud can tell: it makes, removes, attaches and detaches volumes that are only names.
import type { Clock } from "../../base/time/clock.ts";
import { type Message, newMessage, responseTo } from "../../protocol/message/message.ts";
import { groups, operations } from "../../protocol/message/names.ts";
import { at, textAt } from "../../protocol/apis/kube-object.ts";
import type { EdgeHub } from "../edgehub/edgehub.ts";

/** A volume this edge has made. */
export interface EdgeVolume {
  readonly name: string;
  readonly capacity: number;
  /** Nodes it is published to. */
  readonly publishedTo: ReadonlySet<string>;
}

/** Injected dependencies. */
export interface VolumesDeps {
  readonly hub: EdgeHub;
  readonly clock: Clock;
}

/** What the driver answers, in the JSON of Go's CSI structs. */
type CsiAnswer = Readonly<Record<string, unknown>>;

export class EdgeVolumes {
  readonly #deps: VolumesDeps;
  readonly #volumes = new Map<string, EdgeVolume>();

  constructor(deps: VolumesDeps) {
    this.#deps = deps;
  }

  /** The volumes there are, by their ids. */
  get all(): ReadonlyMap<string, EdgeVolume> {
    return this.#volumes;
  }

  /** Whether a message is for it. */
  static takes({ route }: Message): boolean {
    return Object.hasOwn(handlers, route.operation ?? "");
  }

  /** Carries out one operation and answers: base64 of the driver's JSON, or the reason as an error (notes 1, §6). */
  receive(message: Message): void {
    const { clock, hub } = this.#deps;
    const { operation = "", resource = "" } = message.route;
    try {
      const request: unknown = typeof message.content === "string" ? JSON.parse(message.content) : message.content;
      const answer = handlers[operation]?.(this.#volumes, request, resource.split("/").at(-1) ?? "") ?? {};
      hub.send(responseTo(clock.now(), message, Buffer.from(JSON.stringify(answer), "utf8").toString("base64")));
    } catch (error) {
      hub.send(newMessage(clock.now(), {
        source: message.route.source ?? "",
        group: groups.resource,
        operation: operations.error,
        resource,
        content: (error as Error).message,
        parent: message.header.msg_id,
      }));
    }
  }
}

const handlers: Readonly<
  Record<string, (volumes: Map<string, EdgeVolume>, request: unknown, id: string) => CsiAnswer>
> = {
  createvolume(volumes, request, id) {
    const capacity = Number(at(request, "capacityRange", "requiredBytes") ?? 0);
    const name = textAt(request, "name");
    volumes.set(id, { name, capacity, publishedTo: volumes.get(id)?.publishedTo ?? new Set() });
    return { volume: { ...(capacity === 0 ? {} : { capacity_bytes: capacity }), volume_id: id } };
  },
  // Removing or detaching what is not there is no error: the driver asks again after a timeout.
  deletevolume(volumes, _request, id) {
    volumes.delete(id);
    return {};
  },
  controllerpublishvolume(volumes, request, id) {
    const volume = volumes.get(id);
    if (volume === undefined) throw new Error(`rpc error: code = NotFound desc = volume ${id} does not exist`);
    volumes.set(id, { ...volume, publishedTo: new Set([...volume.publishedTo, textAt(request, "nodeId")]) });
    return {};
  },
  controllerunpublishvolume(volumes, request, id) {
    const volume = volumes.get(id);
    const left = [...volume?.publishedTo ?? []].filter((node) => node !== textAt(request, "nodeId"));
    if (volume !== undefined) volumes.set(id, { ...volume, publishedTo: new Set(left) });
    return {};
  },
};
