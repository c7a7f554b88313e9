// KubeEdge's configuration of a cloudcore (`cloudcore.config.kubeedge.io/v1alpha1`, kind CloudCore): every key, its default and
// what it may hold (KubeEdge v1.23 `componentconfig/cloudcore/v1alpha1/types.go`), and beside them our own under `skep`.

/** A JSON schema; `description` tells people what is allowed. */
export type ValueSchema = Readonly<Record<string, unknown>> & { readonly description: string };

/** One key that holds a value. */
export interface ConfigKey {
  readonly schema: ValueSchema;
  /** What holds where the file is silent. */
  readonly default: unknown;
  /** False where KubeEdge's key does nothing here: it is accepted with a warning. */
  readonly hasEffect: boolean;
  /** For the documentation: what it does. */
  readonly about: string;
}

/** Keys by name; a section holds further ones. */
export interface ConfigSection {
  readonly [name: string]: ConfigKey | ConfigSection;
}

export function isKey(entry: ConfigKey | ConfigSection): entry is ConfigKey {
  return "schema" in entry && "hasEffect" in entry;
}

const yesOrNo: ValueSchema = { type: "boolean", description: "true or false" };
const text: ValueSchema = { type: "string", description: "a text" };
const texts: ValueSchema = { type: "array", items: { type: "string" }, description: "a list of texts" };
const count: ValueSchema = { type: "integer", minimum: 0, description: "a whole number, 0 or more" };
const above0: ValueSchema = { type: "integer", minimum: 1, description: "a whole number above 0" };
const port: ValueSchema = {
  type: "integer",
  minimum: 1,
  maximum: 65_535,
  description: "a port: a whole number from 1 to 65535",
};
const ip: ValueSchema = {
  type: "string",
  pattern: String.raw`^(\d{1,3}(\.\d{1,3}){3}|[0-9a-fA-F:]*:[0-9a-fA-F:.]*)$`,
  description: "an IP address, such as 0.0.0.0",
};
const path: ValueSchema = { type: "string", pattern: "^(/.*)?$", description: "an absolute path, or nothing" };

const key = (schema: ValueSchema, value: unknown, about: string): ConfigKey => ({
  schema,
  default: value,
  hasEffect: true,
  about,
});
/** Taken and without effect. */
const inert = (schema: ValueSchema, value: unknown): ConfigKey => ({
  schema,
  default: value,
  hasEffect: false,
  about: "",
});
const inertCounts = (values: Readonly<Record<string, number>>): ConfigSection =>
  Object.fromEntries(Object.entries(values).map(([name, value]) => [name, inert(count, value)]));

/**
 * What edges ask of EdgeController, by KubeEdge's channels: the keys under `buffer` and `load` with their defaults. The first
 * letters of two keys are capital in KubeEdge, and one lacks a letter. Where KubeEdge has 1 or 4 workers, ours are 100: with so
 * few, calls that hang for one edge would hold up all the others.
 */
