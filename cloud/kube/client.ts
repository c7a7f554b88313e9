// Reads and writes of Kubernetes objects as the plain JSON they are, over pooled connections.
import { SkepError } from "../../base/error/skep-error.ts";
import "./deno-shim.ts";
import { HttpMethod, RequestContext } from "@kubernetes/client-node";
import type { Dispatcher } from "undici";
import { reasonOf } from "../../base/log/logger.ts";
import { ByRank, type Rank } from "../../base/queue/by-rank.ts";
import type { KubeList, KubeObject, KubeStatus } from "../../protocol/apis/kube-object.ts";
import { parseJson } from "../../protocol/json.ts";
import { type Answer, exchange } from "./exchange.ts";
import type { PooledKubeConfig } from "./kubeconfig.ts";
import { knownResource, pathOf, type Resource } from "./resource.ts";

/** Milliseconds one call may take. */
const CALL_TIMEOUT_MS = 30_000;
/** Calls at the same time: fewer than there are connections (`kubeconfig.ts`), of which watches hold some. */
const CALLS_AT_ONCE = 48;
/** A node whose lease or status waits behind a thousand pods of others is taken for dead. */
const URGENT = /\/leases(\/|$)|^\/api\/v1\/nodes(\/|$)/;
/** Objects of one page of a list. */
const PAGE = 500;

/** The API refused the call; `status` is its answer. */
export class KubeApiError extends SkepError {
  readonly code = "SKEP_KUBE_API";
  readonly status: KubeStatus;
  constructor(status: KubeStatus) {
    super(status.message);
    this.status = status;
  }
}

/** The API could not be reached at all. */
export class KubeUnreachableError extends SkepError {
  readonly code = "SKEP_KUBE_UNREACHABLE";
  constructor(server: string, cause: unknown) {
    super(`the Kubernetes API at ${server} can't be reached: ${reasonOf(cause)}`, { cause });
  }
}

/** The API has no such kind; the message says what it has instead. */
export class UnknownKindError extends SkepError {
  readonly code = "SKEP_KUBE_KIND";
  constructor(kind: string, apiVersion: string, instead: string) {
    super(`the API has no kind ${kind} in ${apiVersion || "an empty apiVersion"}; ${instead}`);
  }
}

/** True for an API error of this HTTP status. */
export function hasCode(error: unknown, code: number): boolean {
  return error instanceof KubeApiError && error.status.code === code;
}

/** True for the answer to a creation of what is there already. A creation may meet other conflicts: a quota that others change, say. */
export function isAlreadyExists(error: unknown): boolean {
  return hasCode(error, 409) && (error as KubeApiError).status.reason === "AlreadyExists";
}

/** How a patch is written. */
export type PatchKind = "json" | "merge" | "strategic";

const patchTypes: Readonly<Record<PatchKind, string>> = {
  json: "application/json-patch+json",
  merge: "application/merge-patch+json",
  strategic: "application/strategic-merge-patch+json",
};

/** One object's place. */
export interface ObjectRef {
  readonly resource: Resource;
  readonly namespace?: string;
  readonly name: string;
}

/** What the server does about fields it doesn't know: refuses the write, or drops them. */
export interface WriteOptions {
  readonly fieldValidation?: "Strict" | "Warn" | "Ignore";
}

/** Options of a deletion (`metav1.DeleteOptions`). */
export interface DeleteOptions {
  readonly gracePeriodSeconds?: number;
  readonly preconditions?: { readonly uid?: string };
  readonly propagationPolicy?: string;
}

/** How a call is made. */
export interface CallOptions {
  /** Default: `application/json`. */
  readonly contentType?: string;
  /** Whether the answer is its text. Default: false, the JSON in it. */
  readonly isText?: boolean;
  /** Whether the answer's body is left unread, unless it is a refusal. Default: false. */
  readonly isUnread?: boolean;
  /** Among the calls that wait. Default: urgent for leases and nodes. */
  readonly rank?: Rank;
}

/** What a call needs to be let in, and the connections it goes over. */
interface Access {
  readonly headers: Record<string, string>;
  readonly dispatcher: Dispatcher | undefined;
}

