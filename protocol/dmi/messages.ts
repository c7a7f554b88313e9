// DMI's messages and services, package `v1beta1`: fields by name, with number and type (KubeEdge v1.23 `staging/src/github.com/kubeedge/api/apis/dmi/v1beta1/api.proto`).
import protobuf from "protobufjs/light.js";
import { decodeMessageOf, defineMessages, encodeMessageOf, type Fields } from "../protobuf/table.ts";

const customized: Fields = { data: "1 map google.protobuf.Any" };
const named: Fields = { deviceName: "1 string", deviceNamespace: "2 string" };
const namedModel: Fields = { deviceModelName: "1 string", deviceModelNamespace: "2 string" };

const messages: Readonly<Record<string, Fields>> = {
  MapperInfo: {
    name: "1 string",
    version: "2 string",
    api_version: "3 string",
    protocol: "4 string",
    address: "5 bytes",
    state: "6 string",
  },
  MapperRegisterRequest: { withData: "1 bool", mapper: "2 MapperInfo" },
  MapperRegisterResponse: { modelList: "1 DeviceModel[]", deviceList: "2 Device[]" },
  TwinProperty: { value: "1 string", metadata: "2 map string" },
  Twin: { propertyName: "1 string", observedDesired: "2 TwinProperty", reported: "3 TwinProperty" },
  DeviceStatus: { twins: "1 Twin[]", reportToCloud: "2 bool", reportCycle: "3 int64" },
  CustomizedValue: customized,
  AnomalyDetection: customized,
  ProtocolConfig: { protocolName: "1 string", configData: "2 CustomizedValue" },
  VisitorConfig: { protocolName: "1 string", configData: "2 CustomizedValue" },
  PushMethodHTTP: { hostname: "1 string", port: "2 int64", requestpath: "3 string", timeout: "4 int64" },
  PushMethodMQTT: { address: "1 string", topic: "2 string", qos: "3 int32", retained: "4 bool" },
  PushMethodOTEL: { endpointURL: "1 string" },
  Influxdb2ClientConfig: { url: "1 string", org: "2 string", bucket: "3 string" },
  Influxdb2DataConfig: { measurement: "1 string", tag: "2 map string", fieldKey: "3 string" },
  DBMethodInfluxdb2: {
    influxdb2ClientConfig: "1 Influxdb2ClientConfig",
    influxdb2DataConfig: "2 Influxdb2DataConfig",
  },
  RedisClientConfig: { addr: "1 string", db: "2 int32", poolsize: "3 int32", minIdleConns: "4 int32" },
  DBMethodRedis: { redisClientConfig: "1 RedisClientConfig" },
  TDEngineClientConfig: { addr: "1 string", dbname: "2 string" },
  DBMethodTDEngine: { tdEngineClientConfig: "1 TDEngineClientConfig" },
  MySQLClientConfig: { addr: "1 string", database: "2 string", userName: "3 string" },
  DBMethodMySQL: { mysqlClientConfig: "1 MySQLClientConfig" },
  DBMethod: {
    influxdb2: "1 DBMethodInfluxdb2",
    redis: "2 DBMethodRedis",
    tdengine: "3 DBMethodTDEngine",
    mysql: "4 DBMethodMySQL",
  },
  PushMethod: {
    http: "1 PushMethodHTTP",
    mqtt: "2 PushMethodMQTT",
    dbMethod: "3 DBMethod",
    otel: "4 PushMethodOTEL",
    anomalyDetection: "5 AnomalyDetection",
  },
  DeviceProperty: {
    name: "1 string",
    desired: "2 TwinProperty",
    visitors: "3 VisitorConfig",
    reportCycle: "4 int64",
    collectCycle: "5 int64",
    reportToCloud: "6 bool",
    pushMethod: "7 PushMethod",
  },
  DeviceMethod: { name: "1 string", description: "2 string", propertyNames: "3 string[]" },
  DeviceSpec: {
    deviceModelReference: "1 string",
    protocol: "2 ProtocolConfig",
    properties: "3 DeviceProperty[]",
    methods: "4 DeviceMethod[]",
  },
  Device: { name: "1 string", spec: "2 DeviceSpec", status: "3 DeviceStatus", namespace: "4 string" },
  ModelProperty: {
    name: "1 string",
    description: "2 string",
    type: "3 string",
    accessMode: "4 string",
    minimum: "5 string",
    maximum: "6 string",
    unit: "7 string",
  },
  DeviceCommand: {
    name: "1 string",
    url: "2 string",
    method: "3 string",
    status_code: "4 string[]",
    parameters: "5 string[]",
    response: "6 bytes",
  },
  DeviceModelSpec: { properties: "1 ModelProperty[]", commands: "2 DeviceCommand[]" },
  DeviceModel: { name: "1 string", spec: "2 DeviceModelSpec", namespace: "3 string" },
  ReportDeviceStatusRequest: { deviceName: "1 string", reportedDevice: "2 DeviceStatus", deviceNamespace: "3 string" },
  ReportDeviceStatusResponse: {},
  ReportDeviceStatesRequest: { ...named, state: "3 string" },
  ReportDeviceStatesResponse: {},
  RegisterDeviceRequest: { device: "1 Device" },
  RegisterDeviceResponse: named,
  UpdateDeviceRequest: { device: "1 Device" },
  UpdateDeviceResponse: {},
  RemoveDeviceRequest: named,
  RemoveDeviceResponse: {},
  CreateDeviceModelRequest: { model: "1 DeviceModel" },
  CreateDeviceModelResponse: namedModel,
  UpdateDeviceModelRequest: { model: "1 DeviceModel" },
  UpdateDeviceModelResponse: {},
  RemoveDeviceModelRequest: { modelName: "1 string", modelNamespace: "2 string" },
  RemoveDeviceModelResponse: {},
  GetDeviceRequest: named,
  GetDeviceResponse: { device: "1 Device" },
};

