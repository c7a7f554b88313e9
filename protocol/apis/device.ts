// KubeEdge's devices, devices.kubeedge.io/v1beta1: the fields we read. Objects travel whole, whatever else they hold.
import type { KubeObject, ObjectMeta } from "./kube-object.ts";

export const deviceApi = "devices.kubeedge.io/v1beta1";

/** One property of a Device: what is wanted of it, and how it reports. Cycles are milliseconds. */
export interface DeviceProperty {
  readonly name: string;
  readonly desired?: { readonly value: string; readonly metadata?: Record<string, string> };
  readonly reportCycle?: number;
  readonly collectCycle?: number;
  readonly reportToCloud?: boolean;
}

export interface Device extends KubeObject {
  spec?: {
    readonly deviceModelRef?: { readonly name?: string };
    /** Empty: bound to no node, nothing is sent. */
    readonly nodeName?: string;
    readonly properties?: readonly DeviceProperty[];
    readonly [key: string]: unknown;
  };
}

/** A property as its model describes it. `minimum` and `maximum` are texts. */
export interface ModelProperty {
  readonly name: string;
  readonly type?: "INT" | "FLOAT" | "DOUBLE" | "STRING" | "BOOLEAN" | "BYTES" | "STREAM";
  readonly accessMode?: "ReadWrite" | "ReadOnly";
  readonly minimum?: string;
  readonly maximum?: string;
}

export interface DeviceModel extends KubeObject {
  spec?: {
    readonly properties?: readonly ModelProperty[];
    readonly protocol?: string;
    readonly [key: string]: unknown;
  };
}

/** A value with its `timestamp` (decimal milliseconds) and `type` as texts. */
export interface StatusValue {
  readonly value: string;
  readonly metadata?: Record<string, string>;
}

export interface StatusTwin {
  readonly propertyName: string;
  readonly reported?: StatusValue;
  readonly observedDesired?: StatusValue;
}

export interface DeviceStatus extends KubeObject {
  status?: {
    readonly twins?: readonly StatusTwin[];
    readonly state?: string;
    readonly lastOnlineTime?: string;
    readonly [key: string]: unknown;
  };
}

/** A device's, or a model's, id: `namespace/name`, as on the wire and in MQTT topics. */
export function deviceIdOf(device: KubeObject): string {
  return `${device.metadata.namespace ?? "default"}/${device.metadata.name}`;
}

/** A Device as Go's types write it: its status is there, also when it is empty. */
export function asTyped(device: KubeObject): KubeObject {
  return device.status === undefined ? { ...device, status: {} } : device;
}

/** The DeviceStatus that belongs to a Device: same name and namespace, owned by it, so that it goes when the Device goes. */
export function emptyDeviceStatus(device: Device): DeviceStatus {
  const { name, namespace = "default", uid = "" } = device.metadata;
  const metadata: ObjectMeta = {
    name,
    namespace,
    ownerReferences: [{ apiVersion: deviceApi, kind: "Device", name, uid, controller: true, blockOwnerDeletion: true }],
  };
  return { apiVersion: deviceApi, kind: "DeviceStatus", metadata, spec: {}, status: {} };
}