/**
 * A client of one API server. Every method rejects with KubeApiError for an answer of 400 and above, and with
 * KubeUnreachableError where there was no answer.
 */
export class KubeClient {
  readonly config: PooledKubeConfig;
  readonly server: string;
  /** The server's address, and the path below which its API is: empty but for proxies. */
  readonly #origin: string;
  readonly #prefix: string;
  readonly #discovered = new Map<string, Promise<Resource[]>>();
  /** Shared with those that speak as others: they use the same connections. */
  readonly #calls: ByRank;
  #access: Promise<Access> | undefined;
  #accessUntil = 0;

  /** The client whose credentials and discovery this one uses to impersonate a user. */
  readonly #speaker: KubeClient | undefined;
  readonly #impersonation: Readonly<Record<string, string>>;

  constructor(config: PooledKubeConfig, speaker?: KubeClient, impersonation: Readonly<Record<string, string>> = {}) {
    this.#speaker = speaker;
    this.#calls = speaker === undefined ? new ByRank(CALLS_AT_ONCE) : speaker.#calls;
    this.#impersonation = impersonation;
    this.config = config;
    this.server = config.config.getCurrentCluster()?.server ?? "";
    const url = URL.canParse(this.server) ? new URL(this.server) : undefined;
    this.#origin = url?.origin ?? this.server;
    this.#prefix = url?.pathname.replace(/\/$/, "") ?? "";
  }

  /** The same client, whose calls are made as this user of this group, which ours must be allowed to impersonate. */
  impersonating(user: string, group: string): KubeClient {
    return new KubeClient(this.config, this, { "impersonate-user": user, "impersonate-group": group });
  }

  async get(ref: ObjectRef): Promise<KubeObject> {
    return await this.#object("GET", objectPath(ref));
  }

  /** The object, or undefined where there is none. */
  async find(ref: ObjectRef): Promise<KubeObject | undefined> {
    try {
      return await this.get(ref);
    } catch (error) {
      if (hasCode(error, 404)) return undefined;
      throw error;
    }
  }

  /** All objects, fetched page by page; kind and apiVersion are filled in, which list items lack. */
  async list(
    resource: Resource,
    options: { readonly namespace?: string; readonly labelSelector?: string } = {},
  ): Promise<KubeList> {
    const items: KubeObject[] = [];
    let token = "";
    for (;;) {
      const query = new URLSearchParams({ limit: String(PAGE) });
      if (options.labelSelector !== undefined) query.set("labelSelector", options.labelSelector);
      if (token !== "") query.set("continue", token);
      const list = await this.call("GET", `${pathOf(resource, options.namespace)}?${query}`) as KubeList;
      for (const item of list.items) items.push({ kind: resource.kind, apiVersion: resource.apiVersion, ...item });
      token = list.metadata.continue ?? "";
      if (token === "") return { ...list, items };
    }
  }

  async create(
    resource: Resource,
    object: KubeObject,
    options: WriteOptions & Pick<CallOptions, "rank"> = {},
  ): Promise<KubeObject> {
    return await this.#object("POST", withQuery(pathOf(resource, object.metadata.namespace), options), object, options);
  }

