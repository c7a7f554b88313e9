// What lets the scheduler look at few nodes and few pods: nodes by their labels, waiting pods by what they ask for.
import { at, type KubeObject, listAt, textAt } from "../../../protocol/apis/kube-object.ts";
import { requiredTerms } from "./node-fit.ts";

const HOST = "kubernetes.io/hostname";
const ANY = "";

/** As `kubernetes.io/hostname=edge-1`: one label, or name, that a node must have for a pod; "" where any node may do. */
export function requirementOf(pod: KubeObject): string {
  const selector = Object.entries((at(pod, "spec", "nodeSelector") ?? {}) as Record<string, string>);
  const found = selector.find(([name]) => name === HOST) ?? selector[0];
  if (found !== undefined) return `${found[0]}=${found[1]}`;
  const terms = requiredTerms(pod);
  if (terms.length !== 1) return ANY;
  const [term] = terms;
  const isOne = (e: unknown) => textAt(e, "operator") === "In" && listAt(e, "values").length === 1;
  const field = listAt(term, "matchFields").find((e) => textAt(e, "key") === "metadata.name" && isOne(e));
  if (field !== undefined) return `@name=${String(listAt(field, "values")[0])}`;
  const label = listAt(term, "matchExpressions").find(isOne);
  return label === undefined ? ANY : `${textAt(label, "key")}=${String(listAt(label, "values")[0])}`;
}

function requirementsMetBy(node: KubeObject): string[] {
  const labels = Object.entries(node.metadata.labels ?? {}).map(([name, value]) => `${name}=${value}`);
  return [ANY, `@name=${node.metadata.name}`, ...labels];
}

/** Names of nodes by what they meet, each list in order. */
export class NodesByLabel {
  readonly #names = new Map<string, Set<string>>();
  readonly #sorted = new Map<string, readonly string[]>();

  change(before: KubeObject | undefined, now: KubeObject | undefined): void {
    const old = before === undefined ? [] : requirementsMetBy(before);
    const met = now === undefined ? [] : requirementsMetBy(now);
    const name = (now ?? before as KubeObject).metadata.name;
    for (const requirement of old) if (!met.includes(requirement)) this.#drop(requirement, name);
    for (const requirement of met) {
      let names = this.#names.get(requirement);
      if (names === undefined) this.#names.set(requirement, names = new Set());
      if (names.has(name)) continue;
      names.add(name);
      this.#sorted.delete(requirement);
    }
  }

  #drop(requirement: string, name: string): void {
    const names = this.#names.get(requirement);
    names?.delete(name);
    if (names?.size === 0) this.#names.delete(requirement);
    this.#sorted.delete(requirement);
  }

  /** The nodes on which a pod may fit. */
  candidates(pod: KubeObject): readonly string[] {
    const requirement = requirementOf(pod);
    let sorted = this.#sorted.get(requirement);
    if (sorted === undefined) {
      sorted = [...this.#names.get(requirement) ?? []].sort();
      this.#sorted.set(requirement, sorted);
    }
    return sorted;
  }
}

/** Pods with the same signature fit on the same nodes. */
export function signatureOf(pod: KubeObject): string {
  const { affinity, containers, initContainers, nodeSelector, overhead, tolerations } = pod.spec as Record<
    string,
    unknown
  >;
  const asked = (list: unknown) =>
    (Array.isArray(list) ? list : []).map((c) => [
      at(c, "resources"),
      listAt(c, "ports").map((p) => [at(p, "hostPort"), at(p, "hostIP"), at(p, "protocol")]),
    ]);
  return JSON.stringify([nodeSelector, affinity, tolerations, overhead, asked(containers), asked(initContainers)]);
}

/** Pods that fit nowhere at the moment. */
export class WaitingPods {
  readonly #groups = new Map<string, Map<string, Set<string>>>();
  readonly #where = new Map<string, readonly [requirement: string, signature: string]>();

  get size(): number {
    return this.#where.size;
  }

  keys(): string[] {
    return [...this.#where.keys()];
  }

  add(key: string, pod: KubeObject): void {
    const place = [requirementOf(pod), signatureOf(pod)] as const;
    const known = this.#where.get(key);
    if (known !== undefined && known[0] === place[0] && known[1] === place[1]) return;
    this.remove(key);
    this.#where.set(key, place);
    let groups = this.#groups.get(place[0]);
    if (groups === undefined) this.#groups.set(place[0], groups = new Map());
    groups.set(place[1], (groups.get(place[1]) ?? new Set()).add(key));
  }

  remove(key: string): void {
    const place = this.#where.get(key);
    if (place === undefined) return;
    this.#where.delete(key);
    const groups = this.#groups.get(place[0]);
    const group = groups?.get(place[1]);
    group?.delete(key);
    if (group?.size === 0) groups?.delete(place[1]);
    if (groups?.size === 0) this.#groups.delete(place[0]);
  }

  /** Groups of pods that may fit on a node; the pods of one group all do, or none. */
  groupsFor(node: KubeObject): string[][] {
    return requirementsMetBy(node).flatMap((requirement) => [...this.#groups.get(requirement)?.values() ?? []])
      .map((group) => [...group]);
  }
}
