// KubeEdge's own `cloudcore.yaml`: read with every mistake named by line and key, and printed with its defaults.
import { SkepError } from "../../base/error/skep-error.ts";
import { readFile, stat } from "node:fs/promises";
import { isIPv4 } from "node:net";
import { networkInterfaces } from "node:os";
import { Ajv, type ValidateFunction } from "ajv";
import {
  type Document,
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  LineCounter,
  parseDocument,
  stringify,
  visit,
  type YAMLMap,
} from "yaml";
import { reasonOf } from "../../base/log/logger.ts";
import {
  cloudcoreKeys,
  type ConfigKey,
  type ConfigSection,
  type EraRule,
  isKey,
  skepKeys,
  type StrictGo,
  upstreamLimitsFor,
  upstreamLimitsIn,
  type ValueSchema,
} from "../../protocol/apis/cloudcore-config.ts";
import { limits } from "../../protocol/limits.ts";
import { type CloudCoreConfig, defaultConfig } from "./config.ts";

/** Where a server listens. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

/** The parsed configuration of a file. */
export interface CloudCoreFile {
  readonly config: CloudCoreConfig;
  /** The kubeconfig's path and the API server's address; both empty inside a cluster. */
  readonly kubeconfig: { readonly file: string; readonly master: string };
  /** The servers that are switched on; enrolment always is, as with Go. */
  readonly servers: {
    readonly websocket?: Address;
    readonly https: Address;
    readonly quic?: Address & { readonly maxIncomingStreams: number };
    /** Path of the CSI driver's socket. */
    readonly unixsocket?: string;
    readonly monitor: Address;
  };
  /** One sentence for each setting of the file that has no effect. */
  readonly warnings: readonly string[];
}

/** A file that can't be used; the message has a line for each mistake. */
export class ConfigFileError extends SkepError {
  readonly code = "SKEP_CONFIG_FILE";
}

export const API_VERSION = "cloudcore.config.kubeedge.io/v1alpha1";
export const KIND = "CloudCore";
const SECOND = 1000;
const HOUR = 3600 * SECOND;
const DAY = 24 * HOUR;

/** Reads a file. Throws ConfigFileError. */
export async function loadCloudCoreFile(file: string): Promise<CloudCoreFile> {
  const text = await readLimited(
    file,
    (reason) =>
      `can't read the config file ${file}: ${reason}; \`skep cloudcore --minconfig\` prints one to begin with`,
  );
  return parseCloudCoreFile(text, file);
}

/** Reads a file, its length checked first. Rejects with ConfigFileError: that it is too long, or the message of `unreadable`. */
export async function readLimited(file: string, unreadable: (reason: string) => string): Promise<string> {
  try {
    const { size } = await stat(file);
    if (size > limits.configFile) throw new ConfigFileError(`${file} is longer than ${limits.configFile} bytes`);
    return await readFile(file, "utf8");
  } catch (error) {
    if (error instanceof ConfigFileError) throw error;
    throw new ConfigFileError(unreadable(reasonOf(error)));
  }
}

/** Parses a text; `file` is for the messages. Throws ConfigFileError. */
export function parseCloudCoreFile(text: string, file: string): CloudCoreFile {
  const lines = new LineCounter();
  // Go's reader knows YAML 1.1 (`yes`, `on`, 010), takes the last of two equal keys, and the first of several documents.
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: false, version: "1.1" });
  const at = (offset: number) => {
    const { line, col } = lines.linePos(offset);
    return `${file}:${line}:${col}`;
  };
  const broken = document.errors.find(({ code }) => code !== "MULTIPLE_DOCS");
  if (broken !== undefined) {
    throw new ConfigFileError(`${at(broken.pos[0])}: not YAML: ${broken.message.split("\n")[0]}`);
  }
  if (document.contents !== null && !isMap(document.contents)) {
    throw new ConfigFileError(
      `${file}:1:1: a mapping of keys was expected, as \`skep cloudcore --minconfig\` prints one`,
    );
  }
  try {
    JSON.stringify(document.toJS());
  } catch (error) {
    // An alias without its anchor, one that expands to too much, or to a node that contains it.
    throw new ConfigFileError(`${at(aliasOffset(document))}: not usable: ${reasonOf(error).split("\n")[0]}`);
  }
  const reader = new Reader(document);
  const values = reader.read();
  const { mistakes } = reader;
  if (mistakes.length > 0) {
    const inOrder = [...mistakes].sort((a, b) => a.offset - b.offset);
    throw new ConfigFileError(inOrder.map(({ offset, text: what }) => `${at(offset)}: ${what}`).join("\n"));
  }
  return settingsOf(values, reader);
}