  async update(resource: Resource, object: KubeObject, subresource = ""): Promise<KubeObject> {
    const { name, namespace = "" } = object.metadata;
    return await this.#object(
      "PUT",
      withSub(objectPath({ resource, namespace, name }), subresource),
      object,
    );
  }

  /** `patch` is sent verbatim where it is a text, so that an edge's own JSON arrives unchanged. */
  async patch(
    ref: ObjectRef,
    kind: PatchKind,
    patch: unknown,
    subresource = "",
    options: WriteOptions = {},
  ): Promise<KubeObject> {
    const path = withQuery(withSub(objectPath(ref), subresource), options);
    return await this.#object("PATCH", path, patch, { contentType: patchTypes[kind] });
  }

  async delete(ref: ObjectRef, options: DeleteOptions = {}): Promise<KubeObject> {
    return await this.#object("DELETE", objectPath(ref), options);
  }

  /** A subresource that is created, such as `serviceaccounts/default/token`. */
  async createSub(ref: ObjectRef, subresource: string, body: unknown): Promise<KubeObject> {
    return await this.#object("POST", withSub(objectPath(ref), subresource), body);
  }

  /** The place of any kind the server has, known or found by discovery. Rejects with an Error for an unknown one. */
  async resourceOf(object: Pick<KubeObject, "apiVersion" | "kind">): Promise<Resource> {
    const known = knownResource(object);
    if (known !== undefined) return known;
    const { apiVersion = "", kind = "" } = object;
    const served = await this.#discover(apiVersion).catch((error) => {
      // The message for a group or version that isn't served names the kind, too.
      if (hasCode(error, 404)) return [];
      throw error;
    });
    const found = served.find((resource) => resource.kind === kind);
    if (found === undefined) throw new UnknownKindError(kind, apiVersion, await this.#insteadOf(kind, apiVersion));
    return found;
  }

  /** Every kind that can be listed and deleted, once, in the version that the server prefers. A group that does not answer is left out. */
  async removableKinds(): Promise<Resource[]> {
    const { groups = [] } = await this.call("GET", "/apis") as {
      readonly groups?: readonly { readonly preferredVersion: { readonly groupVersion: string } }[];
    };
    const versions = ["v1", ...groups.map(({ preferredVersion }) => preferredVersion.groupVersion)];
    const found = await Promise.all(versions.map(async (apiVersion) => {
      const answer = await this.call("GET", rootOf(apiVersion)).catch(() => ({ resources: [] })) as {
        readonly resources: readonly Served[];
      };
      return answer.resources.filter(({ name, verbs = [] }) =>
        !name.includes("/") && verbs.includes("list") && verbs.includes("delete")
      ).map((served) => resourceIn(apiVersion, served));
    }));
    return found.flat();
  }

  /** What the server has in place of a kind: the same one in other versions, or else the kinds of its group's versions. */
  async #insteadOf(kind: string, apiVersion: string): Promise<string> {
    const { groups = [] } = await this.call("GET", "/apis") as {
      readonly groups?: readonly { readonly name: string; readonly versions: readonly { groupVersion: string }[] }[];
    };
    const versions = ["v1", ...groups.flatMap((group) => group.versions.map(({ groupVersion }) => groupVersion))];
    const served = (await Promise.all(versions.map((version) => this.#discover(version).catch(() => [])))).flat();
    const same = served.filter((resource) => resource.kind === kind).map((resource) => resource.apiVersion);
    if (same.length > 0) return `it is there in ${same.join(" and ")}`;
    const near = served.filter((resource) => resource.kind.toLowerCase() === kind.toLowerCase());
    if (near.length > 0) return `there is ${near.map((r) => `${r.kind} in ${r.apiVersion}`).join(", ")}`;
    const inGroup = served.filter((resource) => resource.apiVersion === apiVersion).map((resource) => resource.kind);
    if (inGroup.length > 0) return `${apiVersion} has ${inGroup.sort().join(", ")}`;
    return `it serves nothing in ${apiVersion}; it has ${versions.join(", ")}`;
  }

  #discover(apiVersion: string): Promise<Resource[]> {
    let found = this.#discovered.get(apiVersion);
    if (found === undefined) {
      found = this.call("GET", rootOf(apiVersion)).then((answer) =>
        (answer as { readonly resources: readonly Served[] }).resources.filter(({ name }) => !name.includes("/"))
          .map((served) => resourceIn(apiVersion, served))
      );
      this.#discovered.set(apiVersion, found);
      found.catch(() => this.#discovered.delete(apiVersion));
    }
    return found;
  }

  async #object(method: Method, path: string, body?: unknown, options: CallOptions = {}): Promise<KubeObject> {
    return await this.call(method, path, body, options) as KubeObject;
  }

  /** As create, or as update; answers the object's text as the API wrote it, for those that only pass it on. */
  async writeText(resource: Resource, object: KubeObject, method: "POST" | "PUT"): Promise<string> {
    const { name, namespace = "" } = object.metadata;
    const path = method === "POST" ? pathOf(resource, namespace) : objectPath({ resource, namespace, name });
    return await this.call(method, path, object, { isText: true }) as string;
  }

  /** One call; answers the JSON of the response, its text, or undefined where it is left unread. */
  async call(method: Method, path: string, body?: unknown, options: CallOptions = {}): Promise<unknown> {
    const { contentType = "application/json", isText = false, isUnread = false, rank = rankOf(path) } = options;
    const text = await this.#calls.run(rank, () => this.#call(method, path, body, contentType, isUnread));
    return isUnread ? undefined : isText ? text : parseJson(text);
  }

  async #call(method: Method, path: string, body: unknown, contentType: string, isUnread: boolean): Promise<string> {
    const { headers, dispatcher } = await this.#authenticated();
    let answer: Answer;
    try {
      answer = await exchange(dispatcher, {
        origin: this.#origin,
        path: this.#prefix + path,
        method,
        headers: {
          ...headers,
          ...this.#impersonation,
          accept: "application/json",
          ...(body === undefined ? {} : { "content-type": contentType }),
        },
        ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
        timeout: CALL_TIMEOUT_MS,
      }, isUnread);
    } catch (error) {
      throw new KubeUnreachableError(this.server, error);
    }
    if (answer.status >= 400) throw new KubeApiError(statusOf(answer.status, answer.text));
    return answer.text;
  }

  /** Credentials, asked of client-node once a minute: exec plugins and token files may give new ones. */
  #authenticated(): Promise<Access> {
    if (this.#speaker !== undefined) return this.#speaker.#authenticated();
    const now = performance.now();
    if (this.#access === undefined || now > this.#accessUntil) {
      this.#accessUntil = now + 60_000;
      const context = new RequestContext(this.server, HttpMethod.GET);
      this.#access = this.config.config.applySecurityAuthentication(context).then(() => ({
        headers: context.getHeaders(),
        dispatcher: context.getDispatcher() as unknown as Dispatcher | undefined,
      }));
      this.#access.catch(() => this.#access = undefined);
    }
    return this.#access;
  }

  async close(): Promise<void> {
    await this.config.close();
  }
}

