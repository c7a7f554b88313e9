// Which pods each object of a kind selects by their labels, kept up to date: services and disruption budgets ask for it.
import { keyOf, type KubeObject } from "../../../protocol/apis/kube-object.ts";
import type { StoreEvent } from "../storage/event.ts";
import type { ControllerDeps } from "./controller.ts";

type Labels = Readonly<Record<string, string>>;

/** Whether an object selects these labels; undefined where it selects nothing at all. */
export type SelectorOf = (object: KubeObject) => ((labels: Labels) => boolean) | undefined;

/** The pods of each selecting object; only objects of a pod's own namespace are looked at when it changes. */
export class SelectedPods {
  readonly #deps: ControllerDeps;
  readonly #table: string;
  readonly #selectorOf: SelectorOf;
  readonly #changed: (key: string) => void;
  readonly #pods = new Map<string, Set<string>>();
  readonly #stops: (() => void)[];

  /** `changed` is told the key of an object that has changed, or whose pods have; at first of each. */
  constructor(deps: ControllerDeps, table: string, selectorOf: SelectorOf, changed: (key: string) => void) {
    this.#deps = deps;
    this.#table = table;
    this.#selectorOf = selectorOf;
    this.#changed = changed;
    const { store } = deps.resources;
    for (const object of store.list(table)) this.#seeObject(object);
    this.#stops = [
      store.watch(table, ({ object, type }) => {
        if (type !== "DELETED") return this.#seeObject(object);
        this.#pods.delete(keyOf(object));
        this.#changed(keyOf(object));
      }),
      store.watch("pods", (event) => this.#seePod(event)),
    ];
  }

  stop(): void {
    for (const stop of this.#stops) stop();
  }

  /** The pods that an object selects, in the order of their names. */
  of(key: string): KubeObject[] {
    const { store } = this.#deps.resources;
    return [...this.#pods.get(key) ?? []].sort().map((pod) => store.get("pods", pod)).filter((pod) =>
      pod !== undefined
    );
  }

  /** Its selector may be another one: the pods of its namespace are looked at once. */
  #seeObject(object: KubeObject): void {
    const selects = this.#selectorOf(object);
    const key = keyOf(object);
    const { store } = this.#deps.resources;
    if (selects === undefined) this.#pods.delete(key);
    else {
      const pods = store.list("pods", object.metadata.namespace ?? "");
      this.#pods.set(key, new Set(pods.filter((pod) => selects(pod.metadata.labels ?? {})).map(keyOf)));
    }
    this.#changed(key);
  }

  #seePod({ object, type }: StoreEvent): void {
    const { labels = {}, namespace = "" } = object.metadata;
    const pod = keyOf(object);
    for (const selecting of this.#deps.resources.store.list(this.#table, namespace)) {
      const key = keyOf(selecting);
      const pods = this.#pods.get(key);
      if (pods === undefined) continue;
      const was = pods.has(pod);
      const is = type !== "DELETED" && this.#selectorOf(selecting)?.(labels) === true;
      if (is) pods.add(pod);
      else pods.delete(pod);
      if (was || is) this.#changed(key);
    }
  }
}
