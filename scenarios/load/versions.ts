// Changes of objects that many edges store: which version is where, until the last edge has it.
import type { StoredVersion } from "../../edge-sim/load/edge-load.ts";

/** One version of an object on its way. */
interface Change {
  readonly version: string;
  readonly users: number;
  readonly done: (last: number | undefined) => void;
  edges: number;
  last: number;
}

/** Versions that edges named before the API's answer did, of one object. */
const MAX_EARLY = 64;

/** By the path of an object, as on the wire. */
export class Versions {
  readonly #changes = new Map<string, Change[]>();
  readonly #early = new Map<string, Map<string, StoredVersion>>();

  /** An object has a new version that so many edges are to store. `done` is told when the last one did; undefined where a newer one was everywhere before. */
  changed(path: string, version: string, users: number, done: Change["done"]): void {
    const changes = this.#changes.get(path) ?? [];
    this.#changes.set(path, changes);
    changes.push({ version, users, done, edges: 0, last: 0 });
    const early = this.#early.get(path)?.get(version);
    if (early === undefined) return;
    this.#early.get(path)?.delete(version);
    this.stored(early);
  }

  /** Some edges have stored a version. */
  stored({ edges, last, path, version }: StoredVersion): void {
    const changes = this.#changes.get(path) ?? [];
    const at = changes.findIndex((change) => change.version === version);
    const change = changes[at];
    if (change === undefined) return this.#keepEarly({ edges, last, path, version });
    change.edges += edges;
    change.last = Math.max(change.last, last);
    if (change.edges < change.users) return;
    // What came before it will not be everywhere any more.
    for (const { done } of changes.splice(0, at)) done(undefined);
    changes.shift();
    change.done(change.last);
  }

  /** Waits no longer for a version. */
  forget(path: string, version: string): void {
    const changes = this.#changes.get(path) ?? [];
    const at = changes.findIndex((change) => change.version === version);
    if (at !== -1) changes.splice(at, 1);
  }

  #keepEarly(stored: StoredVersion): void {
    const early = this.#early.get(stored.path) ?? new Map<string, StoredVersion>();
    this.#early.set(stored.path, early);
    const before = early.get(stored.version);
    early.set(stored.version, {
      ...stored,
      edges: stored.edges + (before?.edges ?? 0),
      last: Math.max(stored.last, before?.last ?? 0),
    });
    if (early.size > MAX_EARLY) early.delete(early.keys().next().value as string);
  }
}
