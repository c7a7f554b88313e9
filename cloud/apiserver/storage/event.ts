// One change of a stored object, as watchers receive it.
import type { KubeObject } from "../../../protocol/apis/kube-object.ts";
import type { Stored } from "./stored.ts";

/** One change. `previous` is what stood there before; a deletion's object carries the version of the deletion. */
export interface StoreEvent {
  readonly type: "ADDED" | "MODIFIED" | "DELETED";
  readonly revision: number;
  readonly object: KubeObject;
  readonly previous: KubeObject | undefined;
  readonly stored: Stored;
  readonly storedBefore: Stored | undefined;
}
