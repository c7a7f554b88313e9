// What each verb does with an object, or with all objects of a kind.
import type { Kind } from "../kinds/kind.ts";
import { shown } from "../shown.ts";
import { ApiError, methodNotAllowed } from "../status.ts";
import { Stored } from "../storage/stored.ts";
import { patchTypes } from "../writes/rules.ts";
import { keyOfTarget, type Target } from "../writes/target.ts";
import { type Answer, json } from "./answer.ts";
import { contentTypeOf, parseBody, parsePatch, readApiBody } from "./body.ts";
import { type Call, deleteOptions, writeOptions } from "./call.ts";
import type { Form } from "./negotiate.ts";
import { awaitVersion, checkListOptions, checkNumbers, isForced, refuseOption } from "./options.ts";
import type { ResourcePath } from "./path.ts";
import { formedList, formedObject } from "./table.ts";
import { serveWatch } from "./watch.ts";

/** A kind's objects, in one namespace or in all: lists, watches, creates, deletes them. */
export async function collection(call: Call, kind: Kind, path: ResourcePath, form: Form): Promise<Answer | undefined> {
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

/** Begins a watch, which answers by itself. */
export function watchOf(call: Call, kind: Kind, path: ResourcePath, form: Form): undefined {
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

/** One object, or a part of it: reads, replaces, patches, deletes it. */
export async function single(call: Call, target: Target, subresource: string, form: Form): Promise<Answer | undefined> {
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
        const { managedFields } = resources.store.find(kind.table, keyOfTarget(target)) ?? {};
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

function isTrue(value: string | null): boolean {
  return value !== null && value !== "0" && value.toLowerCase() !== "false";
}
