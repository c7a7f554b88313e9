// One informer per kind, shared by all modules of a cloudcore.
import { edgeNodeLabel } from "../../protocol/message/names.ts";
import { type KubeObject, textAt } from "../../protocol/apis/kube-object.ts";
import type { KubeClient } from "./client.ts";
import { Informer, type InformerDeps, type InformerOptions } from "./informer.ts";
import type { Resource } from "./resource.ts";

/** Labels an informer is limited to, by plural. KubeEdge watches edge nodes only. */
const selectors: Readonly<Record<string, string>> = { nodes: `${edgeNodeLabel}=` };

/** Kinds that are never sent to an edge, of which there are several for each. */
const lean: ReadonlySet<string> = new Set(["objectsyncs", "clusterobjectsyncs", "devicestatuses"]);

/** Informers are made on first use and started together. */
export class Caches {
  readonly client: KubeClient;
  readonly #deps: InformerDeps;
  readonly #informers = new Map<string, { readonly informer: Informer; ready: Promise<void> | undefined }>();
  #started = false;

  constructor(client: KubeClient, deps: InformerDeps) {
    this.client = client;
    this.#deps = deps;
  }

  /** The informer of a kind; one asked for after `start` begins at once. */
  of(resource: Resource): Informer {
    const key = `${resource.apiVersion}/${resource.plural}`;
    let entry = this.#informers.get(key);
    if (entry === undefined) {
      const informer = new Informer(this.client, resource, this.#deps, optionsOf(resource));
      entry = { informer, ready: this.#started ? informer.start() : undefined };
      entry.ready?.catch(() => {});
      this.#informers.set(key, entry);
    }
    return entry.informer;
  }

  /** The objects of a kind whose `spec.nodeName` is that node: pods, or devices. */
  on(node: string, resource: Resource): KubeObject[] {
    const informer = this.of(resource);
    informer.indexBy("node", (object) => textAt(object, "spec", "nodeName"));
    return informer.indexed("node", node);
  }

  /** Starts what has been asked for; settles when all caches are filled. */
  async start(): Promise<void> {
    this.#started = true;
    for (const entry of this.#informers.values()) entry.ready ??= entry.informer.start();
    await Promise.all([...this.#informers.values()].map((entry) => entry.ready));
  }

  /** Why a cache could not be filled so far, for a start that takes too long. */
  get problem(): string | undefined {
    for (const { informer } of this.#informers.values()) {
      if (informer.lastError !== undefined) return `${informer.resource.plural}: ${informer.lastError}`;
    }
    return undefined;
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#informers.values()].map(({ informer }) => informer.stop()));
  }
}

function optionsOf({ plural }: Resource): InformerOptions {
  const labelSelector = selectors[plural];
  return { isLean: lean.has(plural), ...(labelSelector === undefined ? {} : { labelSelector }) };
}
