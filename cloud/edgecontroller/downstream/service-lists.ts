// What a node of v1.1 is told when it comes or gets Ready: all services, the pods behind them, and all endpoints.
import { at, type KubeObject, listAt, textAt } from "../../../protocol/apis/kube-object.ts";
import { newMessage } from "../../../protocol/message/message.ts";
import { groups, modules, operations, resourceTypes } from "../../../protocol/message/names.ts";
import { nodePath } from "../../../protocol/resource/path.ts";
import { resources } from "../../kube/resource.ts";
import { WorkQueue } from "../../kube/work-queue.ts";
import type { DownstreamWorld, Follower } from "./downstream.ts";

/** Pods in one list at most, KubeEdge's own limit. */
const LISTED_PODS = 100;

/** KubeEdge's own word where the namespace stands in the paths of these lists. */
const ANY_NAMESPACE = "namespace";

export class ServiceListsFollower implements Follower {
  readonly #world: DownstreamWorld;
  readonly #queue: WorkQueue;

  constructor(world: DownstreamWorld) {
    this.#world = world;
    this.#queue = new WorkQueue("service lists", world, (node) => this.#tell(node));
  }

  start(): void {
    const { caches, eras } = this.#world;
    caches.of(resources.nodes).subscribe((event) => {
      const was = event.type === "modified" && isReady(event.previous);
      const hasCome = event.type !== "deleted" && isReady(event.object) && !was;
      if (hasCome && eras.isV11Node(event.object)) this.#queue.add(event.object.metadata.name);
    });
  }

  /** Go's cloud waits for the node to lose and find its readiness again. */
  connected(node: string): void {
    if (this.#world.eras.isV11(node)) this.#queue.add(node);
  }

  stop(): void {
    this.#queue.stop();
  }

  async #tell(node: string): Promise<void> {
    const { caches } = this.#world;
    const services = caches.of(resources.services).list();
    const endpoints = caches.of(resources.endpoints).list();
    const listPath = (type: string, name: string) => nodePath(node, ANY_NAMESPACE, type, name);
    await sendList(this.#world, listPath(resourceTypes.servicelist, resourceTypes.service), services);
    for (const of of endpoints) {
      const pods = podsBehind(this.#world, of);
      if (pods !== undefined) await sendPodList(this.#world, node, of, pods);
    }
    await sendList(this.#world, listPath(resourceTypes.endpointslist, resourceTypes.endpoints), endpoints);
  }
}

/**
 * The pods behind endpoints: those that the service of the same name selects. Undefined where there is no such service, or it
 * selects nothing by itself; Go's cloud then lists whatever is in the namespace.
 */
export function podsBehind({ caches }: DownstreamWorld, { metadata }: KubeObject): KubeObject[] | undefined {
  const { name, namespace = "" } = metadata;
  const service = caches.of(resources.services).get(namespace, name);
  const selector = Object.entries((at(service, "spec", "selector") ?? {}) as Record<string, string>);
  if (selector.length === 0) return undefined;
  const isBehind = ({ metadata: { labels = {}, namespace: of } }: KubeObject) =>
    of === namespace && selector.every(([label, value]) => labels[label] === value);
  return caches.of(resources.pods).list().filter(isBehind).slice(0, LISTED_PODS);
}

/** Sends the pods behind a service's endpoints. */
export async function sendPodList(
  world: DownstreamWorld,
  node: string,
  { metadata: { name, namespace = "" } }: KubeObject,
  pods: readonly KubeObject[],
): Promise<void> {
  await sendList(world, nodePath(node, namespace, resourceTypes.podlist, name), pods);
}

async function sendList({ bus, clock }: DownstreamWorld, resource: string, list: readonly KubeObject[]): Promise<void> {
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
