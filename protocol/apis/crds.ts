// The CustomResourceDefinitions that cloudcore needs, with their schemas (KubeEdge v1.23 `build/crds`).
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

/** As `object`, and what else is in it stays: the definitions of v1alpha1 pruned nothing. */
const open = (properties: Record<string, Schema>, required?: string[]): Schema => ({
  ...object(properties, required),
  "x-kubernetes-preserve-unknown-fields": true,
});
const number = (...values: number[]): Schema => ({ type: "integer", enum: values });

const deviceV1alpha1 = open({
  spec: open({
    deviceModelRef: open({ name: text }),
    nodeSelector: open({}),
    protocol: open({
      opcua: open({
        url: text,
        userName: text,
        password: text,
        securityPolicy: text,
        securityMode: text,
        certificate: text,
        privateKey: text,
        timeout: integer,
      }, ["url"]),
      modbus: open({
        rtu: open({
          serialPort: text,
          baudRate: number(
            ...[115200, 57600, 38400, 19200, 9600, 4800, 2400, 1800, 1200, 600, 300, 200, 150, 134, 110, 75, 50],
          ),
          dataBits: number(8, 7, 6, 5),
          parity: choice("none", "even", "odd"),
          stopBits: number(1, 2),
          slaveID: { ...integer, minimum: 0, maximum: 255 },
        }, ["serialPort", "baudRate", "dataBits", "parity", "stopBits", "slaveID"]),
        tcp: open({ ip: text, port: integer, slaveID: text }, ["ip", "port", "slaveID"]),
      }),
      bluetooth: open({ macAddress: text }),
    }),
  }, ["deviceModelRef"]),
  status: open({
    twins: list(open({
      propertyName: text,
      desired: open({ value: text, metadata: free }, ["value"]),
      reported: open({ value: text, metadata: free }, ["value"]),
    }, ["propertyName"])),
  }),
});

const access = choice("ReadWrite", "ReadOnly");
const modelV1alpha1 = open({
  spec: open({
    properties: list(open({
      name: text,
      description: text,
      type: open({
        int: open({ accessMode: access, defaultValue: integer, minimum: integer, maximum: integer, unit: text }, [
          "accessMode",
        ]),
        string: open({ accessMode: access, defaultValue: text }, ["accessMode"]),
      }),
    }, ["name", "type"])),
    propertyVisitors: list(open({
      propertyName: text,
      opcua: open({ nodeID: text, browseName: text }, ["nodeID"]),
      modbus: open({
        register: choice("CoilRegister", "DiscreteInputRegister", "InputRegister", "HoldingRegister"),
        offset: integer,
        limit: integer,
        scale: { type: "number" },
        isSwap: flag,
        isRegisterSwap: flag,
      }, ["register", "offset", "limit"]),
      bluetooth: open({ characteristicUUID: text, dataWrite: free, dataConverter: free }, ["characteristicUUID"]),
    }, ["propertyName"])),
  }),
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
  /** The schema of v1alpha1, where that is served too; then it is what is stored. */
  readonly v1alpha1?: Schema;
  /** An older version that is served, too. */
  readonly older?: { readonly version: string; readonly schema: Schema };
}

function definition(d: Definition): KubeObject {
  const versionOf = (name: string, of: Schema, storage: boolean) => ({
    name,
    served: true,
    storage,
    schema: {
      openAPIV3Schema: {
        ...of,
        properties: { apiVersion: text, kind: text, metadata: { type: "object" }, ...(of.properties as Schema) },
      },
    },
    ...(d.status ? { subresources: { status: {} } } : {}),
  });
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
      versions: [
        versionOf(d.version, d.schema, d.v1alpha1 === undefined),
        ...(d.older === undefined ? [] : [versionOf(d.older.version, d.older.schema, false)]),
        ...(d.v1alpha1 === undefined ? [] : [versionOf("v1alpha1", d.v1alpha1, true)]),
      ],
    },
  };
}

const devices = { group: "devices.kubeedge.io", version: "v1beta1", scope: "Namespaced" } as const;
const syncs = { group: "reliablesyncs.kubeedge.io", version: "v1alpha1", schema: syncSchema, status: true } as const;

const rules = { group: "rules.kubeedge.io", version: "v1", scope: "Namespaced" } as const;

const device = { ...devices, kind: "Device", plural: "devices", singular: "device", schema: deviceSchema } as const;
const model = {
  ...devices,
  kind: "DeviceModel",
  plural: "devicemodels",
  singular: "devicemodel",
  schema: modelSchema,
} as const;

