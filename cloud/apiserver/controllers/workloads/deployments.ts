// Rolls the template of a Deployment out over ReplicaSets, with revisions that can be gone back to (Kubernetes v1.32
// `pkg/controller/deployment`).
import { at, keyOf, type KubeObject, textAt } from "../../../../protocol/apis/kube-object.ts";
import { selectorMatches } from "../../kinds/label-selector.ts";
import { deepEqual } from "../../patch/json-patch.ts";
import type { Controller, ControllerDeps, KeyQueue } from "../controller.ts";
import { recordEvent } from "../events.ts";
import { share } from "./counts.ts";
import { deploymentStatus, isComplete } from "./deployment-status.ts";
import { Owners } from "./owners.ts";
import { isEnded } from "../pod-state.ts";
import { controllerOf, deleteObject, manager, patchObject, referenceTo, writeStatus } from "./pods.ts";
import { templateHash } from "./revisions.ts";

const TABLE = "deployments.apps";
const SETS = "replicasets.apps";
const HASH = "pod-template-hash";
const REVISION = "deployment.kubernetes.io/revision";
const DESIRED = "deployment.kubernetes.io/desired-replicas";
const MAX = "deployment.kubernetes.io/max-replicas";
const HISTORY = "deployment.kubernetes.io/revision-history";
/** Annotations of a Deployment that its ReplicaSets don't get. */
const own: ReadonlySet<string> = new Set([
  "kubectl.kubernetes.io/last-applied-configuration",
  REVISION,
  HISTORY,
  DESIRED,
  MAX,
  "deprecated.deployment.rollback.to",
]);

export const deployments: Controller = {
  name: "deployment",
  start(deps) {
    const owners: Owners = new Owners(deps, {
      name: "deployment",
      table: TABLE,
      kind: "Deployment",
      owned: [SETS],
      selects: (owner, labels) => selectorMatches(at(owner, "spec", "selector"), labels),
      reconcile: (deployment, queue) => new Rollout(deps, deployment, owners.claim(deployment, SETS), queue).run(),
    });
    // A Deployment that recreates its pods waits for the end of the old ones.
    const stop = deps.resources.store.watch("pods", ({ object, type }) => {
      if (type !== "DELETED" && !isEnded(object)) return;
      const set = controllerOf(object);
      if (set?.kind !== "ReplicaSet") return;
      const { namespace = "" } = object.metadata;
      const owner = controllerOf(deps.resources.store.get(SETS, `${namespace}/${set.name}`));
      if (owner?.kind === "Deployment") owners.queue.add(`${namespace}/${owner.name}`);
    });
    return () => {
      stop();
      owners.stop();
    };
  },
};

const replicasOf = (object: KubeObject) => Number(at(object, "spec", "replicas") ?? 1);
const availableOf = (set: KubeObject) => Number(at(set, "status", "availableReplicas") ?? 0);
const revisionOf = (object: KubeObject) => Number(object.metadata.annotations?.[REVISION] ?? 0) || 0;
const sum = (sets: readonly KubeObject[], of: (set: KubeObject) => number) =>
  sets.reduce((total, set) => total + of(set), 0);
const byAge = (a: KubeObject, b: KubeObject) =>
  Date.parse(a.metadata.creationTimestamp ?? "") - Date.parse(b.metadata.creationTimestamp ?? "") ||
  (a.metadata.name < b.metadata.name ? -1 : 1);

/** One look at a Deployment. */
class Rollout {
  readonly #deps: ControllerDeps;
  readonly #queue: KeyQueue;
  #deployment: KubeObject;
  #sets: KubeObject[];

  constructor(deps: ControllerDeps, deployment: KubeObject, sets: readonly KubeObject[], queue: KeyQueue) {
    this.#deps = deps;
    this.#deployment = deployment;
    this.#sets = [...sets].sort(byAge);
    this.#queue = queue;
  }

