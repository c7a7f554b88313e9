// The `conf/` folder of a cloudcore of KubeEdge v1.1, as the `cloudcore.yaml` that means the same today (KubeEdge v1.1 `build/cloud`).
import { readdir, stat } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { isMap, parseDocument, stringify } from "yaml";
import { reasonOf } from "../../base/log/logger.ts";
import { cloudcoreKeys, type ConfigKey, isKey, skepKeys } from "../../protocol/apis/cloudcore-config.ts";
import { edgeNodeLabel } from "../../protocol/message/names.ts";
import { API_VERSION, ConfigFileError, KIND, readLimited, valueError } from "./file.ts";

/** Where a key of then stands now. */
type Paths = Readonly<Record<string, string>>;

const controllerKube = {
  master: "kubeAPIConfig.master",
  kubeconfig: "kubeAPIConfig.kubeConfig",
  content_type: "kubeAPIConfig.contentType",
  qps: "kubeAPIConfig.qps",
  burst: "kubeAPIConfig.burst",
  node_update_frequency: "modules.edgeController.nodeUpdateFrequency",
};

/** Kinds of work of EdgeController: a buffer and workers each. */
const work: Paths = {
  "update-pod-status": "updatePodStatus",
  "update-node-status": "updateNodeStatus",
  "query-configmap": "queryConfigMap",
  "query-secret": "querySecret",
  "query-persistentvolume": "queryPersistentVolume",
  "query-persistentvolumeclaim": "queryPersistentVolumeClaim",
  "query-volumeattachment": "queryVolumeAttachment",
  "query-node": "queryNode",
  "update-node": "updateNode",
};

const hub: Paths = {
  port: "websocket.port",
  quic_port: "quic.port",
  max_incomingstreams: "quic.maxIncomingStreams",
  enable_uds: "unixsocket.enable",
  uds_address: "unixsocket.address",
  "keepalive-interval": "keepaliveInterval",
  "write-timeout": "writeTimeout",
  "node-limit": "nodeLimit",
};

const prefixed = (from: string, to: string, paths: Paths): [string, string][] =>
  Object.entries(paths).map(([then, now]) => [`${from}.${then}`, `${to}.${now}`]);

const moved: ReadonlyMap<string, string> = new Map([
  ...prefixed("controller.kube", "", controllerKube).map(([then, now]): [string, string] => [then, now.slice(1)]),
  ...prefixed("controller.buffer", "modules.edgeController.buffer", {
    ...work,
    "pod-event": "podEvent",
    "configmap-event": "configMapEvent",
    "secret-event": "secretEvent",
  }),
  ...prefixed(
    "controller.load",
    "modules.edgeController.load",
    Object.fromEntries(Object.entries(work).map(([then, now]) => [`${then}-workers`, `${now}Workers`])),
  ),
  ...prefixed("cloudhub", "modules.cloudHub", hub),
  ["cloudhub.ca", "skep.legacyCAFile"],
  ...prefixed("devicecontroller.buffer", "modules.deviceController.buffer", {
    "update-device-status": "updateDeviceStatus",
    "device-event": "deviceEvent",
    "device-model-event": "deviceModelEvent",
  }),
  ["devicecontroller.load.update-device-status-workers", "modules.deviceController.load.updateDeviceStatusWorkers"],
]);

/** Modules by their names of then. */
const modules: Paths = { edgecontroller: "edgeController", devicecontroller: "deviceController" };

/** Notes on keys that today's file doesn't have; the first match applies. */
const remarks: readonly (readonly [RegExp, string])[] = [
  [/^cloudhub\.(cert|key)$/, "the hub makes an EC certificate of its own; edges of v1.1 do not look at it"],
  [/^cloudhub\.protocol_websocket$/, "WebSocket is the only transport, and always on"],
  [/^cloudhub\.protocol_quic$/, "no current edge has that version of QUIC: edges use WebSocket"],
  [/^devicecontroller\.kube\./, "there is one client for all controllers: controller.kube decides"],
  [/-(service|endpoints)(-|$)|^controller\.buffer\.(service|endpoints)-/, "asked for together with configmaps"],
  [/^metamanager\.edgesite$/, "a cloud and an edge in one program are no more"],
  [/\.(context\.|message-layer$)/, "modules find each other by themselves"],
];

/** A value with the file that it comes from. */
interface Setting {
  readonly value: unknown;
  readonly file: string;
}

