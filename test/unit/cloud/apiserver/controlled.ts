// The resources of an embedded API without HTTP, and controllers that run when a test says so.
import { Random } from "../../../../base/random/random.ts";
import { silentLogger } from "../../../../base/log/logger.ts";
import type { Clock } from "../../../../base/time/clock.ts";
import { ManualClock } from "../../../../base/time/manual-clock.ts";
import type { Controller, ControllerDeps } from "../../../../cloud/apiserver/controllers/controller.ts";
import { Indices } from "../../../../cloud/apiserver/controllers/indices.ts";
import type { Kind } from "../../../../cloud/apiserver/kinds/kind.ts";
import { Registry } from "../../../../cloud/apiserver/kinds/registry.ts";
import { Resources } from "../../../../cloud/apiserver/resources.ts";
import { Store } from "../../../../cloud/apiserver/storage/store.ts";
import { freezeStored } from "../../../support/frozen.ts";
import { at, isPlainObject, keyOf, type KubeObject, listAt } from "../../../../protocol/apis/kube-object.ts";

/** Rounds of waiting work after which controllers only answer each other. */
const ROUNDS = 10_000;

/** Controllers that work with resources until they are stopped; what they put off waits for `settle`. */
export class Controlled implements Disposable {
  readonly #waiting: (() => void)[] = [];
  readonly #stops: (() => void)[] = [];
  readonly deps: ControllerDeps;

  constructor(resources: Resources, clock: Clock, controllers: readonly Controller[], timeScale = 1) {
    const indices = new Indices(resources.store);
    const defer = (run: () => void) => void this.#waiting.push(run);
    this.deps = { resources, indices, clock, logger: silentLogger, timeScale, defer, ca: "CA" };
    for (const controller of controllers) this.#stops.push(controller.start(this.deps));
    this.#stops.push(() => indices.stop());
  }

  /** Whether something waits for its turn. */
  get isIdle(): boolean {
    return this.#waiting.length === 0;
  }

  /** Runs what waits, and what that brings about. Throws where it never ends. */
  settle(): void {
    for (let round = 0; this.#waiting.length > 0; round++) {
      if (round === ROUNDS) throw new Error("the controllers never come to rest");
      this.#waiting.shift()?.();
    }
  }

  [Symbol.dispose](): void {
    for (const stop of this.#stops) stop();
  }
}

/** Resources with the namespace `default`, and short names for what tests do with them. */
export function server(clock = new ManualClock(0)) {
  const resources = new Resources(new Store(), new Registry(), () => clock.now(), new Random(1));
  const { store } = resources;
  freezeStored(store);
  const kind = (resource: string) => {
    const [plural = "", ...group] = resource.split(".");
    const found = resources.registry.all().find((one) => one.plural === plural && one.group === group.join("."));
    if (found === undefined) throw new Error(`no resource ${resource}`);
    return found;
  };
  const create = (resource: string, object: Record<string, unknown>): KubeObject => {
    const of: Kind = kind(resource);
    const created = resources.create(of, of.namespaced ? "default" : "", object).object;
    if (resource !== "nodes" || !isReady(created)) return created;
    // Each new node is tainted until it was seen to be ready.
    const taints = listAt(object, "spec", "taints");
    return store.put("nodes", { ...created, spec: { ...created.spec as object, taints } } as KubeObject);
  };
  const namespace = (name: string) => {
    resources.create(kind("namespaces"), "", { metadata: { name } });
    resources.create(kind("serviceaccounts"), name, { metadata: { name: "default" } });
  };
  namespace("default");
  const names = (table: string) => store.list(table).map((object) => object.metadata.name);
  /** Changes the status of an object as its kubelet or controller would. */
  const report = (table: string, object: KubeObject, status: Record<string, unknown>) => {
    const present = store.get(table, keyOf(object)) as KubeObject;
    const before = isPlainObject(present.status) ? present.status : {};
    return store.put(table, { ...present, status: { ...before, ...status } } as KubeObject);
  };
  /** Starts controllers, runs what they have to do, and stops them. */
  const reconcile = (...controllers: Controller[]) => {
    using controlled = new Controlled(resources, clock, controllers);
    controlled.settle();
  };
  return { resources, store, clock, kind, create, namespace, names, report, reconcile };
}

function isReady(node: KubeObject): boolean {
  return listAt(node, "status", "conditions").some((c) => at(c, "type") === "Ready" && at(c, "status") === "True");
}
