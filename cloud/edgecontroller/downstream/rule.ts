// Rules and their endpoints to the router's door; they never go to an edge.
import { keyOf, type KubeObject } from "../../../protocol/apis/kube-object.ts";
import { newMessage } from "../../../protocol/message/message.ts";
import { groups, modules, operations } from "../../../protocol/message/names.ts";
import type { Informer } from "../../kube/informer.ts";
import { type Resource, resources } from "../../kube/resource.ts";
import { WorkQueue } from "../../kube/work-queue.ts";
import type { DownstreamWorld, Follower } from "./downstream.ts";

/**
 * One of the two kinds. Paths are `rule/{name}` and `ruleendpoint/{name}`, as KubeEdge has them. A change comes as the end of
 * the old one and the beginning of the new: Go passes over changes.
 */
export class RuleFollower implements Follower {
  readonly #world: DownstreamWorld;
  readonly #type: string;
  readonly #informer: Informer;
  readonly #queue: WorkQueue;
  readonly #told = new Map<string, KubeObject>();

  constructor(world: DownstreamWorld, resource: Resource) {
    this.#world = world;
    this.#type = resource.kind.toLowerCase();
    this.#informer = world.caches.of(resource);
    this.#queue = new WorkQueue(resource.plural, world, (key) => this.#look(key));
  }

  start(): void {
    this.#informer.subscribe(({ object }) => this.#queue.add(keyOf(object)));
  }

  stop(): void {
    this.#queue.stop();
  }

  async #look(key: string): Promise<void> {
    const [namespace = "", name = ""] = key.split("/");
    const object = this.#informer.get(namespace, name);
    const told = this.#told.get(key);
    const isSame = told?.metadata.uid === object?.metadata.uid &&
      JSON.stringify(told?.spec) === JSON.stringify(object?.spec);
    if (isSame) return;
    if (told !== undefined) {
      this.#told.delete(key);
      await this.#tell(operations.delete, told);
    }
    if (object === undefined) return;
    this.#told.set(key, object);
    await this.#tell(operations.insert, object);
  }

  async #tell(operation: string, object: KubeObject): Promise<void> {
    const { bus, clock } = this.#world;
    await bus.send(
      modules.router,
      newMessage(clock.now(), {
        source: modules.edgecontroller,
        group: groups.resource,
        operation,
        resource: `${this.#type}/${object.metadata.name}`,
        content: object,
        version: object.metadata.resourceVersion ?? "",
      }),
    );
  }
}

/** Endpoints first: a rule without its endpoints has to wait for them. */
export function ruleFollowers(world: DownstreamWorld): RuleFollower[] {
  return [new RuleFollower(world, resources.ruleendpoints), new RuleFollower(world, resources.rules)];
}
