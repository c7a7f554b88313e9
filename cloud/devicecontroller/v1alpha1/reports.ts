// What edges of v1.1 report of their devices, as a change of `Device.status` (KubeEdge v1.1 `cloud/pkg/devicecontroller/controller/upstream.go`).
import { isDeepStrictEqual } from "node:util";
import { type DeviceV1alpha1, twinsOf, type TwinV1alpha1 } from "../../../protocol/apis/device-v1alpha1.ts";
import { at } from "../../../protocol/apis/kube-object.ts";
import type { MsgTwin } from "../../../protocol/twin/twin.ts";
import { hasCode, type KubeClient } from "../../kube/client.ts";
import { resources } from "../../kube/resource.ts";
import { reportedTwins, valueOf } from "../upstream/reports.ts";

/** Attempts in case of conflicting writes of the same Device. */
const TRIES = 5;

/** The twins after a report, which changes only those that the device has. */
export function mergeTwinsV1alpha1(device: DeviceV1alpha1, report: unknown): TwinV1alpha1[] {
  const reported = reportedTwins(report);
  return twinsOf(device).map((twin) => {
    const given = Object.hasOwn(reported, twin.propertyName) ? reported[twin.propertyName] : undefined;
    const value = valueOf((given ?? {}) as MsgTwin, "actual");
    return value === undefined ? twin : { ...twin, reported: value };
  });
}

/**
 * Writes a report into the device's status. The list of twins goes as a whole, as with Go, but only over the version it was made
 * from: what a person has asked for meanwhile stands. Rejects where it can't be written.
 */
export async function storeReportV1alpha1(client: KubeClient, device: DeviceV1alpha1, report: unknown): Promise<void> {
  const { name, namespace = "" } = device.metadata;
  const ref = { resource: resources.devicesV1alpha1, namespace, name };
  for (let tried = 1, last = device;; tried++) {
    const twins = mergeTwinsV1alpha1(last, report);
    if (isDeepStrictEqual(twins, twinsOf(last))) return;
    try {
      const { resourceVersion } = last.metadata;
      await client.patch(ref, "merge", { metadata: { resourceVersion }, status: { twins } });
      return;
    } catch (error) {
      if (!hasCode(error, 409) || tried === TRIES) throw error;
      last = await client.get(ref) as DeviceV1alpha1;
      if (at(last, "metadata", "uid") !== device.metadata.uid) return;
    }
  }
}