function rankOf(path: string): Rank {
  return URGENT.test(path) ? "urgent" : "usual";
}

type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

/** A kind as discovery tells it. */
interface Served {
  readonly name: string;
  readonly kind: string;
  readonly namespaced: boolean;
  readonly verbs?: readonly string[];
}

function rootOf(apiVersion: string): string {
  return apiVersion.includes("/") ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
}

function resourceIn(apiVersion: string, { kind, name, namespaced }: Served): Resource {
  return { apiVersion, kind, plural: name, namespaced };
}

/** A call without its name. */
export class NamelessError extends SkepError {
  readonly code = "SKEP_OBJECT_NAME";
  constructor(resource: Resource) {
    super(`resource name may not be empty (${resource.plural})`);
  }
}

/**
 * The path of one object. Throws NamelessError: without a name it would be the path of all of them, and a deletion would
 * take them all.
 */
export function objectPath({ resource, namespace, name }: ObjectRef): string {
  if (name === undefined || name === "") throw new NamelessError(resource);
  return pathOf(resource, namespace, name);
}

function withQuery(path: string, { fieldValidation }: WriteOptions): string {
  return fieldValidation === undefined ? path : `${path}?fieldValidation=${fieldValidation}`;
}

function withSub(path: string, subresource: string): string {
  return subresource === "" ? path : `${path}/${subresource}`;
}

function statusOf(code: number, text: string): KubeStatus {
  try {
    const status = JSON.parse(text) as KubeStatus;
    if (typeof status === "object" && status !== null && typeof status.message === "string") return { ...status, code };
  } catch {
    // not a Status: said in plain text
  }
  const message = text.trim().slice(0, 300) || `the server answered HTTP ${code}`;
  return { kind: "Status", apiVersion: "v1", metadata: {}, status: "Failure", message, reason: "Unknown", code };
}