export const upstreamChannels = {
  nodeStatus: {
    what: "node statuses of old edges",
    buffer: ["updateNodeStatus", 1024],
    workers: ["updateNodeStatusWorkers", 100],
  },
  podStatus: {
    what: "pod statuses of old edges",
    buffer: ["updatePodStatus", 1024],
    workers: ["updatePodStatusWorkers", 100],
  },
  event: { what: "events", buffer: ["processEvent", 1024], workers: ["processEventWorkers", 100] },
  configMap: {
    what: "queries for configmaps",
    buffer: ["queryConfigMap", 1024],
    workers: ["queryConfigMapWorkers", 100],
  },
  secret: { what: "queries for secrets", buffer: ["querySecret", 1024], workers: ["querySecretWorkers", 100] },
  persistentVolume: {
    what: "queries for volumes",
    buffer: ["queryPersistentVolume", 1024],
    workers: ["queryPersistentVolumeWorkers", 100],
  },
  persistentVolumeClaim: {
    what: "queries for claims",
    buffer: ["queryPersistentVolumeClaim", 1024],
    workers: ["queryPersistentVolumeClaimWorkers", 100],
  },
  volumeAttachment: {
    what: "queries for attachments",
    buffer: ["queryVolumeAttachment", 1024],
    workers: ["queryVolumeAttachmentWorkers", 100],
  },
  createNode: { what: "registrations", buffer: ["createNode", 1024], workers: ["createNodeWorkers", 100] },
  patchNode: { what: "patches of nodes", buffer: ["patchNode", 1274], workers: ["patchNodeWorkers", 110] },
  queryNode: { what: "queries for nodes", buffer: ["queryNode", 1524], workers: ["queryNodeWorkers", 500] },
  updateNode: { what: "updates of nodes", buffer: ["updateNode", 1024], workers: ["updateNodeWorkers", 100] },
  patchPod: { what: "patches of pods", buffer: ["patchPod", 1024], workers: ["patchPodWorkers", 100] },
  deletePod: { what: "deletions of pods", buffer: ["deletePod", 1024], workers: ["deletePodWorkers", 100] },
  createPod: { what: "mirror pods", buffer: ["createPod", 1024], workers: ["CreatePodWorks", 100] },
  createLease: { what: "writes of leases", buffer: ["createLease", 1524], workers: ["createLeaseWorkers", 500] },
  queryLease: { what: "queries for leases", buffer: ["queryLease", 1024], workers: ["queryLeaseWorkers", 100] },
  serviceAccountToken: {
    what: "requests for tokens",
    buffer: ["serviceAccountToken", 1024],
    workers: ["ServiceAccountTokenWorkers", 100],
  },
  certificateSigningRequest: {
    what: "certificate signing requests",
    buffer: ["certificateSigningRequest", 1024],
    workers: ["certificateSigningRequestWorkers", 100],
  },
} as const satisfies Record<string, {
  readonly what: string;
  readonly buffer: readonly [name: string, value: number];
  readonly workers: readonly [name: string, value: number];
}>;
export type UpstreamChannel = keyof typeof upstreamChannels;

/** Workers and waiting places of each channel. */
export type UpstreamLimits = Readonly<Record<UpstreamChannel, { readonly workers: number; readonly buffer: number }>>;

const channelNames = Object.keys(upstreamChannels) as UpstreamChannel[];

function forEachChannel(limits: (channel: UpstreamChannel) => UpstreamLimits[UpstreamChannel]): UpstreamLimits {
  return Object.fromEntries(channelNames.map((channel) => [channel, limits(channel)])) as UpstreamLimits;
}

/** What the sections `buffer` and `load` say, by KubeEdge's names; the defaults where they are silent. */
export function upstreamLimitsIn(
  buffers: Readonly<Record<string, unknown>> = {},
  workers: Readonly<Record<string, unknown>> = {},
): UpstreamLimits {
  return forEachChannel((channel) => {
    const { buffer, workers: own } = upstreamChannels[channel];
    return { workers: Number(workers[own[0]] ?? own[1]), buffer: Number(buffers[buffer[0]] ?? buffer[1]) };
  });
}

/** The same limits for a number of nodes: none lower than they need (KubeEdge `AdjustCloudCoreConfig`). */
export function upstreamLimitsFor(nodeLimit: number, set: UpstreamLimits = upstreamLimitsIn()): UpstreamLimits {
  const least: Partial<UpstreamLimits> = {
    patchNode: { workers: 100 + Math.floor(nodeLimit / 50), buffer: 1024 + Math.floor(nodeLimit / 2) },
    queryNode: { workers: nodeLimit, buffer: 1024 + nodeLimit },
    createLease: { workers: nodeLimit, buffer: 1024 + nodeLimit },
  };
  return forEachChannel((channel) => ({
    workers: Math.max(set[channel].workers, least[channel]?.workers ?? 1),
    buffer: Math.max(set[channel].buffer, least[channel]?.buffer ?? 0),
  }));
}

const server = (value: { readonly enable: boolean; readonly port: number }, what: string) => ({
  enable: key(yesOrNo, value.enable, `whether ${what} runs`),
  address: key(ip, "0.0.0.0", `the address ${what} listens on`),
  port: key(port, value.port, `the port ${what} listens on`),
});

