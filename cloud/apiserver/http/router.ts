// From a request to its answer: which resource a path means, and what each verb does with it.
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Clock } from "../../../base/time/clock.ts";
import type { KubeObject } from "../../../protocol/apis/kube-object.ts";
import { answerReview, isReview, type ReviewDeps } from "../access/reviews.ts";
import type { Kind, User } from "../kinds/kind.ts";
import { type FieldValidation, readObject } from "../objects.ts";
import { type Resources, shown, type Target, type WriteOptions } from "../resources.ts";
import { ApiError, badRequest, methodNotAllowed, notFound, unknownResource, unsupported } from "../status.ts";
import { Stored } from "../storage/stored.ts";
import { patchTypes } from "../write-rules.ts";
import type { DeleteOptions } from "../write-rules.ts";
import { type Answer, json, plainText } from "./answer.ts";
import { contentTypeOf, parseBody, parseOptions, parsePatch, readApiBody } from "./body.ts";
import * as discovery from "./discovery.ts";
import { discoveryFormOf, type Form, formOf } from "./negotiate.ts";
import { openApi } from "./openapi.ts";
import {
  awaitVersion,
  checkListOptions,
  checkNumbers,
  isDryRun,
  isForced,
  type OptionsKind,
  refuseOption,
} from "./options.ts";
import type { ResourcePath } from "./path.ts";
import { handleScale } from "./scale.ts";
import { formedList, formedObject } from "./table.ts";
import { serveWatch, type WatchDeps } from "./watch.ts";

/** The version this server reports; kubectl and client-go choose their behaviour by it. */
const version = {
  major: "1",
  minor: "32",
  gitVersion: "v1.32.10",
  gitCommit: "$Format:%H$",
  gitTreeState: "",
  buildDate: "1970-01-01T00:00:00Z",
  goVersion: "go1.26.8",
  compiler: "gc",
  platform: "linux/amd64",
};

const notFoundText = plainText(404, "404 page not found\n");

/** One request and what its handlers need to answer it. */
export interface Call {
  readonly resources: Resources;
  readonly clock: Clock;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly url: URL;
  readonly words: readonly string[];
  /** The resource that the path names. */
  readonly path: ResourcePath | undefined;
  readonly user: User;
  readonly reviews: ReviewDeps;
  readonly watches: WatchDeps;
  /** Collected for the answer. */
  readonly warnings: string[];
}

/** Answers a request; undefined when it has become a watch and answers by itself. Throws ApiError. */
export async function route(call: Call): Promise<Answer | undefined> {
  const { path, request, resources, words } = call;
  const { registry } = resources;
  const [root, ...rest] = words;
  const accept = request.headers.accept;
  const host = request.headers.host ?? "";
  switch (root) {
    case undefined:
      return get(request, {
        paths: ["/api", "/apis", "/healthz", "/livez", "/openapi/v2", "/openapi/v3", "/readyz", "/version"],
      });
    case "version":
      return get(request, version);
    case "healthz":
    case "livez":
    case "readyz":
      return rest.length === 0 || (rest.length === 1 && rest[0] === "ping") ? plainText(200, "ok") : notFoundText;
    case "openapi":
      return openApi(registry, rest, request) ?? notFoundText;
    case "api":
      if (rest.length === 0) {
        const form = discoveryFormOf(accept);
        if (form === "plain") return get(request, discovery.coreVersions(host));
        return aggregated(discovery.aggregated(registry, "core", form), form);
      }
      if (rest[0] !== "v1") throw unknownResource();
      if (path === undefined) return get(request, discovery.resourceList(registry, "", "v1"));
      return await resource(call, path);
    case "apis": {
      const [group = "", groupVersion = ""] = rest;
      if (group === "") {
        const form = discoveryFormOf(accept);
        if (form === "plain") return get(request, discovery.groupList(registry));
        return aggregated(discovery.aggregated(registry, "groups", form), form);
      }
      const versions = registry.groups().get(group);
      if (versions === undefined) return notFoundText;
      if (groupVersion === "") return get(request, discovery.group(registry, group));
      const isCustomGroup = registry.all().some((kind) => kind.group === group && kind.custom !== undefined);
      if (!versions.includes(groupVersion)) {
        // Groups of definitions are served by another part of kube-apiserver, which answers differently.
        if (isCustomGroup) return notFoundText;
        throw unknownResource();
      }
      if (path === undefined) return get(request, discovery.resourceList(registry, group, groupVersion));
      return await resource(call, path);
    }
    default:
      return notFoundText;
  }
}

