// From a request to its answer: which resource a path means, and what each verb does with it.
import { checkBody, checkPatched, fieldValidationOf } from "./field-validation.ts";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Clock } from "../../../base/time/clock.ts";
import type { KubeObject } from "../../../protocol/apis/kube-object.ts";
import type { Kind } from "../kinds/kind.ts";
import type { Resources, Target } from "../resources.ts";
import type { DeleteOptions } from "../write-rules.ts";
import { badRequest, methodNotAllowed, notFound, unknownResource } from "../status.ts";
import { contentTypeOf, parseBody, parsePatch, readApiBody } from "./body.ts";
import * as discovery from "./discovery.ts";
import { discoveryFormOf, type Form, formOf } from "./negotiate.ts";
import { awaitVersion, checkListOptions, isDryRun } from "./options.ts";
import { formedList, formedObject } from "./table.ts";
import { serveWatch } from "./watch.ts";

/** An answer that is not a stream. A text body is sent as it stands. */
export interface Answer {
  readonly status: number;
  readonly body: unknown;
  readonly contentType?: string;
  /** Texts of Warning headers. */
  readonly warnings?: readonly string[];
}

/** The version this server reports; kubectl and client-go choose their behaviour by it. */
const version = {
  major: "1",
  minor: "32",
  gitVersion: "v1.32.10",
  gitCommit: "skep",
  gitTreeState: "",
  buildDate: "1970-01-01T00:00:00Z",
  goVersion: "none",
  compiler: "none",
  platform: "linux/amd64",
};

const notFoundText: Answer = { status: 404, body: "404 page not found\n" };

/** One request and what its handlers need to answer it. */
export interface Call {
  readonly resources: Resources;
  readonly clock: Clock;
  /** The host by which the client reaches the server. */
  readonly host: string;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly query: URLSearchParams;
}

/** Answers a request; undefined when it has become a watch and answers by itself. Throws ApiError. */
export async function route(given: Omit<Call, "query" | "host">): Promise<Answer | undefined> {
  const { request, resources } = given;
  const url = new URL(request.url ?? "/", "https://server");
  const call: Call = { ...given, host: request.headers.host ?? "", query: url.searchParams };
  const words = url.pathname.split("/").filter((word) => word !== "").map(decode);
  const { registry } = resources;
  const [root, ...rest] = words;
  switch (root) {
    case undefined:
      return get(request, { paths: ["/api", "/apis", "/healthz", "/livez", "/openapi/v3", "/readyz", "/version"] });
    case "version":
      return get(request, version);
    case "healthz":
    case "livez":
    case "readyz":
      return rest.length === 0 || (rest.length === 1 && rest[0] === "ping")
        ? { status: 200, body: "ok" }
        : notFoundText;
    case "openapi":
      return openApi(resources, rest);
    case "api":
      if (rest.length === 0) {
        const form = discoveryFormOf(request.headers.accept);
        if (form === "plain") return get(request, discovery.coreVersions(call.host));
        return aggregatedAnswer(discovery.aggregated(registry, "core", form), form);
      }
      if (rest[0] !== "v1") throw unknownResource();
      if (rest.length === 1) return get(request, discovery.resourceList(registry, "", "v1"));
      return await resource(call, "", "v1", rest.slice(1));
    case "apis": {
      const [group = "", groupVersion = "", ...path] = rest;
      if (group === "") {
        const form = discoveryFormOf(request.headers.accept);
        if (form === "plain") return get(request, discovery.groupList(registry));
        return aggregatedAnswer(discovery.aggregated(registry, "groups", form), form);
      }
      if (!registry.groups().has(group)) return notFoundText;
      if (groupVersion === "") return get(request, discovery.group(registry, group));
      if (path.length === 0) return get(request, discovery.resourceList(registry, group, groupVersion));
      return await resource(call, group, groupVersion, path);
    }
    default:
      return notFoundText;
  }
}

function decode(word: string): string {
  try {
    return decodeURIComponent(word);
  } catch {
    throw badRequest(`the path has a broken escape: ${word}`);
  }
}

function get(request: IncomingMessage, body: unknown): Answer {
  if (request.method !== "GET" && request.method !== "HEAD") throw methodNotAllowed();
  return { status: 200, body };
}

function aggregatedAnswer(body: unknown, form: "v2" | "v2beta1"): Answer {
  return {
    status: 200,
    body,
    contentType: `application/json;g=apidiscovery.k8s.io;v=${form};as=APIGroupDiscoveryList`,
  };
}

function openApi({ registry }: Resources, words: readonly string[]): Answer {
  if (words[0] !== "v3") return notFoundText;
  if (words.length === 1) {
    return {
      status: 200,
      body: JSON.stringify(discovery.openApiIndex(registry)),
      contentType: "text/plain; charset=utf-8",
    };
  }
  const [root, first = "", second = ""] = words.slice(1);
  if (root === "api") return { status: 200, body: discovery.openApiDocument(registry, "", first) };
  return { status: 200, body: discovery.openApiDocument(registry, first, second) };
}

async function resource(
  call: Call,
  group: string,
  version: string,
  path: readonly string[],
): Promise<Answer | undefined> {
  const { request, resources } = call;
  // `namespaces/{ns}/{plural}…` is a place in a namespace; `namespaces/{name}` and `namespaces/{name}/status` are a Namespace.
  const inNamespace = path[0] === "namespaces" && path.length >= 3 &&
    !(group === "" && ["status", "finalize"].includes(path[2] as string));
  const namespace = inNamespace ? path[1] as string : "";
  const [plural = "", name = "", subresource = ""] = inNamespace ? path.slice(2) : path;
  const kind = resources.registry.find(group, version, plural);
  if (kind === undefined || (inNamespace && !kind.namespaced)) throw unknownResource();
  const form = formOf(request.headers.accept);
  if (name === "") {
    return await collection(call, kind, inNamespace ? namespace : undefined, form);
  }
  if (kind.namespaced && !inNamespace) throw unknownResource();
  const target: Target = { kind, namespace, name };
  if (subresource === "" || subresource === "status") {
    if (subresource === "status" && !kind.hasStatus) {
      throw kind.custom ? notFound(kind, name) : unknownResource();
    }
    return await single(call, target, subresource, form);
  }
  return await special(call, target, subresource);
}

