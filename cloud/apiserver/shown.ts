// Objects of kinds with several versions: what is stored, and what each version shows of it.
import type { KubeObject } from "../../protocol/apis/kube-object.ts";
import { apiVersionOf, type Kind } from "./kinds/kind.ts";
import { Stored } from "./storage/stored.ts";

/** What is stored, as a version of its kind shows it. */
export function shown(kind: Kind, stored: Stored): Stored {
  const { object } = stored;
  const isSame = object.apiVersion === apiVersionOf(kind) &&
    (kind.custom === undefined || stored.schema === kind.custom);
  if (isSame || kind.strategy.show === undefined) return stored;
  const result = new Stored(kind.strategy.show(object), stored.managedFields);
  result.schema = kind.custom;
  return result;
}

/** An object in the version in which its kind is stored. */
export function storedForm(kind: Kind, object: KubeObject): KubeObject {
  return kind.strategy.store?.(object) ?? object;
}
