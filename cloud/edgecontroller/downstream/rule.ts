// Rules and their endpoints to the router; they are never sent to an edge.
import type { KubeObject } from "../../../protocol/apis/kube-object.ts";
import { newMessage } from "../../../protocol/message/message.ts";
import { groups, modules, operations } from "../../../protocol/message/names.ts";
import { type LastSent, Reconciler } from "../../kube/reconciler.ts";
import { type Resource, resources } from "../../kube/resource.ts";
import type { DownstreamDeps, Follower } from "./downstream.ts";

/**
 * One of the two kinds. Paths are `rule/{name}` and `ruleendpoint/{name}`, as KubeEdge has them. A change comes as the end of
 * the old one and the beginning of the new: Go ignores changes.
 */
export class RuleFollower implements Follower {
  readonly #deps: DownstreamDeps;
  readonly #type: string;
  readonly #reconciler: Reconciler<LastSent>;

  constructor(deps: DownstreamDeps, resource: Resource) {
    this.#deps = deps;
    this.#type = resource.kind.toLowerCase();
    this.#reconciler = new Reconciler(deps.caches.of(resource), deps, {
      name: resource.plural,
      isMoved: ({ object }, rule) => JSON.stringify(object.spec) !== JSON.stringify(rule.spec),
      remove: ({ object }) => this.#send(operations.delete, object),
      send: async (object, before, key) => {
        if (before !== undefined) return;
        this.#reconciler.sent(key, { object });
        await this.#send(operations.insert, object);
      },
    });
  }

  start(): void {
    this.#reconciler.start();
  }

  stop(): void {
    this.#reconciler.stop();
  }

  async #send(operation: string, object: KubeObject): Promise<void> {
    const { bus, clock } = this.#deps;
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
export function ruleFollowers(deps: DownstreamDeps): RuleFollower[] {
  return [new RuleFollower(deps, resources.ruleendpoints), new RuleFollower(deps, resources.rules)];
}