function get(request: IncomingMessage, body: unknown): Answer {
  if (request.method !== "GET" && request.method !== "HEAD") throw methodNotAllowed();
  return json(200, body);
}

function aggregated(body: unknown, form: "v2" | "v2beta1"): Answer {
  return json(200, body, {
    contentType: `application/json;g=apidiscovery.k8s.io;v=${form};as=APIGroupDiscoveryList`,
  });
}

async function resource(call: Call, path: ResourcePath): Promise<Answer | undefined> {
  const { request, resources, warnings } = call;
  const { group, isInNamespace, name, namespace, plural, rest, subresource, version } = path;
  const kind = resources.registry.find(group, version, plural);
  if (kind === undefined || (isInNamespace && !kind.namespaced)) {
    const isCustomGroup = group !== "" &&
      resources.registry.all().some((one) => one.group === group && one.custom !== undefined);
    if (isCustomGroup) return notFoundText;
    throw unknownResource();
  }
  if (kind.warning !== undefined) warnings.push(kind.warning);
  const form = formOf(request.headers.accept, kind.custom !== undefined);
  const answer = await answerFor(call, kind, path, form);
  return answer === undefined ? undefined : { ...answer, form, warnings };

  async function answerFor(call: Call, kind: Kind, path: ResourcePath, form: Form): Promise<Answer | undefined> {
    if (path.isOldWatch) return watchOf(call, kind, path, form);
    if (isReview(kind)) return await review(call, kind, path);
    if (kind.plural === "componentstatuses") return componentStatus(name);
    if (kind.plural === "bindings" && kind.group === "") return await bindingOf(call, path);
    if (name === "") return await collection(call, kind, path, form);
    if (kind.namespaced && !isInNamespace) throw unknownResource();
    const target: Target = { kind, namespace, name };
    if (subresource === "" || subresource === "status") {
      if (subresource === "status" && !kind.hasStatus) {
        throw kind.custom === undefined ? unknownResource() : notFound(kind, name);
      }
      return await single(call, target, subresource, form);
    }
    return await special(call, target, subresource, rest, form);
  }
}

function componentStatus(name: string): Answer {
  if (name === "") {
    return json(200, { kind: "ComponentStatusList", apiVersion: "v1", metadata: {}, items: [] });
  }
  throw new ApiError(500, "", `Component not found: ${name}`);
}

async function review(call: Call, kind: Kind, { namespace }: ResourcePath): Promise<Answer> {
  const { request, resources, reviews, user } = call;
  if (request.method !== "POST") throw methodNotAllowed();
  const { value } = parseBody(await readApiBody(request), contentTypeOf(request), kind.kind);
  const { object } = readObject(kind, value, resources.registry);
  if (kind.kind !== "SelfSubjectReview" && object.metadata.name === undefined) {
    object.metadata = { creationTimestamp: null } as KubeObject["metadata"];
  }
  return { status: 201, content: contentOf(kind, await answerReview(object, user, namespace, reviews), call) };
}

/** An object that is not stored, in the form asked for. */
function contentOf(kind: Kind, object: unknown, { request }: Call) {
  const form = formOf(request.headers.accept, kind.custom !== undefined);
  const stored = new Stored(object as KubeObject, undefined);
  return form.as === "object"
    ? formedObject(kind, stored, form, { query: new URLSearchParams(), now: 0 })
    : { value: object };
}

