// What a node of v1.1 is sent when it connects or becomes Ready: all services, the pods behind them, and all endpoints.
import { type KubeObject, listAt, textAt } from "../../../protocol/apis/kube-object.ts";
import { newMessage } from "../../../protocol/message/message.ts";
import { groups, modules, operations, resourceTypes } from "../../../protocol/message/names.ts";
import { nodePath } from "../../../protocol/resource/path.ts";
import { resources } from "../../kube/resource.ts";
import { WorkQueue } from "../../kube/work-queue.ts";
import type { DownstreamDeps, Follower } from "../downstream/downstream.ts";
import type { ServiceIndex } from "./service-index.ts";

/** KubeEdge's own word in the place of the namespace in the paths of these lists. */
const ANY_NAMESPACE = "namespace";

export class ServiceListsFollower implements Follower {
  readonly #deps: DownstreamDeps;
  readonly #index: ServiceIndex;
  readonly #queue: WorkQueue;

  constructor(deps: DownstreamDeps, index: ServiceIndex) {
    this.#deps = deps;
    this.#index = index;
    this.#queue = new WorkQueue("service lists", deps, (node) => this.#tell(node));
  }

  start(): void {
    const { caches, connected, eras } = this.#deps;
    caches.of(resources.nodes).subscribe((event) => {
      const was = event.type === "modified" && isReady(event.previous);
      const hasCome = event.type !== "deleted" && isReady(event.object) && !was;
      const { name } = event.object.metadata;
      if (hasCome && connected.has(name) && eras.isV11Node(event.object)) this.#queue.add(name);
    });
  }

  /** Go's cloud waits for the node to lose and find its readiness again. */
  connected(node: string): void {
    if (this.#deps.eras.isV11(node)) this.#queue.add(node);
  }

  stop(): void {
    this.#queue.stop();
  }

  async #tell(node: string): Promise<void> {
    // Many nodes may come at once: between two of them others have their turn.
    await new Promise((resolve) => setImmediate(resolve));
    const { endpoints, services } = this.#index;
    const listPath = (type: string, name: string) => nodePath(node, ANY_NAMESPACE, type, name);
    await sendList(this.#deps, listPath(resourceTypes.servicelist, resourceTypes.service), services);
    for (const of of endpoints) {
      const pods = this.#index.podsBehind(of);
      if (pods !== undefined) await sendPodList(this.#deps, node, of, pods);
    }
    await sendList(this.#deps, listPath(resourceTypes.endpointslist, resourceTypes.endpoints), endpoints);
  }
}

/** The nodes of v1.1 that are connected. */
export function connectedOfV11({ connected, eras }: DownstreamDeps): string[] {
  return eras.hasV11 ? [...connected].filter((node) => eras.isV11(node)) : [];
}

/** Sends the pods behind a service's endpoints. */
export async function sendPodList(
  deps: DownstreamDeps,
  node: string,
  { metadata: { name, namespace = "" } }: KubeObject,
  pods: readonly KubeObject[],
): Promise<void> {
  await sendList(deps, nodePath(node, namespace, resourceTypes.podlist, name), pods);
}

async function sendList({ bus, clock }: DownstreamDeps, resource: string, list: readonly KubeObject[]): Promise<void> {
  const message = newMessage(clock.now(), {
    source: modules.edgecontroller,
    group: groups.resource,
    operation: operations.update,
    resource,
    content: list,
  });
  await bus.send(modules.cloudhub, message);
}

function isReady(node: KubeObject): boolean {
  const ready = listAt(node, "status", "conditions").find((condition) => textAt(condition, "type") === "Ready");
  return textAt(ready, "status") === "True";
}
