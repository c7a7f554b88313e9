// Whether an object may be as it is: the rules of all objects and those of its kind.
import type { KubeObject } from "../../../protocol/apis/kube-object.ts";
import type { Kind, Subresource } from "../kinds/kind.ts";
import { metadataErrors } from "../kinds/names.ts";
import { type Cause, invalid } from "../status.ts";

/** A part of an object that is written by itself. */
export type Part = Extract<Subresource, { as: "part" }>;

/** Throws 422 with all that is wrong; `found` is what is known to be wrong already. `old` is undefined at its creation. */
export function refuseInvalid(
  kind: Kind,
  object: KubeObject,
  old: KubeObject | undefined,
  found: readonly Cause[] = [],
  subresource = "",
  part?: Part,
): void {
  const own = old !== undefined && part !== undefined
    ? part.validate?.(object, old)
    : old !== undefined && subresource === "status"
    ? kind.strategy.validateStatus?.(object, old) ??
      (kind.custom === undefined ? [] : kind.strategy.validate?.(object, old))
    : kind.strategy.validate?.(object, old);
  const causes = [
    ...found,
    ...metadataErrors(object.metadata, kind.strategy.nameForm ?? "subdomain"),
    ...own ?? [],
  ];
  if (causes.length === 0) return;
  // kube-apiserver looks at the metadata of built-in kinds twice, and tells it twice.
  const told = kind.custom === undefined ? [...found, ...causes] : causes;
  const group = kind.strategy.messageGroup ?? kind.group;
  throw invalid({ group, kind: kind.kind }, object.metadata.name ?? "", told);
}