/** Where the first alias stands. */
function aliasOffset(document: Document): number {
  let found = 0;
  visit(document, {
    Alias: (_key, node) => {
      found = node.range?.[0] ?? 0;
      return visit.BREAK;
    },
  });
  return found;
}

type Values = { readonly [key: string]: unknown };

/** One key of a mapping, where it stands, and whether `<<` brought it from another mapping. */
interface Written {
  readonly written: string;
  readonly node: unknown;
  readonly from: number;
  readonly isMerged: boolean;
}

/** Mappings that are merged into one that is merged … */
const MERGE_DEPTH = 16;

/** YAML 1.1's `<<`. */
function isMergeKey(key: unknown): boolean {
  return isScalar(key) && (key.value === "<<" || typeof key.value === "symbol");
}

/** One file's keys against the tables. */
class Reader {
  readonly mistakes: { readonly offset: number; readonly text: string }[] = [];
  /** Paths of keys that are KubeEdge's, are set to something else than their default, and do nothing here. */
  readonly inert: string[] = [];
  /** Paths of unknown keys. */
  readonly unknown: string[] = [];
  /** Paths of duplicate keys, and of values that are accepted although they aren't the expected ones. */
  readonly repeated: string[] = [];
  readonly odd: string[] = [];
  readonly #document: Document;

  constructor(document: Document) {
    this.#document = document;
  }

  read(): Values {
    const top = {
      ...cloudcoreKeys(localAddress()),
      // Go never looks at them: KubeEdge's own chart says v1alpha2.
      apiVersion: headKey(API_VERSION, [API_VERSION, "cloudcore.config.kubeedge.io/v1alpha2"]),
      kind: headKey(KIND, [KIND]),
      skep: skepKeys,
    };
    return this.#section(this.#document.contents as YAMLMap | null, top, []);
  }

  /** The values of a section, defaults filled in. Keys are found in any letter case, as Go finds them. */
  #section(map: YAMLMap | null, section: ConfigSection, path: readonly string[]): Values {
    const names = new Map(Object.keys(section).map((name) => [name.toLowerCase(), name]));
    const merged = new Set<string>();
    const present = new Map<string, { readonly node: unknown; readonly from: number }>();
    for (const { from, isMerged, node, written } of this.#pairsOf(map)) {
      const name = names.get(written.toLowerCase());
      if (name === undefined) this.#takeUnknown([...path, written], section, from);
      else {
        if (present.has(name) && !isMerged && !merged.has(name)) this.repeated.push([...path, name].join("."));
        if (isMerged) merged.add(name);
        else merged.delete(name);
        present.set(name, { node, from });
      }
    }
    const values: Record<string, unknown> = {};
    for (const [name, entry] of Object.entries(section)) {
      const found = present.get(name);
      const inner = [...path, name];
      if (isKey(entry)) values[name] = this.#value(found, entry, inner);
      else values[name] = this.#section(this.#mapIn(found, inner), entry, inner);
    }
    return values;
  }

  /** The keys of a mapping in the order in which they overrule each other: those that `<<` takes from others come first. */
  *#pairsOf(map: YAMLMap | null, depth = 0): Generator<Written> {
    if (map === null || depth > MERGE_DEPTH) return;
    for (const { key, value } of map.items) {
      if (!isMergeKey(key)) continue;
      const from = this.#resolved(value);
      // Of several merged mappings the first takes precedence.
      const sources = isSeq(from) ? from.items.map((item) => this.#resolved(item)).reverse() : [from];
      for (const source of sources) {
        if (!isMap(source)) continue;
        for (const pair of this.#pairsOf(source, depth + 1)) yield { ...pair, isMerged: true };
      }
    }
    for (const { key, value } of map.items) {
      if (isMergeKey(key)) continue;
      const from = isNode(key) ? key.range?.[0] ?? 0 : 0;
      yield { written: String(key), node: this.#resolved(value), from, isMerged: false };
    }
  }

  /** The node that an alias refers to. */
  #resolved(node: unknown): unknown {
    return isAlias(node) ? node.resolve(this.#document) : node;
  }

  #takeUnknown(path: readonly string[], section: ConfigSection, from: number): void {
    if (path[0] !== "skep") this.unknown.push(path.join("."));
    else this.#mistake(from, path, `there is no such key; there are ${Object.keys(section).join(", ")}`);
  }

  #mapIn(
    found: { readonly node: unknown; readonly from: number } | undefined,
    path: readonly string[],
  ): YAMLMap | null {
    const node = found?.node;
    if (isMap(node)) return node;
    const value = isNode(node) ? node.toJS(this.#document) : node;
    if (value !== null && value !== undefined) {
      this.#mistake(found?.from ?? 0, path, `it is ${shown(value)}; it must be a section with keys of its own`);
    }
    return null;
  }

  #value(
    found: { readonly node: unknown; readonly from: number } | undefined,
    key: ConfigKey,
    path: readonly string[],
  ) {
    if (found === undefined) return key.default;
    const written = isNode(found.node) ? found.node.toJS(this.#document) as unknown : found.node;
    const value = asGoReads(key, written);
    if (value === undefined) return key.default;
    const fault = valueError(key, value);
    if (fault !== undefined && key.hasEffect && !("expected" in key)) {
      const from = isNode(found.node) ? found.node.range?.[0] ?? found.from : found.from;
      this.#mistake(from, path, fault);
    } else if (fault !== undefined) this.odd.push(`${path.join(".")} (${shown(value)})`);
    else if (!key.hasEffect && JSON.stringify(value) !== JSON.stringify(key.default)) this.inert.push(path.join("."));
    return value;
  }

  #mistake(offset: number, path: readonly string[], what: string): void {
    this.mistakes.push({ offset, text: `${path.join(".")}: ${what}` });
  }
}

