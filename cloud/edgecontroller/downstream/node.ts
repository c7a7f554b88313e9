// Each edge node's own Node to that node, always as `update`; its deletion ends the session instead of being sent. Nodes of v1.1
// are told nothing of theirs.
import { retried } from "../../../base/backoff/retry.ts";
import { reasonOf } from "../../../base/log/logger.ts";
import { cloudcoreAnnotation, operations, resourceTypes } from "../../../protocol/message/names.ts";
import { noNamespace } from "../../../protocol/resource/path.ts";
import type { KubeObject } from "../../../protocol/apis/kube-object.ts";
import type { Informer } from "../../kube/informer.ts";
import { resources } from "../../kube/resource.ts";
import { WorkQueue } from "../../kube/work-queue.ts";
import { type DownstreamWorld, type Follower, sendDown } from "./downstream.ts";

/** KubeEdge tries three times, a second apart. */
const ANNOTATION_WAITS_MS = [1000, 1000];

export class NodeFollower implements Follower {
  readonly #stopped = new AbortController();
  readonly #world: DownstreamWorld;
  readonly #nodes: Informer;
  readonly #queue: WorkQueue;
  readonly #told = new Map<string, KubeObject>();

  constructor(world: DownstreamWorld) {
    this.#world = world;
    this.#nodes = world.caches.of(resources.nodes);
    this.#queue = new WorkQueue("nodes", world, (key) => this.#look(key));
  }

  start(): void {
    this.#nodes.subscribe((event) => this.#queue.add(event.object.metadata.name));
  }

  /** A node has connected: its Node says from now on which cloudcore it has. */
  annotate(name: string): void {
    const { caches, localAddress, logger } = this.#world;
    const annotations = this.#nodes.get("", name)?.metadata.annotations;
    if (this.#nodes.get("", name) === undefined || annotations?.[cloudcoreAnnotation] === localAddress) return;
    const patch = { metadata: { annotations: { [cloudcoreAnnotation]: localAddress } } };
    const annotate = () => caches.client.patch({ resource: resources.nodes, name }, "merge", patch);
    retried(this.#world.clock, ANNOTATION_WAITS_MS, this.#stopped.signal, annotate).catch((error) => {
      if (this.#stopped.signal.aborted) return;
      logger.warn("a Node could not be told which cloudcore it has", { node: name, error: reasonOf(error) });
    });
  }

  stop(): void {
    this.#stopped.abort();
    this.#queue.stop();
  }

  async #look(name: string): Promise<void> {
    const node = this.#nodes.get("", name);
    const told = this.#told.get(name);
    const path = [noNamespace, resourceTypes.node, name] as const;
    if (told !== undefined && told.metadata.uid !== node?.metadata.uid) {
      this.#told.delete(name);
      await sendDown(this.#world, [name], { operation: operations.delete, path, object: { metadata: { name } } });
    }
    if (node === undefined || told?.metadata.resourceVersion === node.metadata.resourceVersion) return;
    this.#told.set(name, node);
    if (this.#world.eras.isV11Node(node)) return;
    await sendDown(this.#world, [name], { operation: operations.update, path, object: node });
  }
}