/** The file, but for `apiVersion` and `kind`. `localAddress` is this host's own, the default of `advertiseAddress`. */
export function cloudcoreKeys(localAddress: string): ConfigSection {
  return {
    commonConfig: {
      tunnelPort: inert(port, 10350),
      monitorServer: {
        bindAddress: key(
          { type: "string", pattern: String.raw`^\S+:\d{1,5}$`, description: "ADDRESS:PORT, such as 127.0.0.1:9091" },
          "127.0.0.1:9091",
          "where `/metrics`, `/healthz` and `/readyz` are served",
        ),
        enableProfiling: inert(yesOrNo, false),
      },
    },
    kubeAPIConfig: {
      master: key(text, "", "the API server's address, in place of the kubeconfig's"),
      kubeConfig: key(path, "", "the kubeconfig file; empty inside a cluster"),
      contentType: inert(text, "application/vnd.kubernetes.protobuf"),
      qps: inert(count, 2500),
      burst: inert(count, 5000),
    },
    featureGates: {
      requireAuthorization: inert(yesOrNo, false),
      moduleRestart: inert(yesOrNo, false),
      disableNodeTaskV1alpha2: inert(yesOrNo, false),
    },
    modules: {
      cloudHub: {
        enable: inert(yesOrNo, true),
        keepaliveInterval: key(above0, 30, "seconds without a keepalive after which a session ends"),
        nodeLimit: key(above0, 500, "edges connected at once"),
        writeTimeout: inert(count, 30),
        advertiseAddress: key(
          {
            type: "array",
            items: {
              type: "string",
              pattern: String.raw`^([\w-]+(\.[\w-]+)*|[0-9a-fA-F:.]*:[0-9a-fA-F.]*:[0-9a-fA-F:.]*)$`,
            },
            minItems: 1,
            description: "a list of addresses and names, without ports",
          },
          [localAddress],
          "addresses edges reach the hub by: its certificate names them",
        ),
        dnsNames: key(texts, [""], "names edges reach the hub by, likewise"),
        edgeCertSigningDuration: key(above0, 365, "days an edge's certificate is good for"),
        tokenRefreshDuration: key(
          above0,
          12,
          "hours after which the bootstrap token is renewed; it is good for twice that",
        ),
        tlsCAFile: key(
          path,
          "/etc/kubeedge/ca/rootCA.crt",
          "the CA's certificate, PEM; with its key, in place of the secret's",
        ),
        tlsCAKeyFile: key(path, "/etc/kubeedge/ca/rootCA.key", "the CA's key, PEM"),
        tlsCertFile: key(
          path,
          "/etc/kubeedge/certs/server.crt",
          "the hub's certificate, PEM; with its key, in place of a new one",
        ),
        tlsPrivateKeyFile: key(path, "/etc/kubeedge/certs/server.key", "the hub's key, PEM"),
        websocket: server({ enable: true, port: 10000 }, "the WebSocket server"),
        quic: {
          ...server({ enable: false, port: 10001 }, "the QUIC server (Node on Linux x64)"),
          maxIncomingStreams: key(above0, 10000, "streams an edge may have open"),
        },
        https: server({ enable: true, port: 10002 }, "the enrolment server"),
        unixsocket: {
          enable: key(yesOrNo, true, "whether the CSI driver's socket is served"),
          address: key(
            { type: "string", pattern: "^unix:///", description: "unix:// and an absolute path" },
            "unix:///var/lib/kubeedge/kubeedge.sock",
            "where",
          ),
        },
        authorization: {
          enable: key(
            yesOrNo,
            true,
            "whether what edges ask is checked against what their node may do (KubeEdge's default: false)",
          ),
          debug: key(yesOrNo, false, "with `enable`: only log what would be refused (KubeEdge's default: true)"),
          modes: inert({ type: "array", description: "a list of modes" }, [{ node: { enable: true } }]),
        },
      },
      edgeController: {
        enable: key(yesOrNo, true, "whether pods, configmaps, secrets, nodes and leases are served"),
        nodeUpdateFrequency: inert(above0, 10),
        buffer: {
          ...inertCounts({ podEvent: 1, configMapEvent: 1, secretEvent: 1, rulesEvent: 1, ruleEndpointsEvent: 1 }),
          ...Object.fromEntries(
            Object.values(upstreamChannels).map(({ buffer: [name, value], what }) => [
              name,
              key(count, value, `${what} that may wait for a worker`),
            ]),
          ),
        },
        load: {
          ...Object.fromEntries(
            Object.values(upstreamChannels).map(({ workers: [name, value], what }) => [
              name,
              key(above0, value, `${what} carried out at once`),
            ]),
          ),
          ...inertCounts({ UpdateRuleStatusWorkers: 4 }),
        },
      },
      deviceController: {
        enable: key(yesOrNo, true, "whether devices and their models are served"),
        buffer: inertCounts({
          updateDeviceTwins: 1024,
          updateDeviceStatus: 1024,
          deviceEvent: 1,
          deviceModelEvent: 1,
          deviceStatusEvent: 0,
        }),
        load: inertCounts({ updateDeviceStatusWorkers: 1 }),
      },
      taskManager: {
        enable: inert(yesOrNo, false),
        buffer: inertCounts({ taskStatus: 1024, taskEvent: 1 }),
        load: inertCounts({ taskWorkers: 1 }),
      },
      syncController: { enable: key(yesOrNo, true, "whether edges are compared with the API again and again") },
      dynamicController: { enable: inert(yesOrNo, false) },
      cloudStream: {
        enable: inert(yesOrNo, false),
        tlsTunnelCAFile: inert(path, "/etc/kubeedge/ca/rootCA.crt"),
        tlsTunnelCertFile: inert(path, "/etc/kubeedge/certs/server.crt"),
        tlsTunnelPrivateKeyFile: inert(path, "/etc/kubeedge/certs/server.key"),
        tunnelPort: inert(port, 10004),
        tlsStreamCAFile: inert(path, "/etc/kubeedge/ca/streamCA.crt"),
        tlsStreamCertFile: inert(path, "/etc/kubeedge/certs/stream.crt"),
        tlsStreamPrivateKeyFile: inert(path, "/etc/kubeedge/certs/stream.key"),
        streamPort: inert(port, 10003),
      },
      router: {
        enable: inert(yesOrNo, false),
        address: inert(ip, "0.0.0.0"),
        port: inert(port, 9443),
        restTimeout: inert(count, 60),
      },
      iptablesManager: {
        enable: inert(yesOrNo, true),
        mode: inert(
          { type: "string", enum: ["internal", "external"], description: "internal or external" },
          "internal",
        ),
      },
    },
  };
}

