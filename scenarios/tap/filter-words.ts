// The short forms that people type instead of CEL: `--edge gw-0 --kind configmap --name app --down`.
import { kindNamed } from "./objects.ts";

/** The flags; all of them must fit. */
export interface FilterWords {
  readonly where?: string;
  readonly edge?: string;
  readonly kind?: string;
  readonly name?: string;
  readonly ns?: string;
  readonly op?: string;
  readonly hop?: string;
  readonly up?: boolean;
  readonly down?: boolean;
  readonly drops?: boolean;
}

/** CEL of all flags together; `true` where there is none. */
export function filterOf({ down, drops, edge, hop, kind, name, ns, op, up, where }: FilterWords): string {
  const is = (field: string, value: string | undefined) =>
    value === undefined ? [] : [`${field} == ${JSON.stringify(value)}`];
  const terms = [
    ...is("node", edge),
    ...is("kind", kind === undefined ? undefined : kindNamed(kind) ?? kind.toLowerCase()),
    ...is("name", name),
    ...is("ns", ns),
    ...is("operation", op),
    ...(hop === undefined ? [] : [`hop.startsWith(${JSON.stringify(hop)})`]),
    ...(up && !down ? ['direction == "up"'] : []),
    ...(down && !up ? ['direction == "down"'] : []),
    ...(drops ? ['(hop.endsWith(".drop") || hop == "hub.refuse")'] : []),
    ...(where === undefined ? [] : [`(${where})`]),
  ];
  return terms.length === 0 ? "true" : terms.join(" && ");
}