async function collection(
  { clock, query, request, resources, response }: Call,
  kind: Kind,
  namespace: string | undefined,
  form: Form,
): Promise<Answer | undefined> {
  switch (request.method) {
    case "GET":
    case "HEAD":
      if (isTrue(query.get("watch"))) {
        serveWatch(resources, clock, { kind, namespace, query, form }, response);
        return undefined;
      }
      await awaitVersion(resources, clock, query);
      return {
        status: 200,
        body: formedList(kind, resources.list(kind, namespace, checkListOptions(query)), form, query, clock.now()),
      };
    case "POST": {
      if (kind.namespaced && namespace === undefined) throw methodNotAllowed();
      const body = parseBody(await readApiBody(request), contentTypeOf(request));
      const warnings = checkBody(kind, body, fieldValidationOf(query, "CreateOptions"));
      const created = resources.create(kind, namespace ?? "", body, isDryRun(query, "CreateOptions"));
      return { status: 201, body: formedObject(kind, created, form, query, clock.now()), warnings };
    }
    case "DELETE": {
      const isAllowed = kind.verbs.includes("deletecollection") && !(kind.namespaced && namespace === undefined);
      if (!isAllowed) throw methodNotAllowed();
      const options = await deleteOptions(request, query);
      const { items, ...list } = resources.list(kind, namespace, checkListOptions(query));
      const deleted = items.map((object) => {
        const target = { kind, namespace: namespace ?? "", name: object.metadata.name };
        return resources.delete(target, options).object;
      });
      return { status: 200, body: formedList(kind, { ...list, items: deleted }, form, query, clock.now()) };
    }
    default:
      throw methodNotAllowed();
  }
}

async function single(
  { clock, query, request, resources }: Call,
  target: Target,
  subresource: string,
  form: Form,
): Promise<Answer> {
  const { kind } = target;
  const answer = (object: KubeObject): Answer => ({
    status: 200,
    body: formedObject(kind, object, form, query, clock.now()),
  });
  switch (request.method) {
    case "GET":
    case "HEAD":
      await awaitVersion(resources, clock, query);
      return answer(resources.get(target));
    case "PUT": {
      const body = parseBody(await readApiBody(request), contentTypeOf(request));
      const warnings = checkBody(kind, body, fieldValidationOf(query, "UpdateOptions"));
      return { ...answer(resources.update(target, body, subresource, isDryRun(query, "UpdateOptions"))), warnings };
    }
    case "PATCH": {
      const contentType = contentTypeOf(request);
      const patch = parsePatch(await readApiBody(request), contentType);
      const validation = fieldValidationOf(query, "PatchOptions");
      let warnings: readonly string[] = [];
      const check = (patched: unknown, old: unknown) => void (warnings = checkPatched(kind, old, patched, validation));
      const isDry = isDryRun(query, "PatchOptions");
      return { ...answer(resources.patch(target, contentType, patch, subresource, isDry, check)), warnings };
    }
    case "DELETE": {
      if (subresource !== "") throw methodNotAllowed();
      const { object, removed } = resources.delete(target, await deleteOptions(request, query));
      if (kind.strategy.deleteAnswersObject || !removed) return answer(object);
      const { name, uid } = object.metadata;
      const details = { name, ...(kind.group === "" ? {} : { group: kind.group }), kind: kind.plural, uid };
      return { status: 200, body: { kind: "Status", apiVersion: "v1", metadata: {}, status: "Success", details } };
    }
    default:
      throw methodNotAllowed();
  }
}

/** Subresources that are neither the object nor its status. */
async function special({ request, resources }: Call, target: Target, name: string): Promise<Answer> {
  const found = Object.hasOwn(target.kind.subresources, name) ? target.kind.subresources[name] : undefined;
  if (found === undefined) throw unknownResource();
  const body = parseBody(await readApiBody(request), contentTypeOf(request));
  if (request.method !== found.method) throw methodNotAllowed();
  return found.handle({ resources, target, body });
}

async function deleteOptions(request: IncomingMessage, query: URLSearchParams): Promise<DeleteOptions> {
  const body = parseBody(await readApiBody(request), contentTypeOf(request)) as DeleteOptions | undefined;
  if (body !== undefined && (typeof body !== "object" || body === null)) {
    throw badRequest("the delete options are not an object");
  }
  const options: Record<string, unknown> = { ...body };
  options.gracePeriodSeconds ??= undefined;
  const asked = query.get("gracePeriodSeconds");
  if (asked !== null) {
    if (!/^[+-]?\d+$/.test(asked)) {
      throw badRequest(`strconv.ParseInt: parsing ${JSON.stringify(asked)}: invalid syntax`);
    }
    options.gracePeriodSeconds = Number(asked);
  } else if (!["undefined", "number", "bigint"].includes(typeof options.gracePeriodSeconds)) {
    throw badRequest("gracePeriodSeconds in the delete options is not a number of seconds");
  }
  if (query.has("propagationPolicy")) options.propagationPolicy = query.get("propagationPolicy");
  if (query.has("dryRun")) options.dryRun = [query.get("dryRun")];
  return options as DeleteOptions;
}

function isTrue(value: string | null): boolean {
  return value !== null && value !== "0" && value.toLowerCase() !== "false";
}