/** Behaviours of the Go program that can be switched on, by name, and what each means (docs/deviations.md). */
export const strictGoWays = {
  "membership-on-connect": "memberships are not sent again to a node that connects",
  "sync-on-connect": "what a node missed waits for the next round of the sync loop",
  "device-source": "the sync loop sends devices in EdgeController's name, so they do not reach mappers",
} as const;
export type StrictGo = keyof typeof strictGoWays;

/** KubeEdge's version that nodes with these labels run. */
export interface EraRule {
  /** Labels a Node must have, all of them, as in a pod's `nodeSelector`. */
  readonly nodeSelector: Readonly<Record<string, string>>;
  readonly era: "v1.1";
}

/** The label of nodes of v1.1 that skep creates itself. */
export const v11Rule: EraRule = { nodeSelector: { "skep/kubeedge": "v1.1" }, era: "v1.1" };

const strictGoNames = Object.keys(strictGoWays);

/** Our own keys, under `skep`. Unknown ones are refused. */
export const skepKeys = {
  identity: key(
    { type: "string", enum: ["certificate", "header"], description: "certificate or header" },
    "certificate",
    "`certificate`: an edge is who its certificate says; `header`: who its header `node_id` says, as with Go",
  ),
  ackWindow: key(
    {
      type: "integer",
      minimum: 1,
      maximum: 90,
      description: "a whole number from 1 to 90 (an edge's inbox holds 100)",
    },
    32,
    "messages a node may have unacknowledged at once; 1 is Go's behaviour",
  ),
  strictGo: key(
    {
      type: "array",
      items: { type: "string", enum: strictGoNames },
      description: `a list of ${strictGoNames.join(", ")}`,
    },
    [],
    "ways of Go to have back (see docs/deviations.md)",
  ),
  eras: key(
    {
      type: "array",
      items: {
        type: "object",
        properties: {
          nodeSelector: { type: "object", additionalProperties: { type: "string" }, minProperties: 1 },
          era: { enum: ["v1.1"] },
        },
        required: ["nodeSelector", "era"],
        additionalProperties: false,
      },
      description: "a list of { nodeSelector: { LABEL: VALUE }, era: v1.1 }",
    },
    [],
    "nodes that run KubeEdge of another era, by labels (docs/v1.1.md)",
  ),
  impersonation: key(
    yesOrNo,
    false,
    "whether the API is asked in the name of the node whose request it is, as KubeEdge does with `authorization`; cloudcore needs the right to impersonate",
  ),
  legacyCAFile: key(
    path,
    "",
    "the CA of the certificate that edges of v1.1 share, PEM; it lets in nodes of that era alone",
  ),
} satisfies ConfigSection;
