// Device twins as they travel: payloads, the version rules, and what a value may look like (KubeEdge v1.23 `edge/pkg/devicetwin/dttype`).

/** Versions of one side of a twin: how often the cloud and the edge have set it. */
export interface TwinVersion {
  readonly cloud: number;
  readonly edge: number;
}

/** A value with the time it was set, Unix milliseconds. Without `value` it was deleted. */
export interface TwinValue {
  readonly value?: string;
  readonly metadata?: { readonly timestamp?: number };
}

/** One property: what is wanted (`expected`), what is (`actual`), each with its own version. */
export interface MsgTwin {
  readonly expected?: TwinValue;
  readonly actual?: TwinValue;
  readonly optional?: boolean;
  readonly metadata?: { readonly type?: string };
  readonly expected_version?: TwinVersion;
  readonly actual_version?: TwinVersion;
}

/** Content of `device/{ns}/{name}/twin/edge_updated`. */
export interface DeviceTwinUpdate {
  readonly event_id: string;
  readonly timestamp: number;
  readonly twin: Readonly<Record<string, MsgTwin | null>>;
}

/** A property before and after a change, for mappers; null where it was or is not there. */
export interface TwinDocument {
  readonly last: MsgTwin | null;
  readonly current: MsgTwin | null;
}

/** An attribute of a device: what it is made of, not what it measures. */
export interface MsgAttr {
  readonly value: string;
  readonly optional?: boolean;
  readonly metadata?: { readonly type?: string };
}

/** A device in a membership message. */
export interface MembershipDevice {
  readonly id: string;
  readonly name: string;
  readonly description?: string;
  readonly state?: string;
  readonly attributes?: Readonly<Record<string, MsgAttr>>;
  /** With nodes of v1.1: its twins as the cloud has them. */
  readonly twin?: Readonly<Record<string, MsgTwin>>;
}

/** Content of `membership/detail`, with nodes of v1.1: all devices of the node; it drops what is not among them. */
export interface MembershipDetail {
  readonly event_id: string;
  readonly timestamp: number;
  readonly devices: readonly MembershipDevice[];
}

/** Content of `membership`: the list that doesn't apply is null, not empty. */
export interface MembershipUpdate {
  readonly event_id: string;
  readonly timestamp: number;
  readonly added_devices: readonly MembershipDevice[] | null;
  readonly removed_devices: readonly MembershipDevice[] | null;
}

/** Content of `device/{ns}/{name}/state/update`, a JSON text. `lastOnlineTime` is RFC 3339, empty when not online. */
export interface DeviceStateUpdate {
  readonly event_id: string;
  readonly timestamp: number;
  readonly device: { readonly name: string; readonly state: string; readonly lastOnlineTime: string };
}

/** Device states an edge takes, in any letter case; others are ignored. */
export const deviceStates = ["online", "offline", "ok", "unknown", "unhealthy"] as const;

/** Who set a value: the edge itself, or the cloud with the versions it knew. */
export type TwinOrigin = { readonly by: "edge" } | { readonly by: "cloud"; readonly version: TwinVersion | undefined };

/**
 * The version rule (`dealVersion`): an edge's own write counts its side up; a cloud's write is taken only if it names a
 * version, and has processed every change of this edge; otherwise the edge wins. Undefined means refused.
 */
export function nextTwinVersion(local: TwinVersion, origin: TwinOrigin): TwinVersion | undefined {
  if (origin.by === "edge") return { cloud: local.cloud, edge: local.edge + 1 };
  const { version } = origin;
  if (version === undefined || local.cloud > version.cloud || local.edge > version.edge) return undefined;
  return version;
}

/** Names and non-empty values: no spaces, no JSON, no `%`, `°` or `+`; at most 128 and 512 characters. */
const namePattern = /^[a-zA-Z0-9_.,:/@#-]{1,128}$/;
const valuePattern = /^[a-zA-Z0-9_.,:/@#-]{1,512}$/;

/** Why a property name or value is refused at the edge; undefined where it is fine. The empty value is. */
export function refuseTwin(property: string, value: string | undefined): string | undefined {
  if (!namePattern.test(property)) {
    return `property "${property}": a name has 1 to 128 of the characters a-z A-Z 0-9 - _ . , : / @ #`;
  }
  if (value !== undefined && value !== "" && !valuePattern.test(value)) {
    return `property "${property}": the value "${
      value.slice(0, 40)
    }" may only have up to 512 of a-z A-Z 0-9 - _ . , : / @ #`;
  }
  return undefined;
}

/** Why a value doesn't fit the type of its twin (`ValidateValue`); undefined where it fits. */
export function refuseTwinType(type: string, value: string): string | undefined {
  switch (type) {
    case "":
    case "string":
    case "deleted":
      return undefined;
    case "int":
    case "integer":
      return isInt64(value) ? undefined : "the value is not int or integer";
    case "float":
      return isFloat64(value) ? undefined : "the value is not float";
    case "boolean":
      return value === "true" || value === "false" ? undefined : "the bool value must be true or false";
    default:
      return "the value type is not allowed";
  }
}

/** What Go's `ParseInt(value, 10, 64)` takes. */
function isInt64(value: string): boolean {
  if (!/^[+-]?\d{1,512}$/.test(value)) return false;
  const int = BigInt(value.replace(/^\+/, ""));
  return BigInt.asIntN(64, int) === int;
}

/** What Go's `ParseFloat(value, 64)` takes, but for hexadecimal numbers. */
function isFloat64(value: string): boolean {
  if (/^[+-]?(inf|infinity|nan)$/i.test(value)) return true;
  return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(value) && Number.isFinite(Number(value));
}