/** What cloudcore needs to find, in the order to create them. */
export const kubeedgeCrds: readonly KubeObject[] = [
  definition(device),
  definition(model),
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

/**
 * The same where nodes of v1.1 are served too: devices and models have v1alpha1 beside v1beta1. Stored is the one that keeps the
 * other's fields; nothing converts between them, as nothing does in KubeEdge.
 */
export const kubeedgeCrdsOfBothEras: readonly KubeObject[] = [
  definition({ ...device, v1alpha1: deviceV1alpha1 }),
  definition({ ...model, v1alpha1: modelV1alpha1 }),
  ...kubeedgeCrds.slice(2),
];

const strings = list(text);
/** An object with these fields and no others. */
const closed = (properties: Readonly<Record<string, Schema>>): Schema => ({ type: "object", properties });
const deviceV1alpha2 = closed({
  spec: closed({
    data: free,
    deviceModelRef: open({ name: text }),
    nodeSelector: free,
    propertyVisitors: list(free),
    protocol: closed({ bluetooth: free, common: free, customizedProtocol: free, modbus: free, opcua: free }),
  }),
  status: closed({ twins: list(free) }),
});
const modelV1alpha2 = open({ spec: open({ properties: list(free), protocol: text }) });
const jobSpec = {
  checkItems: strings,
  concurrency: integer,
  failureTolerate: text,
  image: text,
  imageDigestGatter: free,
  labelSelector: free,
  nodeNames: strings,
  requireConfirmation: flag,
  timeoutSeconds: integer,
  version: text,
};
const jobStatus = { nodeStatus: list(free), phase: text, reason: text };
const oldJobStatus = closed({ action: text, event: text, reason: text, state: text, status: list(free), time: text });
const prepull = open({
  imagePrePullTemplate: open({
    checkItems: strings,
    concurrency: integer,
    failureTolerate: text,
    imageSecret: text,
    images: strings,
    labelSelector: free,
    nodeNames: strings,
    retryTimes: integer,
    timeoutSeconds: integer,
  }),
});
const operations = { group: "operations.kubeedge.io", version: "v1alpha2", scope: "Cluster", status: true } as const;
const apps = { group: "apps.kubeedge.io", version: "v1alpha1", status: true } as const;

/** All definitions of KubeEdge v1.23, as its chart installs them: those of modules that skep's cloudcore has not, too. */
export const allKubeedgeCrds: readonly KubeObject[] = [
  definition({ ...device, older: { version: "v1alpha2", schema: deviceV1alpha2 } }),
  definition({ ...model, older: { version: "v1alpha2", schema: modelV1alpha2 } }),
  definition({
    ...devices,
    kind: "DeviceStatus",
    plural: "devicestatuses",
    singular: "devicestatus",
    schema: statusSchema,
    older: { version: "v1alpha2", schema: open({ status: free }) },
  }),
  ...kubeedgeCrds.slice(3),
  definition({
    ...apps,
    kind: "NodeGroup",
    plural: "nodegroups",
    singular: "nodegroup",
    scope: "Cluster",
    shortNames: ["ng"],
    schema: open({
      spec: open({ matchLabels: { type: "object", additionalProperties: text }, nodes: strings }),
      status: open({
        nodeStatuses: list(
          open({ nodeName: text, readyStatus: text, selectionStatus: text, selectionStatusReason: text }),
        ),
      }),
    }),
  }),
  definition({
    ...apps,
    kind: "EdgeApplication",
    plural: "edgeapplications",
    singular: "edgeapplication",
    scope: "Namespaced",
    shortNames: ["eapp"],
    schema: open({
      spec: open({ workloadScope: free, workloadTemplate: open({ manifests: list(free) }) }),
      status: open({ workloadStatus: list(free) }),
    }),
  }),
  definition({
    ...operations,
    kind: "NodeUpgradeJob",
    plural: "nodeupgradejobs",
    singular: "nodeupgradejob",
    schema: open({ spec: open(jobSpec), status: open(jobStatus) }),
    older: { version: "v1alpha1", schema: open({ spec: open(jobSpec), status: oldJobStatus }) },
  }),
  definition({
    ...operations,
    kind: "ImagePrePullJob",
    plural: "imageprepulljobs",
    singular: "imageprepulljob",
    schema: open({ spec: prepull, status: open(jobStatus) }),
    older: { version: "v1alpha1", schema: open({ spec: prepull, status: oldJobStatus }) },
  }),
  definition({
    ...operations,
    kind: "ConfigUpdateJob",
    plural: "configupdatejobs",
    singular: "configupdatejob",
    schema: open({
      spec: open({ ...jobSpec, updateFields: { type: "object", additionalProperties: text } }),
      status: open(jobStatus),
    }),
  }),
  definition({
    group: "policy.kubeedge.io",
    version: "v1alpha1",
    kind: "ServiceAccountAccess",
    plural: "serviceaccountaccesses",
    singular: "serviceaccountaccess",
    scope: "Namespaced",
    shortNames: ["saaccess"],
    status: true,
    schema: open({ spec: free, status: free }),
  }),
];
