// Sets of fields in the form in which managedFields writes them (FieldsV1), and the operations on such sets.
// Source: https://kubernetes.io/docs/reference/using-api/server-side-apply/ and structured-merge-diff `fieldpath`.

/**
 * A set of fields: `f:name` is a field, `k:{…}` a list item by its keys, `v:…` one by its value; `.` says that the place
 * itself belongs to the set. `{}` is a place that belongs to it and has nothing below. Sets are never changed.
 */
export interface FieldSet {
  readonly [step: string]: FieldSet;
}

/** A place that belongs to a set, with nothing below it. */
export const leaf: FieldSet = Object.freeze({});
/** The set with nothing in it. */
export const none: FieldSet = Object.freeze({});

const SELF = ".";

/** Whether the place itself, not only something below it, belongs to the set. `node` is undefined where nothing does. */
export function isMember(node: FieldSet | undefined): boolean {
  return node !== undefined && (isEmpty(node) || Object.hasOwn(node, SELF));
}

export function isEmpty(set: FieldSet): boolean {
  for (const _ in set) return false;
  return true;
}

export function child(set: FieldSet | undefined, step: string): FieldSet | undefined {
  return set !== undefined && Object.hasOwn(set, step) ? set[step] : undefined;
}

function stepsOf(node: FieldSet): string[] {
  return Object.keys(node).filter((step) => step !== SELF);
}

/** A node from its parts; undefined where neither the place nor anything below it belongs to the set. */
function nodeOf(member: boolean, children: Record<string, FieldSet>): FieldSet | undefined {
  if (isEmpty(children)) return member ? leaf : undefined;
  return member ? { [SELF]: leaf, ...children } : children;
}

/** Runs over the steps of both sets; a root counts as no member. */
function combine(
  one: FieldSet | undefined,
  other: FieldSet | undefined,
  isIn: (one: boolean, other: boolean) => boolean,
  isRoot: boolean,
): FieldSet | undefined {
  const children: Record<string, FieldSet> = {};
  const steps = new Set([...one === undefined ? [] : stepsOf(one), ...other === undefined ? [] : stepsOf(other)]);
  for (const step of steps) {
    const node = combine(child(one, step), child(other, step), isIn, false);
    if (node !== undefined) children[step] = node;
  }
  return nodeOf(!isRoot && isIn(isMember(one), isMember(other)), children);
}

export function union(one: FieldSet, other: FieldSet): FieldSet {
  if (isEmpty(one)) return other;
  if (isEmpty(other)) return one;
  return combine(one, other, (a, b) => a || b, true) ?? none;
}

export function intersection(one: FieldSet, other: FieldSet): FieldSet {
  if (isEmpty(one) || isEmpty(other)) return none;
  return combine(one, other, (a, b) => a && b, true) ?? none;
}

/** The very same set where it has nothing of the other. */
export function difference(one: FieldSet, other: FieldSet): FieldSet {
  if (isEmpty(one) || isEmpty(other)) return one;
  return minus(one, other, true) ?? none;
}

function minus(one: FieldSet, other: FieldSet, isRoot: boolean): FieldSet | undefined {
  let left: Record<string, FieldSet> | undefined;
  for (const step in other) {
    const node = step === SELF ? undefined : child(one, step);
    if (node === undefined) continue;
    const rest = minus(node, other[step] as FieldSet, false);
    if (rest === node) continue;
    left ??= { ...one };
    if (rest === undefined) delete left[step];
    else left[step] = rest;
  }
  const wasMember = !isRoot && isMember(one);
  const member = wasMember && !isMember(other);
  if (left === undefined && member === wasMember) return one;
  const { [SELF]: _self, ...children } = left ?? one;
  return nodeOf(member, children);
}

/** A set without a place and all that is below it. */
export function without(set: FieldSet, path: readonly string[]): FieldSet {
  const [step, ...rest] = path as [string, ...string[]];
  const node = child(set, step);
  if (node === undefined) return set;
  const { [step]: _node, ...others } = set;
  if (rest.length === 0) return others;
  const inner = without(node, rest);
  return isEmpty(inner) && !isEmpty(node) ? others : { ...others, [step]: inner };
}

/** Every place that belongs to a set, as the path of its steps. */
export function* membersOf(set: FieldSet, path: readonly string[] = []): Generator<readonly string[]> {
  for (const step of stepsOf(set)) {
    const node = set[step] as FieldSet;
    if (isMember(node)) yield [...path, step];
    yield* membersOf(node, [...path, step]);
  }
}

/** A path as messages show it: `.spec.ports[port=80,protocol="TCP"].name`. */
export function pathText(path: readonly string[]): string {
  return path.map((step) => {
    const rest = step.slice(2);
    if (step.startsWith("f:")) return `.${rest}`;
    if (step.startsWith("v:")) return `[=${rest}]`;
    if (step.startsWith("i:")) return `[${rest}]`;
    const keys = JSON.parse(rest) as Record<string, unknown>;
    return `[${Object.entries(keys).map(([key, value]) => `${key}=${JSON.stringify(value)}`).join(",")}]`;
  }).join("");
}
