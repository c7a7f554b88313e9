// From a request to its answer: which resource a path means.
import type { IncomingMessage } from "node:http";
import type { KubeObject } from "../../../protocol/apis/kube-object.ts";
import { answerReview, isReview } from "../access/reviews.ts";
import type { Kind } from "../kinds/kind.ts";
import { readObject } from "../objects.ts";
import { ApiError, methodNotAllowed, notFound, unknownResource } from "../status.ts";
import type { Target } from "../writes/target.ts";
import { type Answer, json, plainText } from "./answer.ts";
import { contentTypeOf, parseBody, readApiBody } from "./body.ts";
import type { Call } from "./call.ts";
import * as discovery from "./discovery.ts";
import { discoveryFormOf, type Form, formOf } from "./negotiate.ts";
import { openApi } from "./openapi.ts";
import type { ResourcePath } from "./path.ts";
import { bindingOf, contentOf, special } from "./subresources.ts";
import { collection, single, watchOf } from "./verbs.ts";

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
  const { group, isInNamespace, name, namespace, plural, subresource, version } = path;
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
    return await special(call, target, subresource, form);
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
