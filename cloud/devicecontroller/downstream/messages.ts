// The three messages DeviceController sends down: membership, devicemodel and device (KubeEdge v1.23 `cloud/pkg/devicecontroller/controller/downstream.go`).
import { randomUUID } from "node:crypto";
import type { KubeObject } from "../../../protocol/apis/kube-object.ts";
import { asTyped, deviceIdOf } from "../../../protocol/apis/device.ts";
import { newMessage } from "../../../protocol/message/message.ts";
import { groups, modules, operations, resourceTypes } from "../../../protocol/message/names.ts";
import { nodePath } from "../../../protocol/resource/path.ts";
import type { MembershipDevice, MembershipUpdate } from "../../../protocol/twin/twin.ts";
import type { BusMessage } from "../../beehive/bus.ts";

/** The devices added to or removed from a node. An empty list is null on the wire. */
export function membershipMessage(
  now: number,
  node: string,
  added: readonly MembershipDevice[],
  removed: readonly MembershipDevice[],
): BusMessage {
  const content: MembershipUpdate = {
    event_id: randomUUID(),
    timestamp: now,
    added_devices: added.length === 0 ? null : added,
    removed_devices: removed.length === 0 ? null : removed,
  };
  return newMessage(now, {
    source: modules.devicecontroller,
    group: groups.twin,
    operation: operations.update,
    resource: `node/${node}/${resourceTypes.membership}`,
    content,
  });
}

/** A device as membership names it. */
export function memberOf(device: KubeObject): MembershipDevice {
  const description = device.metadata.labels?.description;
  return { id: deviceIdOf(device), name: device.metadata.name, ...(description === undefined ? {} : { description }) };
}

/** A Device or DeviceModel, whole. */
export function objectMessage(
  now: number,
  node: string,
  operation: string,
  type: "device" | "devicemodel",
  object: KubeObject,
): BusMessage {
  const { namespace = "default", name, resourceVersion = "" } = object.metadata;
  return newMessage(now, {
    source: modules.devicecontroller,
    group: groups.resource,
    operation,
    resource: nodePath(node, namespace, type, name),
    content: type === "device" ? asTyped(object) : object,
    version: resourceVersion,
  });
}
