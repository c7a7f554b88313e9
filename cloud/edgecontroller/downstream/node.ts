// Each edge node's own Node to that node, always as `update`; its deletion ends the session instead of being sent. Nodes of v1.1
// are sent nothing of theirs.
import { retried } from "../../../base/backoff/retry.ts";
import { reasonOf } from "../../../base/log/logger.ts";
import { cloudcoreAnnotation, operations, resourceTypes } from "../../../protocol/message/names.ts";
import { noNamespace } from "../../../protocol/resource/path.ts";
import type { KubeObject } from "../../../protocol/apis/kube-object.ts";
import type { Informer } from "../../kube/informer.ts";
import { type LastSent, Reconciler } from "../../kube/reconciler.ts";
import { resources } from "../../kube/resource.ts";
import { type DownstreamDeps, type Follower, sendDown } from "./downstream.ts";

/** KubeEdge tries three times, a second apart. */
const ANNOTATION_WAITS_MS = [1000, 1000];

export class NodeFollower implements Follower {
  readonly #stopped = new AbortController();
  readonly #deps: DownstreamDeps;
  readonly #nodes: Informer;
  readonly #reconciler: Reconciler<LastSent>;

  constructor(deps: DownstreamDeps) {
    this.#deps = deps;
    this.#nodes = deps.caches.of(resources.nodes);
    this.#reconciler = new Reconciler(this.#nodes, deps, {
      name: "nodes",
      remove: (_sent, { metadata: { name } }) => this.#send(name, operations.delete, { metadata: { name } }),
      send: async (node, before, name) => {
        if (before?.object.metadata.resourceVersion === node.metadata.resourceVersion) return;
        this.#reconciler.sent(name, { object: node });
        if (!deps.eras.isV11Node(node)) return await this.#send(name, operations.update, node);
        this.#reconciler.notSent(node, "nodes of KubeEdge v1.1 are not sent their Node", name);
      },
    });
  }

  start(): void {
    this.#reconciler.start();
  }

  /** A node has connected: writes into its Node which cloudcore it is connected to. */
  annotate(name: string): void {
    const { caches, localAddress, logger } = this.#deps;
    const annotations = this.#nodes.get("", name)?.metadata.annotations;
    if (this.#nodes.get("", name) === undefined || annotations?.[cloudcoreAnnotation] === localAddress) return;
    const patch = { metadata: { annotations: { [cloudcoreAnnotation]: localAddress } } };
    const annotate = () => caches.client.patch({ resource: resources.nodes, name }, "merge", patch);
    retried(this.#deps.clock, ANNOTATION_WAITS_MS, this.#stopped.signal, annotate).catch((error) => {
      if (this.#stopped.signal.aborted) return;
      logger.warn("a Node could not be annotated with its cloudcore", { node: name, error: reasonOf(error) });
    });
  }

  stop(): void {
    this.#stopped.abort();
    this.#reconciler.stop();
  }

  #send(name: string, operation: string, object: KubeObject): Promise<void> {
    return sendDown(this.#deps, [name], { operation, path: [noNamespace, resourceTypes.node, name], object });
  }
}