/** Any value is accepted; one that isn't expected gets a warning. */
function headKey(value: string, expected: readonly string[]): ConfigKey & { readonly expected: readonly string[] } {
  const schema = { type: "string", enum: expected, description: expected.join(" or ") };
  return { schema, default: value, hasEffect: true, about: "", expected };
}

/**
 * A value as Go's readers (sigs.k8s.io/yaml over encoding/json) put it into a field: a null leaves the default, in a list of texts
 * it is an empty one, and where a text is wanted a number or a boolean is taken for its text. Empty texts name nothing, so they
 * are left out of lists. Undefined means the default.
 */
function asGoReads({ schema }: ConfigKey, value: unknown): unknown {
  if (value === null || value === undefined) return undefined;
  const text = (each: unknown) => typeof each === "number" || typeof each === "boolean" ? String(each) : each;
  if (schema.type === "string") return text(value);
  const isTexts = schema.type === "array" && (schema.items as ValueSchema | undefined)?.type === "string";
  if (!isTexts || !Array.isArray(value)) return value;
  const texts = value.map((each) => each === null ? "" : text(each)).filter((each) => each !== "");
  return texts.length === 0 ? undefined : texts;
}

const ajv = new Ajv({ strict: false });
const checks = new WeakMap<ValueSchema, ValidateFunction>();

function isValid(schema: ValueSchema, value: unknown): boolean {
  let check = checks.get(schema);
  if (check === undefined) {
    check = ajv.compile(schema);
    checks.set(schema, check);
  }
  return check(value) === true;
}

/** What is wrong with a value for that key, for a person; undefined where nothing is. */
export function valueError(key: ConfigKey, value: unknown): string | undefined {
  return isValid(key.schema, value) ? undefined : `it is ${shown(value)}; it must be ${key.schema.description}`;
}

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}

/** The values of a file, of the shapes their schemas promise. */
interface CloudHubValues {
  readonly keepaliveInterval: number;
  readonly nodeLimit: number;
  readonly advertiseAddress: string[];
  readonly dnsNames: string[];
  readonly edgeCertSigningDuration: number;
  readonly tokenRefreshDuration: number;
  readonly tlsCAFile: string;
  readonly tlsCAKeyFile: string;
  readonly tlsCertFile: string;
  readonly tlsPrivateKeyFile: string;
  readonly websocket: ServerValues;
  readonly quic: ServerValues & { readonly maxIncomingStreams: number };
  readonly https: ServerValues;
  readonly unixsocket: { readonly enable: boolean; readonly address: string };
  readonly authorization: { readonly enable: boolean; readonly debug: boolean };
}

interface ServerValues {
  readonly enable: boolean;
  readonly address: string;
  readonly port: number;
}

interface FileValues {
  readonly commonConfig: { readonly monitorServer: { readonly bindAddress: string } };
  readonly kubeAPIConfig: { readonly master: string; readonly kubeConfig: string };
  readonly modules:
    & { readonly cloudHub: CloudHubValues; readonly edgeController: { readonly buffer: Values; readonly load: Values } }
    & Readonly<Record<"edgeController" | "deviceController" | "syncController", { readonly enable: boolean }>>;
  readonly skep: {
    readonly identity: CloudCoreConfig["identity"];
    readonly ackWindow: number;
    readonly strictGo: StrictGo[];
    readonly eras: EraRule[];
    readonly impersonation: boolean;
    readonly legacyCAFile: string;
  };
}

