// Reads twins and memberships from untrusted input: copies the known fields, or rejects the input.
import { isPlainObject, textAt } from "../apis/kube-object.ts";
import { type MembershipDevice, type MsgAttr, type MsgTwin, refuseTwin } from "./twin.ts";

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

/** An update of twins, or in KubeEdge's words why it is none. */
export function twinUpdateIn(
  content: unknown,
): { readonly event_id: string; readonly twin: Record<string, MsgTwin | null> } | string {
  const unread = "Unmarshal update request body failed, please check the request";
  if (!isPlainObject(content)) return unread;
  if (content.twin === undefined || content.twin === null) return "Update twin error, key:twin does not exist";
  const twin = twinsIn(content.twin);
  if (twin === undefined) return unread;
  return refuseTwins(twin) ?? { event_id: textAt(content, "event_id"), twin };
}

/** In KubeEdge's words that a name or a value has characters that may not travel; undefined where all may. */
export function refuseTwins(twins: Readonly<Record<string, MsgTwin | null>>): string | undefined {
  const says = (what: string, length: number) =>
    `The ${what} of twin must only include upper or lowercase letters, number, english, and special letter ` +
    `- _ . , : / @ # and the length of ${what} should be less than ${length} bytes`;
  for (const [name, given] of Object.entries(twins)) {
    if (refuseTwin(name, undefined) !== undefined) return says("key", 128);
    const values = [given?.expected?.value, given?.actual?.value];
    if (values.some((value) => refuseTwin(name, value) !== undefined)) return says("value", 512);
  }
  return undefined;
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

/** The fields that a twin has, and no other: unknown fields must not be passed on. */
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
  const present = Object.entries(fields).filter(([, field]) => field !== undefined);
  return present.some(([, field]) => field === wrong) ? undefined : Object.fromEntries(present);
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