/** Everything that a write may say beside its body. */
function writeOptions(call: Call, kind: OptionsKind, problems: readonly string[] = []): WriteOptions {
  const { request, url: { searchParams: query }, user, warnings } = call;
  return {
    isDryRun: isDryRun(query, kind),
    validation: fieldValidationOf(query, kind),
    problems,
    manager: managerOf(request, query),
    user,
    warn: (text) => void warnings.push(text),
  };
}

/** Letters of a field manager's name. */
const MAX_MANAGER = 128;

/** The field manager: as the client says, else the name of the program. */
function managerOf(request: IncomingMessage, query: URLSearchParams): string {
  const given = query.get("fieldManager") ?? "";
  if (given.length > MAX_MANAGER) throw badRequest(`fieldManager: Too long: may not be more than ${MAX_MANAGER} bytes`);
  if (given !== "") return given;
  const program = (request.headers["user-agent"] ?? "").split("/")[0]?.slice(0, MAX_MANAGER) ?? "";
  return program === "" ? "unknown" : program;
}

/** Reads the query. Default: unknown fields are warned about. Throws 422 for another word. */
function fieldValidationOf(query: URLSearchParams, options: OptionsKind): FieldValidation {
  const asked = query.get("fieldValidation") ?? "";
  if (asked === "") return "Warn";
  if (asked === "Strict" || asked === "Warn" || asked === "Ignore") return asked;
  throw refuseOption(options, unsupported("fieldValidation", asked, ["", "Ignore", "Strict", "Warn"]));
}

async function collection(call: Call, kind: Kind, path: ResourcePath, form: Form): Promise<Answer | undefined> {
  const { clock, request, resources, url: { searchParams: query } } = call;
  const namespace = path.isInNamespace ? path.namespace : undefined;
  const options = { query, now: clock.now() };
  switch (request.method) {
    case "GET":
    case "HEAD":
      if (!kind.verbs.includes("list")) throw methodNotAllowed();
      if (isTrue(query.get("watch"))) return watchOf(call, kind, path, form);
      await awaitVersion(resources, clock, query);
      return {
        status: 200,
        content: formedList(kind, resources.page(kind, namespace, checkListOptions(query)), form, options),
      };
    case "POST": {
      if (!kind.verbs.includes("create") || (kind.namespaced && namespace === undefined)) throw methodNotAllowed();
      const { problems, value } = parseBody(await readApiBody(request), contentTypeOf(request), kind.kind);
      const created = resources.create(kind, namespace ?? "", value, writeOptions(call, "CreateOptions", problems));
      return { status: 201, content: formedObject(kind, created, form, options) };
    }
    case "DELETE": {
      const isAllowed = kind.verbs.includes("deletecollection") && !(kind.namespaced && namespace === undefined);
      if (!isAllowed) throw methodNotAllowed();
      const asked = await deleteOptions(request, query);
      const page = resources.page(kind, namespace, checkListOptions(query));
      for (const { object } of page.items) {
        try {
          resources.delete({ kind, namespace: namespace ?? "", name: object.metadata.name }, asked);
        } catch (error) {
          // Somebody else deleted it meanwhile.
          if (!(error instanceof ApiError) || error.status.code !== 404) throw error;
        }
      }
      return { status: 200, content: formedList(kind, page, form, options) };
    }
    default:
      throw methodNotAllowed();
  }
}

function watchOf(call: Call, kind: Kind, path: ResourcePath, form: Form): undefined {
  const { clock, resources, response, url, warnings, watches } = call;
  if (!kind.verbs.includes("watch")) throw methodNotAllowed();
  const query = new URLSearchParams(url.searchParams);
  checkNumbers(query);
  const name = path.isOldWatch ? path.name : "";
  if (name !== "") query.append("fieldSelector", `metadata.name=${name}`);
  const namespace = path.isInNamespace ? path.namespace : undefined;
  const asked = { kind, namespace, query, form, warnings };
  serveWatch(resources, clock, asked, response, watches);
  return undefined;
}

