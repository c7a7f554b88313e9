// Devices and their models as DMI carries them, and back to the objects that KubeEdge's API has (KubeEdge v1.23 `edge/pkg/devicetwin/dmiserver/server.go`).
import type { Device, DeviceModel } from "../apis/device.ts";
import { at, listAt, textAt } from "../apis/kube-object.ts";
import { fromAny, toAny } from "./messages.ts";

type Json = Readonly<Record<string, unknown>>;

/**
 * A Device with the defaults of its model: protocol and visitor data of the model, each key overlaid by the device's own.
 * Throws TypeError where such data hold a list or an object: edgecore then sends the device to no mapper.
 */
export function deviceMessage(device: Device, model: DeviceModel | undefined): object {
  const { name, namespace = "default" } = device.metadata;
  const spec = (device.spec ?? {}) as Json;
  const stateReport = at(spec, "stateReport") as Json | undefined;
  const ofModel = (property: string) =>
    listAt(model, "spec", "properties").find((described) => textAt(described, "name") === property);
  return {
    name,
    namespace,
    spec: {
      ...spec,
      deviceModelReference: textAt(spec, "deviceModelRef", "name"),
      protocol: config(at(spec, "protocol"), at(model, "spec", "protocolConfigData", "data")),
      properties: listAt(spec, "properties").map((property) => ({
        ...property as Json,
        visitors: config(
          at(property, "visitors"),
          at(ofModel(textAt(property, "name")), "visitors", "configData", "data"),
        ),
        ...(at(property, "pushMethod", "anomalyDetection") === undefined ? {} : {
          pushMethod: {
            ...at(property, "pushMethod") as Json,
            anomalyDetection: { data: wrapped(at(property, "pushMethod", "anomalyDetection", "data")) },
          },
        }),
      })),
    },
    ...(stateReport === undefined ? {} : {
      status: { reportToCloud: stateReport.reportToCloud, reportCycle: stateReport.reportCycle },
    }),
  };
}

function config(own: unknown, byDefault: unknown): Json {
  const data = wrapped({ ...byDefault as Json, ...at(own, "configData", "data") as Json });
  return {
    protocolName: textAt(own, "protocolName"),
    ...(Object.keys(data).length === 0 ? {} : { configData: { data } }),
  };
}

function wrapped(data: unknown): Json {
  return Object.fromEntries(Object.entries(data ?? {}).map(([key, value]) => [key, toAny(value)]));
}

export function modelMessage(model: DeviceModel): object {
  const { name, namespace = "default" } = model.metadata;
  return { name, namespace, spec: model.spec ?? {} };
}

/** A device as a mapper gets it, as the API's object. */
export function deviceIn(message: Json): Device {
  const { name, namespace, spec = {} } = message as { name: string; namespace: string; spec?: Json };
  const { deviceModelReference, properties, protocol, ...rest } = spec;
  return {
    metadata: { name, namespace },
    spec: {
      ...rest,
      deviceModelRef: { name: String(deviceModelReference ?? "") },
      protocol: unwrapped(protocol),
      properties: ((properties ?? []) as Json[]).map((property) => ({
        ...property,
        name: textAt(property, "name"),
        visitors: unwrapped(property.visitors),
      })),
    },
  };
}

function unwrapped(config: unknown): Json {
  const data = Object.entries(at(config, "configData", "data") ?? {});
  return {
    protocolName: textAt(config, "protocolName"),
    ...(data.length === 0
      ? {}
      : { configData: { data: Object.fromEntries(data.map(([key, any]) => [key, fromAny(any)])) } }),
  };
}

export function modelIn(message: Json): DeviceModel {
  const { name, namespace, spec } = message as { name: string; namespace: string; spec?: Json };
  return { metadata: { name, namespace }, spec: spec ?? {} };
}
