// KubeEdge v1.1's devices, devices.kubeedge.io/v1alpha1: the fields we read, and what they mean (KubeEdge v1.1 `cloud/pkg/devicecontroller/controller/downstream.go`).
import type { MembershipDevice, MsgTwin } from "../twin/twin.ts";
import { type KubeObject, listAt, textAt } from "./kube-object.ts";

/** A value with `timestamp` (decimal milliseconds) and `type` as texts. */
export interface TwinPropertyV1alpha1 {
  readonly value: string;
  readonly metadata?: Readonly<Record<string, string>>;
}

/** The desired and the reported value of a property. Users write `desired` here, into the status. */
export interface TwinV1alpha1 {
  readonly propertyName: string;
  readonly desired?: TwinPropertyV1alpha1;
  readonly reported?: TwinPropertyV1alpha1;
}

export interface DeviceV1alpha1 extends KubeObject {
  spec?: {
    readonly deviceModelRef?: { readonly name?: string };
    readonly nodeSelector?: unknown;
    readonly protocol?: ProtocolV1alpha1;
  };
  status?: { readonly twins?: readonly TwinV1alpha1[] };
}

/** One of these, or none. */
export interface ProtocolV1alpha1 {
  readonly opcua?: object;
  readonly modbus?: { readonly rtu?: object; readonly tcp?: object };
  readonly bluetooth?: object;
}

export interface DeviceModelV1alpha1 extends KubeObject {
  spec?: {
    readonly properties?: readonly {
      readonly name: string;
      readonly description?: string;
      readonly type?: { readonly int?: IntType; readonly string?: StringType };
    }[];
    readonly propertyVisitors?: readonly {
      readonly propertyName: string;
      readonly opcua?: object;
      readonly modbus?: object;
      readonly bluetooth?: object;
    }[];
  };
}

interface IntType {
  readonly accessMode?: string;
  readonly defaultValue?: number;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly unit?: string;
}

interface StringType {
  readonly accessMode?: string;
  readonly defaultValue?: string;
}

/** The node a device is bound to: the first value of the first expression of its node selector, whatever its key; "" for none. */
export function nodeOfV1alpha1(device: KubeObject | undefined): string {
  const [term] = listAt(device, "spec", "nodeSelector", "nodeSelectorTerms");
  return textAt(listAt(term, "matchExpressions")[0], "values", 0);
}

/** A device's twins; what has no name is left out. */
export function twinsOf(device: DeviceV1alpha1 | undefined): TwinV1alpha1[] {
  return (listAt(device, "status", "twins") as TwinV1alpha1[]).filter((twin) => textAt(twin, "propertyName") !== "");
}

/** What is wanted of a device, as a text to compare. What it reports is not in it. */
export function desiredStateOf(device: DeviceV1alpha1): string {
  return JSON.stringify(
    twinsOf(device).map(({ propertyName, desired }) => [propertyName, desired?.value ?? "", typeOf(desired)]).sort(),
  );
}

/**
 * The twins of a device as the cloud sends them: what is wanted, with the device's version for the cloud's. Twins that
 * `former` had and the device has no longer come as `deleted`.
 */
export function msgTwinsOf(device: DeviceV1alpha1, now: number, former?: DeviceV1alpha1): Record<string, MsgTwin> {
  const version = { cloud: Number(device.metadata.resourceVersion ?? 0), edge: 0 };
  const twin = ({ desired }: TwinV1alpha1, type: string): MsgTwin => ({
    expected: { value: desired?.value ?? "", metadata: { timestamp: now } },
    optional: false,
    metadata: { type },
    expected_version: version,
  });
  const present = twinsOf(device);
  const removed = twinsOf(former).filter(({ propertyName }) => !present.some((t) => t.propertyName === propertyName));
  return Object.fromEntries([
    ...present.map((t) => [t.propertyName, twin(t, typeOf(t.desired))] as const),
    ...removed.map((t) => [t.propertyName, twin(t, "deleted")] as const),
  ]);
}

