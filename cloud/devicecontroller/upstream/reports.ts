// What edges report of their devices, as a change of DeviceStatus (KubeEdge v1.23 `cloud/pkg/devicecontroller/controller/upstream.go`).
import { SkepError } from "../../../base/error/skep-error.ts";
import type { Device, DeviceStatus, StatusTwin, StatusValue } from "../../../protocol/apis/device.ts";
import { at, isPlainObject } from "../../../protocol/apis/kube-object.ts";
import type { MsgTwin } from "../../../protocol/twin/twin.ts";

/** A report that can't be read. */
export class ReportError extends SkepError {
  readonly code = "SKEP_REPORT";
}

/**
 * The twins after a report. Properties that the device doesn't have, or has no longer, are left out; a value given replaces the old
 * one whole. Unlike Go's, the first report of a property is kept too.
 */
export function mergeTwins(device: Device, status: DeviceStatus, report: unknown): StatusTwin[] {
  const reported = reportedTwins(report);
  const known = new Set((device.spec?.properties ?? []).map((property) => property.name));
  const stored = (status.status?.twins ?? []).filter(({ propertyName }) => known.has(propertyName));
  const twins = new Map(stored.map((twin) => [twin.propertyName, twin]));
  for (const [propertyName, value] of Object.entries(reported)) {
    if (!known.has(propertyName) || value === null) continue;
    const old = twins.get(propertyName) ?? { propertyName };
    const actual = valueOf(value, "actual");
    const expected = valueOf(value, "expected");
    twins.set(propertyName, {
      ...old,
      ...(actual === undefined ? {} : { reported: actual }),
      ...(expected === undefined ? {} : { observedDesired: expected }),
    });
  }
  return [...twins.values()];
}

/** The twins of a report. Throws ReportError. */
export function reportedTwins(report: unknown): Readonly<Record<string, MsgTwin | null>> {
  const reported = at(report, "twin");
  if (isPlainObject(reported)) return reported as Record<string, MsgTwin | null>;
  throw new ReportError("the report has no twin");
}

/** One side of a twin as it is stored; undefined where the report does not say it. */
export function valueOf(twin: MsgTwin, side: "actual" | "expected"): StatusValue | undefined {
  const value = at(twin, side, "value");
  if (typeof value !== "string") return undefined;
  const timestamp = at(twin, side, "metadata", "timestamp");
  const type = at(twin, "metadata", "type");
  return {
    value,
    metadata: {
      ...(timestamp === undefined ? {} : { timestamp: String(timestamp) }),
      ...(typeof type === "string" ? { type } : {}),
    },
  };
}

/** The state after a report; an empty `lastOnlineTime` leaves the old one standing. Keys in whatever letter case. */
export function stateOf(report: unknown): { readonly state?: string; readonly lastOnlineTime?: string } {
  const device = at(report, "device") ?? at(report, "Device");
  const state = at(device, "state") ?? at(device, "State");
  const lastOnlineTime = at(device, "lastOnlineTime") ?? at(device, "LastOnlineTime");
  if (typeof device !== "object" || device === null) throw new ReportError("the report has no device");
  return {
    ...(typeof state === "string" && state !== "" ? { state } : {}),
    ...(typeof lastOnlineTime === "string" && lastOnlineTime !== "" ? { lastOnlineTime } : {}),
  };
}