/** What an edge serves, and what each of its mappers does. A call takes `{call}Request` and gives `{call}Response`. */
export const services = {
  DeviceManagerService: ["MapperRegister", "ReportDeviceStatus", "ReportDeviceStates"],
  DeviceMapperService: [
    "RegisterDevice",
    "RemoveDevice",
    "UpdateDevice",
    "CreateDeviceModel",
    "RemoveDeviceModel",
    "UpdateDeviceModel",
    "GetDevice",
  ],
} as const;

export type ServiceName = keyof typeof services;

const root = new protobuf.Root();
const wrappers = root.define("google.protobuf");
wrappers.add(
  new protobuf.Type("Any").add(new protobuf.Field("type_url", 1, "string")).add(
    new protobuf.Field("value", 2, "bytes"),
  ),
);
for (const [name, type] of [["StringValue", "string"], ["BoolValue", "bool"], ["FloatValue", "float"]] as const) {
  wrappers.add(new protobuf.Type(name).add(new protobuf.Field("value", 1, type)));
}
const v1beta1 = root.define("v1beta1");
defineMessages(v1beta1, messages);

/** Bytes of a message. Fields that are absent, or that it does not have, are left out. */
export function encodeDmi(message: string, value: object): Uint8Array {
  return encodeMessageOf(v1beta1, message, value);
}

/** Decodes a message, integers as numbers. Throws for invalid bytes. */
export function decodeDmi(message: string, bytes: Uint8Array): Record<string, unknown> {
  return decodeMessageOf(v1beta1, message, bytes);
}

/** A JSON value as KubeEdge wraps it: every number becomes a 32-bit float. Throws TypeError for lists and objects. */
export function toAny(value: unknown): { readonly type_url: string; readonly value: Uint8Array } {
  const wrapper = { string: "StringValue", boolean: "BoolValue", number: "FloatValue" }[typeof value as string];
  if (wrapper === undefined) {
    throw new TypeError(`${JSON.stringify(value)} can't be sent to a mapper: only texts, numbers and truth values can`);
  }
  const type = wrappers.lookupType(wrapper);
  return {
    type_url: `type.googleapis.com/google.protobuf.${wrapper}`,
    value: type.encode(type.fromObject({ value })).finish(),
  };
}

/** The value in a wrapper; undefined for anything else. */
export function fromAny(any: { readonly type_url?: string; readonly value?: Uint8Array }): unknown {
  const name = any.type_url?.split(".").at(-1) ?? "";
  const type = ["StringValue", "BoolValue", "FloatValue"].includes(name) ? wrappers.lookupType(name) : undefined;
  return type === undefined
    ? undefined
    : type.toObject(type.decode(any.value ?? new Uint8Array()), { defaults: true }).value;
}