/** The text of a `cloudcore.yaml`. `dir` is the folder itself or the one above. Rejects with ConfigFileError. */
export async function fromSeedConf(dir: string): Promise<string> {
  const settings = await readFolder(dir);
  const known: Record<string, unknown> = {};
  const dropped: string[] = [];
  const faults = new Set<string>();
  const put = (path: string, { file, value: given }: Setting, key: string) => {
    const value = typeof given === "string" ? given.replace(/^~(?=\/)/, homedir()) : given;
    const fault = valueError(keyAt(path), value);
    if (fault === undefined) set(known, path.split("."), value);
    else faults.add(`${file}: ${key}: ${fault}`);
  };
  for (const [key, setting] of settings) {
    const path = moved.get(key);
    if (path !== undefined) put(path, setting, key);
    else if (key === "cloudhub.address") {
      for (const server of ["websocket", "quic", "https"]) put(`modules.cloudHub.${server}.address`, setting, key);
    } else if (key === "modules.enabled") enable(known, setting, faults);
    else dropped.push(`${oneLine(key)}: ${remarks.find(([pattern]) => pattern.test(key))?.[1] ?? "not known here"}`);
  }
  if (faults.size > 0) throw new ConfigFileError([...faults].join("\n"));
  const eras = [{ nodeSelector: { [edgeNodeLabel]: "" }, era: "v1.1" }];
  const skep = { ...known.skep as object, eras };
  const text = stringify({ apiVersion: API_VERSION, kind: KIND, ...known, skep });
  const head = [
    `From the conf folder of a cloudcore of KubeEdge v1.1. What it does not say has today's default.`,
    "All edge nodes are taken for nodes of v1.1: narrow skep.eras when nodes of today join (docs/v1.1.md).",
    ...(dropped.length === 0 ? [] : ["Keys without a place here:", ...dropped.sort().map((line) => `  ${line}`)]),
  ];
  return `${head.map((line) => `# ${line}`).join("\n")}\n${text}`;
}

function keyAt(path: string): ConfigKey {
  let entry: unknown = { ...cloudcoreKeys(""), skep: skepKeys };
  for (const step of path.split(".")) entry = (entry as Record<string, unknown>)[step];
  if (typeof entry !== "object" || entry === null || !isKey(entry as ConfigKey)) throw new Error(`no key ${path}`);
  return entry as ConfigKey;
}

function set(target: Record<string, unknown>, [first = "", ...rest]: readonly string[], value: unknown): void {
  if (rest.length === 0) target[first] = value;
  else set((target[first] ??= {}) as Record<string, unknown>, rest, value);
}

function enable(known: Record<string, unknown>, { file, value }: Setting, faults: Set<string>): void {
  if (!Array.isArray(value) || value.some((name) => typeof name !== "string")) {
    faults.add(`${file}: modules.enabled: it is ${JSON.stringify(value)}; it must be a list of modules`);
    return;
  }
  for (const [then, now] of Object.entries(modules)) set(known, ["modules", now, "enable"], value.includes(then));
}

/** All keys of all files, dotted, as go-archaius merges them. */
async function readFolder(dir: string): Promise<Map<string, Setting>> {
  const folder = await isFolder(join(dir, "conf")) ? join(dir, "conf") : dir;
  let names: string[];
  try {
    names = (await readdir(folder)).filter((name) => /\.ya?ml$/.test(name)).sort();
  } catch (error) {
    throw new ConfigFileError(`--seed-conf ${dir}: can't read the folder: ${reasonOf(error)}`);
  }
  if (names.length === 0) throw new ConfigFileError(`--seed-conf ${dir}: there is no *.yaml in ${folder}`);
  const settings = new Map<string, Setting>();
  for (const name of names) {
    const file = join(folder, name);
    flatten(await readMapping(file), "", 0, (key, value) => settings.set(key, { value, file }), file);
  }
  return settings;
}

/** The mapping in a file. Rejects with ConfigFileError. */
async function readMapping(file: string): Promise<unknown> {
  const document = parseDocument(await readLimited(file, (reason) => `${file}: can't be read: ${reason}`));
  const [broken] = document.errors;
  if (broken !== undefined) throw new ConfigFileError(`${file}: not YAML: ${broken.message.split("\n")[0]}`);
  if (document.contents !== null && !isMap(document.contents)) {
    throw new ConfigFileError(`${file}: a mapping of keys was expected`);
  }
  try {
    const value = document.toJS() as unknown;
    // What holds itself can't be written down.
    JSON.stringify(value);
    return value;
  } catch (error) {
    throw new ConfigFileError(`${file}: not usable: ${reasonOf(error)}`);
  }
}

/** A key may contain anything, and is written into a comment. */
function oneLine(key: string): string {
  return /[\r\n]/.test(key) ? JSON.stringify(key) : key;
}

async function isFolder(path: string): Promise<boolean> {
  return await stat(path).then((found) => found.isDirectory(), () => false);
}

/** Nothing that v1.1 knows is deeper; aliases may make anything deep. */
const DEEPEST = 16;

function flatten(
  value: unknown,
  prefix: string,
  depth: number,
  take: (key: string, value: unknown) => void,
  file: string,
): void {
  // A key without a value counts as absent.
  if (value === null || value === undefined) return;
  if (typeof value !== "object" || Array.isArray(value)) return take(prefix, value);
  if (depth > DEEPEST) throw new ConfigFileError(`${file}: ${oneLine(prefix).slice(0, 80)}: too deep`);
  for (const [key, inner] of Object.entries(value)) {
    flatten(inner, prefix === "" ? key : `${prefix}.${key}`, depth + 1, take, file);
  }
}
