// All kinds served at the moment: the built-in ones and those of the definitions that are stored.
import type { KubeObject } from "../../../protocol/apis/kube-object.ts";
import { builtinKinds } from "./builtin.ts";
import { kindsOf } from "../custom/kinds.ts";
import type { Kind } from "./kind.ts";

/** The order in which kube-apiserver lists its groups; others follow by name. */
const groupOrder: readonly string[] = [
  "",
  "apiregistration.k8s.io",
  "apps",
  "events.k8s.io",
  "authentication.k8s.io",
  "authorization.k8s.io",
  "autoscaling",
  "batch",
  "certificates.k8s.io",
  "networking.k8s.io",
  "policy",
  "rbac.authorization.k8s.io",
  "storage.k8s.io",
  "admissionregistration.k8s.io",
  "apiextensions.k8s.io",
  "scheduling.k8s.io",
  "coordination.k8s.io",
  "node.k8s.io",
  "discovery.k8s.io",
  "flowcontrol.apiserver.k8s.io",
];

/** Finds kinds by group, version and resource of a path. */
export class Registry {
  readonly #builtin: readonly Kind[];
  readonly #custom = new Map<string, readonly Kind[]>();
  #byPath = new Map<string, Kind>();
  #byTable = new Map<string, Kind>();
  #groups: Map<string, string[]> | undefined;

  /** With `hasUnstable`, alpha and beta versions of built-in kinds are served, too. */
  constructor(hasUnstable = false) {
    this.#builtin = builtinKinds(hasUnstable);
    this.#index();
  }

  find(group: string, version: string, plural: string): Kind | undefined {
    return this.#byPath.get(`${group}/${version}/${plural}`);
  }

  /** By the kind of an object, as its body says. */
  findByKind(apiVersion: string, kind: string): Kind | undefined {
    for (const found of this.#byPath.values()) {
      if (
        found.kind === kind && (found.group === "" ? found.version : `${found.group}/${found.version}`) === apiVersion
      ) {
        return found;
      }
    }
    return undefined;
  }

  /** A kind whose objects a table holds, in the version in which it holds them. */
  ofTable(table: string): Kind | undefined {
    return this.#byTable.get(table);
  }

  all(): Kind[] {
    return [...this.#byPath.values()];
  }

  /** Whether a definition makes a kind. */
  hasCustom(name: string): boolean {
    return this.#custom.has(name);
  }

  /** Group names with their versions, core ("") first; versions in the order clients should prefer them. */
  groups(): Map<string, string[]> {
    if (this.#groups !== undefined) return this.#groups;
    const found = new Map<string, string[]>();
    for (const kind of this.#byPath.values()) {
      const versions = found.get(kind.group) ?? [];
      if (!versions.includes(kind.version)) versions.push(kind.version);
      found.set(kind.group, versions.sort(byVersionPreference));
    }
    return this.#groups = new Map([...found].sort(([a], [b]) => rankOfGroup(a) - rankOfGroup(b) || (a < b ? -1 : 1)));
  }

  define(crd: KubeObject): void {
    this.#custom.set(crd.metadata.name, kindsOf(crd));
    this.#index();
  }

  undefine(name: string): void {
    this.#custom.delete(name);
    this.#index();
  }

  #index(): void {
    this.#byPath = new Map();
    this.#byTable = new Map();
    this.#groups = undefined;
    for (const kind of [...this.#builtin, ...[...this.#custom.values()].flat()]) {
      this.#byPath.set(`${kind.group}/${kind.version}/${kind.plural}`, kind);
      const apiVersion = kind.group === "" ? kind.version : `${kind.group}/${kind.version}`;
      if (apiVersion === kind.storedAs || !this.#byTable.has(kind.table)) this.#byTable.set(kind.table, kind);
    }
  }
}

function rankOfGroup(group: string): number {
  const at = groupOrder.indexOf(group);
  return at === -1 ? groupOrder.length : at;
}

/** Stable before beta before alpha, higher numbers first. */
function byVersionPreference(a: string, b: string): number {
  return rank(b) - rank(a);
}

function rank(version: string): number {
  const match = /^v(\d+)(?:(alpha|beta)(\d+))?$/.exec(version);
  if (match === null) return -1;
  const stage = match[2] === undefined ? 2 : match[2] === "beta" ? 1 : 0;
  return stage * 1e6 + Number(match[1]) * 1e3 + Number(match[3] ?? 0);
}
