// All kinds served at the moment: the built-in ones and those of the definitions that are stored.
import type { KubeObject } from "../../../protocol/apis/kube-object.ts";
import { builtinKinds } from "./builtin.ts";
import { kindsOf } from "./custom.ts";
import type { Kind } from "./kind.ts";

/** Finds kinds by group, version and resource of a path. */
export class Registry {
  readonly #custom = new Map<string, readonly Kind[]>();
  #byPath = new Map<string, Kind>();

  constructor() {
    this.#index();
  }

  find(group: string, version: string, plural: string): Kind | undefined {
    return this.#byPath.get(`${group}/${version}/${plural}`);
  }

  all(): Kind[] {
    return [...this.#byPath.values()];
  }

  /** Group names with their versions, core ("") first; versions in the order clients should prefer them. */
  groups(): Map<string, string[]> {
    const groups = new Map<string, string[]>();
    for (const kind of this.all()) {
      const versions = groups.get(kind.group) ?? [];
      if (!versions.includes(kind.version)) versions.push(kind.version);
      groups.set(kind.group, versions.sort(byVersionPreference));
    }
    return groups;
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
    for (const kind of [...builtinKinds, ...[...this.#custom.values()].flat()]) {
      this.#byPath.set(`${kind.group}/${kind.version}/${kind.plural}`, kind);
    }
  }
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
