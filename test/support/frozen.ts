// Makes it an error to change an object that is stored: versions of an object share what did not change between them.
import type { Store } from "../../cloud/apiserver/storage/store.ts";

/** Freezes every object of the store, from now on and what is there already; a later change of one throws TypeError. */
export function freezeStored(store: Store): void {
  for (const table of store.tables()) for (const object of store.list(table)) deepFreeze(object);
  store.watchAll((_table, { object }) => deepFreeze(object));
}

function deepFreeze(value: unknown): void {
  if (typeof value !== "object" || value === null || Object.isFrozen(value)) return;
  Object.freeze(value);
  for (const inner of Object.values(value)) deepFreeze(inner);
}
