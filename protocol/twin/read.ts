// Twins and members as strangers send them: rebuilt from the fields that they have, or none at all.
import { isPlainObject, textAt } from "../apis/kube-object.ts";
import type { MembershipDevice, MsgAttr, MsgTwin } from "./twin.ts";

/** Devices in one message; a node has some hundreds at most. */
const MAX_MEMBERS = 10_000;

/** Twins by property, null for one to delete; undefined where Go would not read it as that. */
export function twinsIn(content: unknown): Record<string, MsgTwin | null> | undefined {
  if (!isPlainObject(content)) return undefined;
  const twins: [string, MsgTwin | null][] = [];
  for (const [name, given] of Object.entries(content)) {
    const twin = given === null ? null : isPlainObject(given) ? twinOf(given) : undefined;
    if (twin === undefined) return undefined;
    twins.push([name, twin]);
  }
  return Object.fromEntries(twins);
}

/** The devices of a membership; those that are none are left out. */
export function membersIn(list: unknown): MembershipDevice[] {
  if (!Array.isArray(list)) return [];
  return list.slice(0, MAX_MEMBERS).filter(isPlainObject).flatMap(
    ({ attributes, description, id, name, state, twin }) => {
      if (typeof id !== "string" || id === "") return [];
      const twins = twinsIn(twin);
      return [{
        id,
        name: typeof name === "string" ? name : id,
        ...(typeof description === "string" ? { description } : {}),
        ...(typeof state === "string" ? { state } : {}),
        ...(isPlainObject(attributes) ? { attributes: attributesIn(attributes) } : {}),
        ...(twins === undefined ? {} : { twin: present(twins) }),
      }];
    },
  );
}

function present(twins: Readonly<Record<string, MsgTwin | null>>): Record<string, MsgTwin> {
  return Object.fromEntries(Object.entries(twins).filter((entry): entry is [string, MsgTwin] => entry[1] !== null));
}

function attributesIn(given: Readonly<Record<string, unknown>>): Record<string, MsgAttr> {
  return Object.fromEntries(
    Object.entries(given).filter(([, attribute]) => isPlainObject(attribute)).map(([name, attribute]) => {
      const { metadata, optional } = attribute as Record<string, unknown>;
      const kind = isAbsent(metadata) ? wrong : kindOf(metadata);
      return [name, {
        value: textAt(attribute, "value"),
        ...(typeof optional === "boolean" ? { optional } : {}),
        ...(kind === wrong ? {} : { metadata: kind }),
      }];
    }),
  );
}

/** A field that Go would not read. */
const wrong = Symbol("wrong");

/** The fields that a twin has, and no other: whatever else somebody says must not travel on. */
function twinOf(given: Readonly<Record<string, unknown>>): MsgTwin | undefined {
  const { actual, actual_version, expected, expected_version, metadata, optional } = given;
  const fields = {
    expected: isAbsent(expected) ? undefined : sideOf(expected),
    actual: isAbsent(actual) ? undefined : sideOf(actual),
    optional: isAbsent(optional) ? undefined : typeof optional === "boolean" ? optional : wrong,
    metadata: isAbsent(metadata) ? undefined : kindOf(metadata),
    expected_version: isAbsent(expected_version) ? undefined : versionOf(expected_version),
    actual_version: isAbsent(actual_version) ? undefined : versionOf(actual_version),
  };
  const said = Object.entries(fields).filter(([, field]) => field !== undefined);
  return said.some(([, field]) => field === wrong) ? undefined : Object.fromEntries(said);
}

function sideOf(side: unknown) {
  if (!isPlainObject(side)) return wrong;
  const { value } = side;
  return isAbsent(value) ? {} : typeof value === "string" ? { value } : wrong;
}

function kindOf(metadata: unknown) {
  if (!isPlainObject(metadata)) return wrong;
  const { type } = metadata;
  return isAbsent(type) ? {} : typeof type === "string" ? { type } : wrong;
}

function versionOf(version: unknown) {
  if (!isPlainObject(version)) return wrong;
  const { cloud = 0, edge = 0 } = version;
  return Number.isSafeInteger(cloud) && Number.isSafeInteger(edge) ? { cloud, edge } : wrong;
}

/** Go reads null as nothing. */
function isAbsent(value: unknown): value is undefined | null {
  return value === undefined || value === null;
}
