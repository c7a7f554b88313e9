// The CustomResourceDefinitions that cloudcore needs, with their schemas (protocol notes 3 §1, 4 §1.1).
import type { KubeObject } from "./kube-object.ts";

type Schema = Record<string, unknown>;

const text: Schema = { type: "string" };
const flag: Schema = { type: "boolean" };
const integer: Schema = { type: "integer", format: "int64" };
const small: Schema = { type: "integer" };
const texts: Schema = { type: "object", additionalProperties: text };
const free: Schema = { type: "object", "x-kubernetes-preserve-unknown-fields": true };
const object = (properties: Record<string, Schema>, required?: string[]): Schema => ({
  type: "object",
  properties,
  ...(required === undefined ? {} : { required }),
});
const list = (items: Schema): Schema => ({ type: "array", items });
const choice = (...values: string[]): Schema => ({ type: "string", enum: values });

const value = object({ value: text, metadata: texts }, ["value"]);
const visitors = object({ protocolName: text, configData: free });

const pushMethod = object({
  http: object({ hostName: text, port: integer, requestPath: text, timeout: integer }),
  mqtt: object({ address: text, topic: text, qos: { type: "integer", format: "int32" }, retained: flag }),
  otel: object({ endpointURL: text }),
  anomalyDetection: free,
  dbMethod: object({
    influxdb2: object({
      influxdb2ClientConfig: object({ url: text, org: text, bucket: text }),
      influxdb2DataConfig: object({ measurement: text, tag: texts, fieldKey: text }),
    }),
    redis: object({ redisClientConfig: object({ addr: text, db: small, poolsize: small, minIdleConns: small }) }),
    TDEngine: object({ TDEngineClientConfig: object({ addr: text, dbName: text }) }),
    mysql: object({ mysqlClientConfig: object({ addr: text, database: text, userName: text }) }),
  }),
});

const deviceSchema = object({
  spec: object({
    deviceModelRef: { ...object({ name: { ...text, default: "" } }), "x-kubernetes-map-type": "atomic" },
    nodeName: text,
    properties: list(object({
      name: text,
      desired: value,
      visitors,
      reportCycle: integer,
      collectCycle: integer,
      reportToCloud: flag,
      pushMethod,
    })),
    protocol: object({ protocolName: text, configData: free }),
    methods: list(object({ name: text, description: text, propertyNames: list(text) })),
    stateReport: object({ reportToCloud: flag, reportCycle: integer }),
  }),
  status: free,
});

const modelSchema = object({
  spec: object({
    protocol: text,
    protocolConfigData: free,
    properties: list(object({
      name: text,
      description: text,
      type: choice("INT", "FLOAT", "DOUBLE", "STRING", "BOOLEAN", "BYTES", "STREAM"),
      accessMode: choice("ReadWrite", "ReadOnly"),
      minimum: text,
      maximum: text,
      unit: text,
      visitors,
    })),
  }),
});

const statusSchema = object({
  spec: object({}),
  status: object({
    twins: list(object({ propertyName: text, reported: value, observedDesired: value })),
    state: text,
    lastOnlineTime: text,
    extensions: free,
  }),
});

const syncSchema = object({
  spec: object({ objectAPIVersion: text, objectKind: text, objectName: text }),
  status: object({ objectResourceVersion: text }),
});

const ruleSchema = object({
  spec: object({ source: text, sourceResource: texts, target: text, targetResource: texts }, [
    "source",
    "sourceResource",
    "target",
    "targetResource",
  ]),
  status: object({ successMessages: integer, failMessages: integer, errors: list(text) }),
});

const ruleEndpointSchema = object({
  spec: object({ ruleEndpointType: choice("rest", "eventbus", "servicebus"), properties: texts }, ["ruleEndpointType"]),
});

interface Definition {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly plural: string;
  readonly singular: string;
  readonly scope: "Namespaced" | "Cluster";
  readonly schema: Schema;
  readonly status?: boolean;
  readonly shortNames?: readonly string[];
}

function definition(d: Definition): KubeObject {
  const schema = {
    ...d.schema,
    properties: { apiVersion: text, kind: text, metadata: { type: "object" }, ...(d.schema.properties as Schema) },
  };
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `${d.plural}.${d.group}` },
    spec: {
      group: d.group,
      scope: d.scope,
      names: {
        kind: d.kind,
        listKind: `${d.kind}List`,
        plural: d.plural,
        singular: d.singular,
        ...(d.shortNames ? { shortNames: d.shortNames } : {}),
      },
      versions: [{
        name: d.version,
        served: true,
        storage: true,
        schema: { openAPIV3Schema: schema },
        ...(d.status ? { subresources: { status: {} } } : {}),
      }],
    },
  };
}

const devices = { group: "devices.kubeedge.io", version: "v1beta1", scope: "Namespaced" } as const;
const syncs = { group: "reliablesyncs.kubeedge.io", version: "v1alpha1", schema: syncSchema, status: true } as const;

const rules = { group: "rules.kubeedge.io", version: "v1", scope: "Namespaced" } as const;

/** What cloudcore needs to find, in the order to create them. */
export const kubeedgeCrds: readonly KubeObject[] = [
  definition({ ...devices, kind: "Device", plural: "devices", singular: "device", schema: deviceSchema }),
  definition({ ...devices, kind: "DeviceModel", plural: "devicemodels", singular: "devicemodel", schema: modelSchema }),
  definition({
    ...devices,
    kind: "DeviceStatus",
    plural: "devicestatuses",
    singular: "devicestatus",
    schema: statusSchema,
  }),
  definition({ ...syncs, kind: "ObjectSync", plural: "objectsyncs", singular: "objectsync", scope: "Namespaced" }),
  definition({
    ...syncs,
    kind: "ClusterObjectSync",
    plural: "clusterobjectsyncs",
    singular: "clusterobjectsync",
    scope: "Cluster",
  }),
  definition({ ...rules, kind: "Rule", plural: "rules", singular: "rule", schema: ruleSchema }),
  definition({
    ...rules,
    kind: "RuleEndpoint",
    plural: "ruleendpoints",
    singular: "ruleendpoint",
    schema: ruleEndpointSchema,
    shortNames: ["re"],
  }),
];
