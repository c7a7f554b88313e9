// Twins and members as strangers send them: what is not as it must be is left out, or makes the whole none.
import { isPlainObject } from "../apis/kube-object.ts";
import type { MembershipDevice, MsgAttr, MsgTwin } from "./twin.ts";

/** Devices in one message; a node has some hundreds at most. */
const MAX_MEMBERS = 10_000;

/** Twins by property, null for one to delete; undefined where Go would not read it as that. */
export function twinsIn(content: unknown): Record<string, MsgTwin | null> | undefined {
  if (!isPlainObject(content)) return undefined;
  const twins = Object.entries(content);
  if (!twins.every(([, twin]) => twin === null || isTwin(twin))) return undefined;
  return Object.fromEntries(twins.map(([name, twin]) => [name, twin === null ? null : withoutNulls(twin as object)]));
}

/** Go reads null as nothing. */
function withoutNulls(twin: object): MsgTwin {
  return Object.fromEntries(Object.entries(twin).filter(([, field]) => field !== null));
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
        ...(isPlainObject(attributes) ? { attributes: attributes as Record<string, MsgAttr> } : {}),
        ...(twins === undefined ? {} : { twin: present(twins) }),
      }];
    },
  );
}

function present(twins: Readonly<Record<string, MsgTwin | null>>): Record<string, MsgTwin> {
  return Object.fromEntries(Object.entries(twins).filter((entry): entry is [string, MsgTwin] => entry[1] !== null));
}

function isTwin(given: unknown): boolean {
  if (!isPlainObject(given)) return false;
  const { actual, actual_version, expected, expected_version, metadata, optional } = given;
  return isSide(actual) && isSide(expected) && isVersion(actual_version) && isVersion(expected_version) &&
    (isAbsent(optional) || typeof optional === "boolean") &&
    (isAbsent(metadata) || (isPlainObject(metadata) && ["string", "undefined"].includes(typeof metadata.type)));
}

function isSide(side: unknown): boolean {
  return isAbsent(side) || (isPlainObject(side) && ["string", "undefined"].includes(typeof side.value));
}

function isVersion(version: unknown): boolean {
  return isAbsent(version) ||
    (isPlainObject(version) && Number.isSafeInteger(version.cloud) && Number.isSafeInteger(version.edge));
}

function isAbsent(value: unknown): value is undefined | null {
  return value === undefined || value === null;
}