  run(): void {
    if (this.#deployment.metadata.deletionTimestamp !== undefined) return this.#writeStatus(this.#newSet());
    const isPaused = at(this.#deployment, "spec", "paused") === true;
    if (isPaused || this.#isScaled()) {
      const set = this.#newSet();
      if (set !== undefined) this.#number(set);
      this.#scale();
      return this.#writeStatus(this.#newSet());
    }
    if (textAt(this.#deployment, "spec", "strategy", "type") === "Recreate") this.#recreate();
    else this.#roll();
    const set = this.#newSet();
    if (set !== undefined && isComplete(this.#deployment, this.#statusOf(set).status)) this.#forgetOldSets(set);
    this.#writeStatus(set);
  }

  /** The ReplicaSet of the present template. */
  #newSet(): KubeObject | undefined {
    const template = at(this.#deployment, "spec", "template");
    return this.#sets.find((set) => deepEqual(withoutHash(at(set, "spec", "template")), template));
  }

  #oldSets(): KubeObject[] {
    const present = this.#newSet();
    return this.#sets.filter((set) => set !== present);
  }

  #surge(): number {
    if (textAt(this.#deployment, "spec", "strategy", "type") !== "RollingUpdate") return 0;
    return share(
      at(this.#deployment, "spec", "strategy", "rollingUpdate", "maxSurge"),
      replicasOf(this.#deployment),
      "up",
    );
  }

  /** Never 0 where the surge is: the rollout would stand still. */
  #unavailable(): number {
    if (textAt(this.#deployment, "spec", "strategy", "type") !== "RollingUpdate") return 0;
    const wanted = replicasOf(this.#deployment);
    const found = share(at(this.#deployment, "spec", "strategy", "rollingUpdate", "maxUnavailable"), wanted, "down");
    return Math.min(wanted, found === 0 && this.#surge() === 0 ? 1 : found);
  }

  /** Whether the number of replicas was changed: the ReplicaSets say which one they were made for. */
  #isScaled(): boolean {
    return this.#sets.some((set) => {
      const desired = set.metadata.annotations?.[DESIRED];
      return replicasOf(set) > 0 && desired !== undefined && Number(desired) !== replicasOf(this.#deployment);
    });
  }

  #replace(set: KubeObject, changed: KubeObject): KubeObject {
    this.#sets = this.#sets.map((one) => one === set ? changed : one);
    return changed;
  }

  /** Gives a ReplicaSet its number of replicas, and an Event to the Deployment. */
  #resize(set: KubeObject, replicas: number): KubeObject {
    const annotations = {
      [DESIRED]: String(replicasOf(this.#deployment)),
      [MAX]: String(replicasOf(this.#deployment) + this.#surge()),
    };
    const before = replicasOf(set);
    const isSame = before === replicas &&
      Object.entries(annotations).every(([name, value]) => set.metadata.annotations?.[name] === value);
    if (isSame) return set;
    const changed = this.#replace(
      set,
      patchObject(this.#deps, SETS, set, { metadata: { annotations }, spec: { replicas } }),
    );
    if (before !== replicas) {
      this.#tell(
        `Scaled ${before < replicas ? "up" : "down"} replica set ${set.metadata.name} from ${before} to ${replicas}`,
      );
    }
    return changed;
  }

  #tell(message: string): void {
    const facts = { type: "Normal", reason: "ScalingReplicaSet", message, component: "deployment-controller" } as const;
    recordEvent(this.#deps.resources, this.#deployment, facts, this.#deps.clock.now());
  }

  /** The ReplicaSet of the present template, made where there is none, with the newest revision. */
  #ensureNewSet(): KubeObject {
    const found = this.#newSet();
    if (found !== undefined) return this.#number(found);
    const { resources } = this.#deps;
    const { annotations = {}, name, namespace = "" } = this.#deployment.metadata;
    const template = at(this.#deployment, "spec", "template") as Record<string, Record<string, object>>;
    const kind = resources.registry.ofTable(SETS);
    if (kind === undefined) throw new Error("no kind ReplicaSet");
    let collisions = Number(at(this.#deployment, "status", "collisionCount") ?? 0);
    while (resources.store.get(SETS, `${namespace}/${name}-${templateHash(template, collisions)}`) !== undefined) {
      collisions++;
    }
    const hash = templateHash(template, collisions);
    const labels = { ...template.metadata?.labels, [HASH]: hash };
    const wanted = replicasOf(this.#deployment);
    const revision = Math.max(0, ...this.#sets.map(revisionOf)) + 1;
    const selector = at(this.#deployment, "spec", "selector") as Record<string, object>;
    const replicas = textAt(this.#deployment, "spec", "strategy", "type") === "Recreate"
      ? wanted
      : Math.max(0, Math.min(wanted, wanted + this.#surge() - sum(this.#sets, replicasOf)));
    const body = {
      metadata: {
        name: `${name}-${hash}`,
        labels,
        annotations: {
          ...Object.fromEntries(Object.entries(annotations).filter(([key]) => !own.has(key))),
          [REVISION]: String(revision),
          [DESIRED]: String(wanted),
          [MAX]: String(wanted + this.#surge()),
        },
        ownerReferences: [referenceTo(this.#deployment)],
      },
      spec: {
        replicas,
        ...(at(this.#deployment, "spec", "minReadySeconds") === undefined
          ? {}
          : { minReadySeconds: at(this.#deployment, "spec", "minReadySeconds") }),
        selector: { ...selector, matchLabels: { ...selector.matchLabels, [HASH]: hash } },
        template: { ...template, metadata: { ...template.metadata, labels } },
      },
    };
    const set = resources.create(kind, namespace, structuredClone(body), { manager }).object;
    this.#sets = [...this.#sets, set];
    this.#setRevision(revision);
    if (replicas > 0) this.#tell(`Scaled up replica set ${set.metadata.name} from 0 to ${replicas}`);
    return set;
  }

  /** Makes a ReplicaSet's revision the newest. */
  #number(set: KubeObject): KubeObject {
    const newest = Math.max(0, ...this.#sets.filter((one) => one !== set).map(revisionOf)) + 1;
    let changed = set;
    if (revisionOf(set) < newest) {
      const history = [set.metadata.annotations?.[HISTORY], set.metadata.annotations?.[REVISION]].filter((one) => one);
      const annotations = {
        [REVISION]: String(newest),
        ...(history.length === 0 ? {} : { [HISTORY]: history.join(",") }),
      };
      changed = this.#replace(set, patchObject(this.#deps, SETS, set, { metadata: { annotations } }));
    }
    this.#setRevision(revisionOf(changed));
    return changed;
  }

  #setRevision(revision: number): void {
    if (revisionOf(this.#deployment) === revision) return;
    const { store } = this.#deps.resources;
    const { metadata, ...rest } = store.get(TABLE, keyOf(this.#deployment)) ?? this.#deployment;
    const annotations = { ...metadata.annotations, [REVISION]: String(revision) };
    // As the real one does with the status: it is no change of what is asked for.
    this.#deployment = store.put(TABLE, { ...rest, metadata: { ...metadata, annotations } });
  }

  /** Another number of replicas: one ReplicaSet gets it, several share it in proportion. */
  #scale(): void {
    const active = this.#sets.filter((set) => replicasOf(set) > 0);
    const wanted = replicasOf(this.#deployment);
    const newest = this.#newSet();
    if (active.length <= 1) {
      const only = active[0] ?? newest ?? this.#sets.at(-1);
      if (only !== undefined) this.#resize(only, wanted);
      return;
    }
    const isSaturated = newest !== undefined && replicasOf(newest) === wanted && availableOf(newest) === wanted;
    if (isSaturated) {
      for (const set of active) if (set !== newest) this.#resize(set, 0);
      return;
    }
    const total = sum(active, replicasOf);
    const allowed = wanted > 0 ? wanted + this.#surge() : 0;
    let toAdd = allowed - total;
    const bySize = [...active].sort((a, b) => replicasOf(b) - replicasOf(a) || (toAdd > 0 ? byAge(b, a) : byAge(a, b)));
    for (const set of bySize) {
      const before = replicasOf(set);
      const most = Number(set.metadata.annotations?.[MAX] ?? wanted) || wanted;
      let part = toAdd === 0 ? 0 : Math.round(before * allowed / most) - before;
      part = toAdd > 0 ? Math.min(part, toAdd) : Math.max(part, toAdd);
      toAdd -= part;
      this.#resize(set, Math.max(0, before + part));
    }
    // What rounding leaves goes to the first.
    const first = this.#sets.find((set) => set.metadata.name === bySize[0]?.metadata.name);
    if (toAdd !== 0 && first !== undefined) this.#resize(first, Math.max(0, replicasOf(first) + toAdd));
  }

  /** First the old pods go, then the new ones come. */
  #recreate(): void {
    const old = this.#oldSets();
    for (const set of old) this.#resize(set, 0);
    const { indices } = this.#deps;
    const isWaiting = this.#oldSets().some((set) =>
      indices.controlledBy(set.metadata.uid as string, "pods").some((pod) => !isEnded(pod))
    );
    if (isWaiting) return;
    this.#resize(this.#ensureNewSet(), replicasOf(this.#deployment));
  }

  #roll(): void {
    const newest = this.#ensureNewSet();
    const wanted = replicasOf(this.#deployment);
    if (replicasOf(newest) > wanted) {
      this.#resize(newest, wanted);
    } else {
      const room = wanted + this.#surge() - sum(this.#sets, replicasOf);
      this.#resize(newest, room > 0 ? Math.min(wanted, replicasOf(newest) + room) : replicasOf(newest));
    }
    this.#shrinkOldSets();
  }

  /** Old ReplicaSets lose their pods that are not available first, then as many as there may be too few. */
  #shrinkOldSets(): void {
    const newest = this.#newSet() as KubeObject;
    const least = replicasOf(this.#deployment) - this.#unavailable();
    const missing = replicasOf(newest) - availableOf(newest);
    let removable = sum(this.#sets, replicasOf) - least - missing;
    // What statuses say may be older than what was asked for.
    if (removable <= 0) return;
    for (const set of this.#oldSets()) {
      const broken = Math.min(removable, replicasOf(set) - availableOf(set));
      if (replicasOf(set) === 0 || broken <= 0) continue;
      this.#resize(set, replicasOf(set) - broken);
      removable -= broken;
    }
    let spare = sum(this.#sets, availableOf) - least;
    for (const set of this.#oldSets()) {
      const surplus = Math.min(spare, replicasOf(set));
      if (surplus <= 0) continue;
      this.#resize(set, replicasOf(set) - surplus);
      spare -= surplus;
    }
  }

  /** Old ReplicaSets beyond the history that is to be kept. */
  #forgetOldSets(newest: KubeObject): void {
    const limit = at(this.#deployment, "spec", "revisionHistoryLimit");
    if (typeof limit !== "number") return;
    const empty = this.#sets.filter((set) =>
      set !== newest && replicasOf(set) === 0 && Number(at(set, "status", "replicas") ?? 0) === 0 &&
      set.metadata.deletionTimestamp === undefined
    );
    empty.sort((a, b) => revisionOf(a) - revisionOf(b));
    for (const set of empty.slice(0, Math.max(0, empty.length - limit))) {
      deleteObject(this.#deps, SETS, set);
      this.#sets = this.#sets.filter((one) => one !== set);
    }
  }

  #statusOf(newest: KubeObject | undefined) {
    return deploymentStatus(this.#deps, this.#deployment, newest, this.#sets, this.#unavailable());
  }

  #writeStatus(newest: KubeObject | undefined): void {
    const { lookAgain, status } = this.#statusOf(newest);
    writeStatus(this.#deps, TABLE, this.#deployment, status);
    if (lookAgain !== undefined) this.#queue.addAfter(keyOf(this.#deployment), lookAgain);
  }
}

function withoutHash(template: unknown): unknown {
  const { metadata, ...rest } = template as { readonly metadata?: { readonly labels?: Record<string, string> } };
  const { [HASH]: _hash, ...labels } = metadata?.labels ?? {};
  return { ...rest, metadata: { ...metadata, labels } };
}
