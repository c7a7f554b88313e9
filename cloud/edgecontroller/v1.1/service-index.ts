// Services, endpoints and their pods, as the lists that nodes of v1.1 are sent: put together once for all nodes.
import { at, keyOf, type KubeObject } from "../../../protocol/apis/kube-object.ts";
import type { Caches } from "../../kube/caches.ts";
import { resources } from "../../kube/resource.ts";

/** Pods in one list at most, KubeEdge's own limit. */
const LISTED_PODS = 100;

/** Follows the three kinds. Lists are shared between callers until something in them changes: never change one. */
export class ServiceIndex {
  readonly #caches: Caches;
  /** By namespace, by key. */
  readonly #pods = new Map<string, Map<string, KubeObject>>();
  /** By namespace, by key of the endpoints: their pods. */
  readonly #selected = new Map<string, Map<string, readonly KubeObject[]>>();
  readonly #listeners: ((namespace: string) => void)[] = [];
  #services: readonly KubeObject[] | undefined;
  #endpoints: readonly KubeObject[] | undefined;

  constructor(caches: Caches) {
    this.#caches = caches;
    caches.of(resources.pods).subscribe((event) => {
      const { object, type } = event;
      const { namespace = "" } = object.metadata;
      const pods = this.#pods.get(namespace) ?? new Map<string, KubeObject>();
      this.#pods.set(namespace, pods);
      if (type === "deleted") pods.delete(keyOf(object));
      else pods.set(keyOf(object), object);
      if (pods.size === 0) this.#pods.delete(namespace);
      const isElsewhere = type !== "modified" || labelsOf(event.previous) !== labelsOf(object);
      this.#changed(namespace, isElsewhere);
    });
    caches.of(resources.services).subscribe(({ object }) => {
      this.#services = undefined;
      this.#changed(object.metadata.namespace ?? "", true);
    });
    caches.of(resources.endpoints).subscribe(() => void (this.#endpoints = undefined));
  }

  get services(): readonly KubeObject[] {
    return this.#services ??= this.#caches.of(resources.services).list();
  }

  get endpoints(): readonly KubeObject[] {
    return this.#endpoints ??= this.#caches.of(resources.endpoints).list();
  }

  /**
   * The pods of endpoints: those that the service of the same name selects. Undefined where there is no such service, or it
   * selects nothing by itself; Go's cloud then lists whatever is in the namespace.
   */
  podsBehind(endpoints: KubeObject): readonly KubeObject[] | undefined {
    const { name, namespace = "" } = endpoints.metadata;
    const known = this.#selected.get(namespace)?.get(name);
    if (known !== undefined) return known;
    const service = this.#caches.of(resources.services).get(namespace, name);
    const selector = Object.entries((at(service, "spec", "selector") ?? {}) as Record<string, string>);
    if (selector.length === 0) return undefined;
    const found: KubeObject[] = [];
    for (const pod of this.#pods.get(namespace)?.values() ?? []) {
      const { labels = {} } = pod.metadata;
      if (found.length < LISTED_PODS && selector.every(([label, value]) => labels[label] === value)) found.push(pod);
    }
    const lists = this.#selected.get(namespace) ?? new Map<string, readonly KubeObject[]>();
    this.#selected.set(namespace, lists.set(name, found));
    return found;
  }

  /** Calls back with the namespaces in which endpoints may have other pods now. */
  onMembers(listener: (namespace: string) => void): void {
    this.#listeners.push(listener);
  }

  #changed(namespace: string, mayBeOthers: boolean): void {
    this.#selected.delete(namespace);
    if (mayBeOthers) { for (const listener of this.#listeners) listener(namespace); }
  }
}

function labelsOf({ metadata }: KubeObject): string {
  return JSON.stringify(metadata.labels ?? {});
}