function typeOf(desired: TwinPropertyV1alpha1 | undefined): string {
  return desired?.metadata?.type || "string";
}

/** A device as membership names it: by its bare name. */
export function memberOfV1alpha1(device: DeviceV1alpha1, now: number): MembershipDevice {
  const { labels, name } = device.metadata;
  const description = labels?.description;
  return {
    id: name,
    name,
    ...(description === undefined ? {} : { description }),
    twin: msgTwinsOf(device, now),
  };
}

/** ConfigMap of a node's device profile, as mappers of v1.1 mount it. */
export const profilePrefix = "device-profile-config-";
export const profileKey = "deviceProfile.json";

/**
 * The device profile of one node: its devices, and of what they use the models, protocols and visitors (§2.6). Devices whose
 * model is not there are left out, as with Go. Empty where there is nothing to tell.
 */
export function profileOf(
  devices: readonly DeviceV1alpha1[],
  modelOf: (device: DeviceV1alpha1) => DeviceModelV1alpha1 | undefined,
): Readonly<Record<string, readonly object[]>> {
  const known = devices.flatMap((device) => {
    const model = modelOf(device);
    return model === undefined ? [] : [{ device, model, protocol: protocolOf(device) }];
  });
  const models = [...new Map(known.map(({ model }) => [model.metadata.name, model])).values()];
  const lists = {
    deviceInstances: known.map(({ device, model, protocol }) => ({
      id: device.metadata.name,
      name: device.metadata.name,
      ...(protocol === undefined ? {} : { protocol: `${protocol.name}-${device.metadata.name}` }),
      model: model.metadata.name,
    })),
    deviceModels: models.map(modelEntry),
    protocols: known.map(({ device, protocol }) => ({
      ...(protocol === undefined ? {} : { name: `${protocol.name}-${device.metadata.name}`, protocol: protocol.name }),
      protocol_config: protocol?.config ?? null,
    })),
    propertyVisitors: models.flatMap(visitorsOf),
  };
  return Object.fromEntries(Object.entries(lists).filter(([, list]) => list.length > 0));
}

/** KubeEdge's name of a device's protocol and its settings; the first that is there. */
function protocolOf({ spec }: DeviceV1alpha1): { readonly name: string; readonly config: object } | undefined {
  const { bluetooth, modbus, opcua } = spec?.protocol ?? {};
  const all = { opcua, "modbus-rtu": modbus?.rtu, "modbus-tcp": modbus?.tcp, bluetooth };
  for (const [name, config] of Object.entries(all)) if (config !== undefined) return { name, config };
  return undefined;
}

function modelEntry({ metadata, spec }: DeviceModelV1alpha1) {
  const properties = (spec?.properties ?? []).map(({ description, name, type }) => {
    const { int, string } = type ?? {};
    const { minimum, maximum, unit } = int ?? {};
    const accessMode = (int ?? string)?.accessMode;
    return {
      name,
      dataType: int === undefined ? "string" : "int",
      ...(description ? { description } : {}),
      ...(accessMode ? { accessMode } : {}),
      // Go has an interface there, so its zero is written.
      defaultValue: int === undefined ? string?.defaultValue ?? "" : int.defaultValue ?? 0,
      ...(minimum ? { minimum } : {}),
      ...(maximum ? { maximum } : {}),
      ...(unit ? { unit } : {}),
    };
  });
  return { name: metadata.name, ...(properties.length === 0 ? {} : { properties }) };
}

function visitorsOf({ metadata, spec }: DeviceModelV1alpha1) {
  return (spec?.propertyVisitors ?? []).map(({ bluetooth, modbus, opcua, propertyName }) => {
    const [protocol, visitorConfig] = Object.entries({ modbus, opcua, bluetooth }).find(([, v]) => v !== undefined) ??
      [];
    return {
      name: propertyName,
      propertyName,
      modelName: metadata.name,
      ...(protocol === undefined ? {} : { protocol }),
      visitorConfig: visitorConfig ?? null,
    };
  });
}