async function single(call: Call, target: Target, subresource: string, form: Form): Promise<Answer | undefined> {
  const { clock, request, resources, url: { searchParams: query } } = call;
  const { kind } = target;
  const answer = (stored: Stored, status = 200): Answer => ({
    status,
    content: formedObject(kind, stored, form, { query, now: clock.now() }),
  });
  switch (request.method) {
    case "GET":
    case "HEAD":
      await awaitVersion(resources, clock, query);
      return answer(resources.getStored(target));
    case "POST":
      if (subresource === "status" && kind.custom !== undefined) throw notSupported("create", kind);
      throw methodNotAllowed();
    case "PUT": {
      const { problems, value } = parseBody(await readApiBody(request), contentTypeOf(request), kind.kind);
      const { created, stored } = resources.update(
        target,
        value,
        subresource,
        writeOptions(call, "UpdateOptions", problems),
      );
      return answer(stored, created ? 201 : 200);
    }
    case "PATCH": {
      const { created, stored } = await patched(call, target, subresource);
      return answer(stored, created ? 201 : 200);
    }
    case "DELETE": {
      if (subresource !== "") throw methodNotAllowed();
      const { object, removed } = resources.delete(target, await deleteOptions(request, query));
      if (kind.strategy.deleteAnswersObject || !removed) {
        const { managedFields } = resources.store.find(kind.table, keyOf(target)) ?? {};
        return answer(shown(kind, new Stored(object, managedFields)));
      }
      const { name, uid } = object.metadata;
      const details = { name, ...(kind.group === "" ? {} : { group: kind.group }), kind: kind.plural, uid };
      return json(200, { kind: "Status", apiVersion: "v1", metadata: {}, status: "Success", details });
    }
    default:
      throw methodNotAllowed();
  }
}

const keyOf = ({ name, namespace }: Target) => namespace === "" ? name : `${namespace}/${name}`;

function notSupported(verb: string, kind: Kind): ApiError {
  const resource = kind.group === "" ? kind.plural : `${kind.plural}.${kind.group}`;
  return new ApiError(
    405,
    "MethodNotAllowed",
    `${verb} is not supported on resources of kind ${JSON.stringify(resource)}`,
    {
      ...(kind.group === "" ? {} : { group: kind.group }),
      kind: kind.plural,
    },
  );
}

async function patched(
  call: Call,
  target: Target,
  subresource: string,
): Promise<{ readonly stored: Stored; readonly created: boolean }> {
  const { request, resources, url: { searchParams: query } } = call;
  const contentType = contentTypeOf(request);
  const { problems, value } = parsePatch(await readApiBody(request), contentType);
  if (contentType === "application/apply-patch+yaml") {
    if ((query.get("fieldManager") ?? "") === "") {
      throw refuseOption("PatchOptions", {
        reason: "FieldValueRequired",
        message: "Required value: is required for apply patch",
        field: "fieldManager",
      });
    }
    return resources.apply(target, value, subresource, isForced(query), writeOptions(call, "PatchOptions", problems));
  }
  if (!patchTypes(target.kind).includes(contentType)) {
    throw new ApiError(
      415,
      "UnsupportedMediaType",
      `the body of the request was in an unknown format - accepted media types include: ${
        patchTypes(target.kind).join(", ")
      }`,
    );
  }
  if (query.has("force")) {
    throw refuseOption("PatchOptions", {
      reason: "FieldValueForbidden",
      message: "Forbidden: may not be specified for non-apply patch",
      field: "force",
    });
  }
  const options = writeOptions(call, "PatchOptions", problems);
  return { stored: resources.patch(target, contentType, value, subresource, options), created: false };
}