function settingsOf(values: Values, { inert, odd, repeated, unknown }: Reader): CloudCoreFile {
  const { commonConfig, kubeAPIConfig, modules, skep } = values as unknown as FileValues;
  const hub = modules.cloudHub;
  const { authorization } = hub;
  const on = (["edgeController", "deviceController", "syncController"] as const).filter((name) => modules[name].enable);
  const isOrAre = (list: readonly string[], what: string) => `${list.join(", ")}: ${what}`;
  return {
    config: {
      ...defaultConfig,
      advertiseAddress: [...hub.advertiseAddress, ...hub.dnsNames].filter((name) => name !== ""),
      nodeLimit: hub.nodeLimit,
      keepaliveInterval: hub.keepaliveInterval * SECOND,
      edgeCertLifetime: hub.edgeCertSigningDuration * DAY,
      tokenLifetime: 2 * hub.tokenRefreshDuration * HOUR,
      identity: skep.identity,
      ackWindow: skep.ackWindow,
      strictGo: new Set(skep.strictGo),
      eras: skep.eras,
      legacyCaFile: skep.legacyCAFile,
      impersonates: skep.impersonation,
      authorization: authorization.enable ? authorization.debug ? "log" : "on" : "off",
      upstream: upstreamLimitsFor(
        hub.nodeLimit,
        upstreamLimitsIn(modules.edgeController.buffer, modules.edgeController.load),
      ),
      controllers: new Set(on),
      certificateFiles: {
        ca: hub.tlsCAFile,
        caKey: hub.tlsCAKeyFile,
        cert: hub.tlsCertFile,
        key: hub.tlsPrivateKeyFile,
      },
    },
    kubeconfig: { file: kubeAPIConfig.kubeConfig, master: kubeAPIConfig.master },
    servers: {
      ...(hub.websocket.enable ? { websocket: addressOf(hub.websocket) } : {}),
      https: addressOf(hub.https),
      ...(hub.quic.enable ? { quic: { ...addressOf(hub.quic), maxIncomingStreams: hub.quic.maxIncomingStreams } } : {}),
      ...(hub.unixsocket.enable ? { unixsocket: hub.unixsocket.address.slice("unix://".length) } : {}),
      monitor: hostAndPort(commonConfig.monitorServer.bindAddress),
    },
    warnings: [
      ...(inert.length === 0 ? [] : [isOrAre(inert, "no effect here, and ignored")]),
      ...(unknown.length === 0 ? [] : [isOrAre(unknown, "not known, and ignored")]),
      ...(odd.length === 0 ? [] : [isOrAre(odd, "not what KubeEdge writes there, and without effect here")]),
      ...(repeated.length === 0 ? [] : [isOrAre(repeated, "there more than once; the last one counts")]),
    ],
  };
}

function addressOf({ address, port }: ServerValues): Address {
  return { host: address, port };
}

function hostAndPort(text: string): Address {
  const colon = text.lastIndexOf(":");
  return { host: text.slice(0, colon).replace(/^\[|\]$/g, ""), port: Number(text.slice(colon + 1)) };
}

/** This host's first address that others can reach, as KubeEdge takes it for `advertiseAddress`. */
function localAddress(): string {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  return all.find(({ address, internal }) => !internal && isIPv4(address))?.address ?? "127.0.0.1";
}

/** A file with every key at its default. */
export function defaultConfigText(): string {
  return configText(defaultsOf({ ...cloudcoreKeys(localAddress()), skep: skepKeys }));
}

/** A file with the keys people change. */
export function minConfigText(): string {
  const { kubeAPIConfig, modules } = defaultsOf(cloudcoreKeys(localAddress())) as unknown as {
    readonly kubeAPIConfig: Values;
    readonly modules: { readonly cloudHub: Values };
  };
  const pick = (from: Values, names: readonly string[]) => Object.fromEntries(names.map((name) => [name, from[name]]));
  const hub = [
    "nodeLimit",
    "tlsCAFile",
    "tlsCAKeyFile",
    "tlsCertFile",
    "tlsPrivateKeyFile",
    "unixsocket",
    "websocket",
    "https",
    "advertiseAddress",
  ];
  return configText({
    kubeAPIConfig: pick(kubeAPIConfig, ["master", "kubeConfig"]),
    modules: { cloudHub: { ...pick(modules.cloudHub, hub), nodeLimit: 1000 } },
  });
}

function configText(values: Values): string {
  return stringify({ apiVersion: API_VERSION, kind: KIND, ...values });
}

function defaultsOf(section: ConfigSection): Values {
  return Object.fromEntries(
    Object.entries(section).map(([name, entry]) => [name, isKey(entry) ? entry.default : defaultsOf(entry)]),
  );
}
