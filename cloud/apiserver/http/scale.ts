// The subresource `scale`: an object's number of replicas as `autoscaling/v1` Scale.
import type { IncomingMessage } from "node:http";
import { at, isPlainObject, type Json, type KubeObject } from "../../../protocol/apis/kube-object.ts";
import type { ScalePaths } from "../kinds/kind.ts";
import { selectorText } from "../kinds/columns.ts";
import type { Resources } from "../resources.ts";
import type { WriteOptions } from "../writes/options.ts";
import type { Target } from "../writes/target.ts";
import { ApiError, badRequest, invalid, methodNotAllowed, notFound, wrong } from "../status.ts";
import { applyPatch } from "../writes/rules.ts";
import { type Answer, json } from "./answer.ts";
import { contentTypeOf, parseBody, parsePatch, readApiBody } from "./body.ts";
import type { OptionsKind } from "./options.ts";

/** What a request about a scale needs. */
export interface ScaleCall {
  readonly resources: Resources;
  readonly target: Target;
  readonly paths: ScalePaths;
  readonly request: IncomingMessage;
  readonly options: (kind: OptionsKind, problems?: readonly string[]) => WriteOptions;
}

export async function handleScale(call: ScaleCall): Promise<Answer> {
  const { request, resources, target } = call;
  const object = resources.find(target.kind.table, `${target.namespace}/${target.name}`);
  if (object === undefined) {
    const { group, plural } = target.kind;
    throw notFound({ group, plural: target.kind.custom === undefined ? `${plural}/scale` : plural }, target.name);
  }
  switch (request.method) {
    case "GET":
    case "HEAD":
      return json(200, scaleOf(object, call));
    case "PUT": {
      const { problems, value } = parseBody(await readApiBody(request), contentTypeOf(request), "Scale");
      return write(call, value, call.options("UpdateOptions", problems));
    }
    case "PATCH": {
      const contentType = contentTypeOf(request);
      const { problems, value } = parsePatch(await readApiBody(request), contentType);
      const type =
        contentType === "application/apply-patch+yaml" || contentType === "application/strategic-merge-patch+json"
          ? "application/merge-patch+json"
          : contentType;
      const scale = scaleOf(object, call) as unknown as Json;
      // The version is the object's own: only a patch that names one is bound to it.
      const patched = applyPatch(target.kind, type, scale, value);
      return write(call, patched, call.options("PatchOptions", problems));
    }
    default:
      throw methodNotAllowed();
  }
}

function scaleOf(object: KubeObject, { paths, target }: ScaleCall) {
  const { creationTimestamp, name, namespace, resourceVersion, uid } = object.metadata;
  const selector = paths.selector === undefined ? undefined : at(object, ...paths.selector);
  const text = typeof selector === "string" ? selector : selector === undefined ? "" : selectorText(selector);
  const replicas = at(object, ...paths.spec);
  if (replicas === undefined && target.kind.custom !== undefined) {
    throw new ApiError(
      500,
      "InternalError",
      `Internal error occurred: the spec replicas field ${JSON.stringify(`.${paths.spec.join(".")}`)} does not exist`,
    );
  }
  return {
    kind: "Scale",
    apiVersion: "autoscaling/v1",
    metadata: { name, ...(namespace === undefined ? {} : { namespace }), uid, resourceVersion, creationTimestamp },
    spec: replicas === undefined || replicas === 0 ? {} : { replicas },
    status: { replicas: Number(at(object, ...paths.status) ?? 0), ...(text === "" ? {} : { selector: text }) },
  };
}

function write(call: ScaleCall, body: unknown, options: WriteOptions): Answer {
  const { paths, resources, target } = call;
  if (!isPlainObject(body)) throw badRequest("the scale is not an object");
  if (body.kind !== undefined && body.kind !== "Scale") {
    const version = String(body.apiVersion ?? "v1").split("/").at(-1);
    const kind = String(body.kind);
    throw badRequest(
      `${kind} in version ${
        JSON.stringify(version)
      } cannot be handled as a Scale: converting (${version}.${kind}) to (autoscaling.Scale): unknown conversion`,
    );
  }
  const name = at(body, "metadata", "name");
  if (name !== undefined && name !== "" && name !== target.name) {
    throw badRequest(`the name of the object (${String(name)}) does not match the name on the URL (${target.name})`);
  }
  const replicas = at(body, "spec", "replicas") ?? 0;
  if (typeof replicas !== "number" || !Number.isInteger(replicas)) {
    throw badRequest(
      'Scale in version "v1" cannot be handled as a Scale: json: cannot unmarshal into Go struct field ScaleSpec.spec.replicas of type int32',
    );
  }
  if (replicas < 0) {
    throw invalid({ group: "autoscaling", kind: "Scale" }, target.name, [
      wrong("spec.replicas", replicas, "must be greater than or equal to 0"),
    ]);
  }
  const version = at(body, "metadata", "resourceVersion");
  const old = resources.get(target);
  const changed = setAt(old as unknown as Record<string, unknown>, paths.spec, replicas) as unknown as KubeObject;
  const metadata = { ...changed.metadata, resourceVersion: typeof version === "string" ? version : "" };
  if (metadata.resourceVersion === "") metadata.resourceVersion = old.metadata.resourceVersion as string;
  const { stored } = resources.update(target, { ...changed, metadata }, "scale", { ...options, validation: "Ignore" });
  return json(200, scaleOf(stored.object, call));
}

function setAt(object: Record<string, unknown>, path: readonly string[], value: unknown): Record<string, unknown> {
  const [step = "", ...rest] = path;
  if (rest.length === 0) return { ...object, [step]: value };
  return { ...object, [step]: setAt((object[step] ?? {}) as Record<string, unknown>, rest, value) };
}