/** Subresources that are neither the object nor its status. */
async function special(
  call: Call,
  target: Target,
  name: string,
  rest: readonly string[],
  form: Form,
): Promise<Answer | undefined> {
  const { request, resources, url: { searchParams: query }, user } = call;
  const { kind } = target;
  const found = Object.hasOwn(kind.subresources, name) ? kind.subresources[name] : undefined;
  if (found === undefined) throw kind.custom === undefined ? unknownResource() : notFound(kind, target.name);
  switch (found.as) {
    case "part":
      if (request.method === "DELETE" || request.method === "POST") throw methodNotAllowed();
      return await single(call, target, name, form);
    case "scale":
      return await handleScale({
        resources,
        target,
        paths: found.paths,
        request,
        options: (kind, problems) => writeOptions(call, kind, problems),
      });
    case "stream":
      return stream(resources, target, name, rest);
    case "action": {
      if (request.method !== found.method) throw methodNotAllowed();
      const { value } = parseBody(await readApiBody(request), contentTypeOf(request), found.answers?.kind ?? kind.kind);
      const isDry = isDryRun(query, "CreateOptions");
      const { body, status } = await found.handle({ resources, target, body: value, user, isDryRun: isDry, query });
      const answers = found.answers === undefined ? kind : resources.registry.findByKind(
        found.answers.group === "" ? found.answers.version : `${found.answers.group}/${found.answers.version}`,
        found.answers.kind,
      );
      const isOwnKind = (body as KubeObject).kind === (answers ?? kind).kind;
      if (form.media === "protobuf") return { status, content: { bytes: encoded(body as KubeObject) } };
      return isOwnKind && answers !== undefined
        ? { status, content: contentOf(answers, body, call) }
        : json(status, body);
    }
  }
}

function encoded(object: KubeObject): Uint8Array {
  return discovery.encodedByKind(object);
}

/** Streams end at nodes, and none of ours can be reached from here. */
function stream(resources: Resources, target: Target, name: string, _rest: readonly string[]): never {
  const object = resources.get(target);
  if (target.kind.plural === "pods" && name !== "proxy") {
    const node = (object.spec as { nodeName?: string }).nodeName ?? "";
    if (node === "") {
      throw new ApiError(400, "BadRequest", `pod ${target.name} does not have a host assigned`);
    }
    throw new ApiError(
      501,
      "NotImplemented",
      `${name} is not available: this API server has no connection to the node ${node}`,
    );
  }
  throw new ApiError(
    501,
    "NotImplemented",
    `${name} is not available: this API server has no connection to nodes and pods`,
  );
}

/** The older resource `bindings`: a pod's binding under another path. */
async function bindingOf(call: Call, { isInNamespace, name, namespace }: ResourcePath): Promise<Answer> {
  const { request, resources } = call;
  if (request.method !== "POST" || !isInNamespace || name !== "") throw methodNotAllowed();
  const { value } = parseBody(await readApiBody(request), contentTypeOf(request), "Binding");
  const body = value as { metadata?: { name?: string }; target?: { name?: string } };
  const kind = resources.registry.find("", "v1", "pods") as Kind;
  resources.bind({ kind, namespace, name: body.metadata?.name ?? "" }, body.target?.name ?? "");
  return json(201, { kind: "Status", apiVersion: "v1", metadata: {}, status: "Success", code: 201 });
}

async function deleteOptions(request: IncomingMessage, query: URLSearchParams): Promise<DeleteOptions> {
  const body = parseOptions(await readApiBody(request), contentTypeOf(request)) as DeleteOptions | undefined;
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
  if (query.has("dryRun")) options.dryRun = isDryRun(query, "DeleteOptions") ? ["All"] : [];
  return options as DeleteOptions;
}

function isTrue(value: string | null): boolean {
  return value !== null && value !== "0" && value.toLowerCase() !== "false";
}
