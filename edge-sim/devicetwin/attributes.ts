// The attributes of a device as the cloud sends them, and what of them has changed (KubeEdge v1.23 `edge/pkg/devicetwin/dtmanager/device.go`).
import type { MsgAttr } from "../../protocol/twin/twin.ts";

/** By name. */
export type Attributes = Readonly<Record<string, MsgAttr>>;

/** What `after` adds or changes, and null for what it lacks; undefined where nothing changed. */
export function changedAttributes(before: Attributes, after: Attributes): Record<string, MsgAttr | null> | undefined {
  const changed: Record<string, MsgAttr | null> = {};
  for (const [name, attribute] of Object.entries(after)) {
    if (JSON.stringify(before[name]) !== JSON.stringify(attribute)) changed[name] = attribute;
  }
  for (const name of Object.keys(before)) if (!Object.hasOwn(after, name)) changed[name] = null;
  return Object.keys(changed).length === 0 ? undefined : changed;
}
