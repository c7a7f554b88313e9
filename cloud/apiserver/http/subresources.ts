// Subresources that are neither an object nor its status: scale, actions, streams, bindings.
import type { KubeObject } from "../../../protocol/apis/kube-object.ts";
import type { Kind } from "../kinds/kind.ts";
import type { Resources } from "../resources.ts";
import { ApiError, methodNotAllowed, notFound, unknownResource } from "../status.ts";
import { Stored } from "../storage/stored.ts";
import type { Target } from "../writes/target.ts";
import { type Answer, json } from "./answer.ts";
import { contentTypeOf, parseBody, readApiBody } from "./body.ts";
import { type Call, writeOptions } from "./call.ts";
import * as discovery from "./discovery.ts";
import { type Form, formOf } from "./negotiate.ts";
import { isDryRun } from "./options.ts";
import type { ResourcePath } from "./path.ts";
import { handleScale } from "./scale.ts";
import { formedObject } from "./table.ts";
import { single } from "./verbs.ts";

/** An object that is not stored, in the form asked for. */
export function contentOf(kind: Kind, object: unknown, { request }: Call) {
  const form = formOf(request.headers.accept, kind.custom !== undefined);
  const stored = new Stored(object as KubeObject, undefined);
  return form.as === "object"
    ? formedObject(kind, stored, form, { query: new URLSearchParams(), now: 0 })
    : { value: object };
}

/** Answers a request to a subresource. */
export async function special(
  call: Call,
  target: Target,
  name: string,
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
      return stream(resources, target, name);
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
      if (form.media === "protobuf") return { status, content: { bytes: discovery.encodedByKind(body as KubeObject) } };
      return isOwnKind && answers !== undefined
        ? { status, content: contentOf(answers, body, call) }
        : json(status, body);
    }
  }
}

/** Streams end at nodes, and none of ours can be reached from here. */
function stream(resources: Resources, target: Target, name: string): never {
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
export async function bindingOf(call: Call, { isInNamespace, name, namespace }: ResourcePath): Promise<Answer> {
  const { request, resources } = call;
  if (request.method !== "POST" || !isInNamespace || name !== "") throw methodNotAllowed();
  const { value } = parseBody(await readApiBody(request), contentTypeOf(request), "Binding");
  const body = value as { metadata?: { name?: string }; target?: { name?: string } };
  const kind = resources.registry.find("", "v1", "pods") as Kind;
  resources.bind({ kind, namespace, name: body.metadata?.name ?? "" }, body.target?.name ?? "");
  return json(201, { kind: "Status", apiVersion: "v1", metadata: {}, status: "Success", code: 201 });
}
