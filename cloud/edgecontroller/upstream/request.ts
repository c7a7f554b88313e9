// A request from an edge, taken apart, and the shapes in which KubeEdge answers one (KubeEdge v1.23 `cloud/pkg/edgecontroller/controller/upstream.go`).
import { SkepError } from "../../../base/error/skep-error.ts";
import { parseJson } from "../../../protocol/json.ts";
import type { Clock } from "../../../base/time/clock.ts";
import type { KubeObject, KubeStatus } from "../../../protocol/apis/kube-object.ts";
import { JsonText, type Message, newMessage } from "../../../protocol/message/message.ts";
import { groups, modules, ok, operations } from "../../../protocol/message/names.ts";
import { nodePath, type ResourcePath } from "../../../protocol/resource/path.ts";
import { reasonOf } from "../../../base/log/logger.ts";
import { KubeApiError, type KubeClient } from "../../kube/client.ts";
import type { Caches } from "../../kube/caches.ts";

/** Injected dependencies. */
export interface UpstreamDeps {
  /** For the edge's calls; impersonates its node if `impersonates`. Calls that never impersonate use `caches.client`. */
  readonly client: KubeClient;
  readonly impersonates: boolean;
  readonly caches: Caches;
  readonly clock: Clock;
  /** The cloud host's address. */
  readonly localAddress: string;
}

/** A message of an edge. `path` is where it points, without `node/{id}`. */
export interface EdgeRequest {
  readonly node: string;
  readonly path: ResourcePath;
  readonly operation: string;
  readonly message: Message;
}

/** What goes back: the answer's content, and what differs from the request. */
export interface EdgeAnswer {
  readonly content: unknown;
  readonly version?: string;
  /** Another type in the path than the request's: some answers name the object that was meant. */
  readonly type?: string;
  /** Another name in the path, likewise. */
  readonly name?: string;
  /** Another operation than `response`; then it is a message of its own, without a parent. */
  readonly operation?: string;
}

/** Handles one kind of request; gives the messages that go back, none for requests that get no answer. */
export type Handler = (deps: UpstreamDeps, request: EdgeRequest) => Promise<readonly EdgeAnswer[]>;

/** `OK`: done. */
export const done: EdgeAnswer = { content: ok };

/** An object beside its error, as for created and patched objects. The objects inside carry no kind, as Go's. */
export function objectAnswer(object: KubeObject | null, error?: unknown): EdgeAnswer {
  if (error !== undefined) return { content: { Object: object, Err: failure(error) } };
  return { content: { Object: withoutKind(object), Err: null } };
}

/** As objectAnswer, around the object's text as the API wrote it. */
export function textAnswer(json: string): EdgeAnswer {
  const kind = /^\{"kind":"[^"]*","apiVersion":"[^"]*",/.exec(json)?.[0];
  if (kind === undefined) return objectAnswer(parseJson(json) as KubeObject);
  return { content: new JsonText(`{"Object":{${json.slice(kind.length).trimEnd()},"Err":null}`) };
}

/** As objectAnswer, with the object's version in the header. */
export function versionedAnswer(object: KubeObject): EdgeAnswer {
  return { ...objectAnswer(object), version: object.metadata.resourceVersion ?? "" };
}

/** The object alone, as for queries. */
export function bareAnswer(object: KubeObject): EdgeAnswer {
  return { content: object, version: object.metadata.resourceVersion ?? "" };
}

/**
 * An error as the edge can read it. Go marshals errors that are no API status as `{}`, which the edge takes for success;
 * ours always carry a status.
 */
export function failure(error: unknown): { readonly ErrStatus: KubeStatus } {
  if (error instanceof KubeApiError) {
    const { kind: _kind, apiVersion: _apiVersion, ...status } = error.status;
    return { ErrStatus: status };
  }
  return {
    ErrStatus: { metadata: {}, status: "Failure", message: reasonOf(error), reason: "InternalError", code: 500 },
  };
}

/** What a look into the API finds: the object alone, or the error as the edge can read it. */
export async function looked(get: () => Promise<KubeObject>): Promise<readonly EdgeAnswer[]> {
  try {
    return [bareAnswer(await get())];
  } catch (error) {
    return [{ content: failure(error) }];
  }
}

/** Requests whose API errors KubeEdge answers with silence: the edge repeats them by itself. */
export async function quietly(run: () => Promise<readonly EdgeAnswer[]>): Promise<readonly EdgeAnswer[]> {
  try {
    return await run();
  } catch (error) {
    if (error instanceof KubeApiError) return [];
    throw error;
  }
}

/** "Not found" as an informer's lister says it: with the kind in the singular. */
export function listerNotFound(kind: string, group: string, name: string): { readonly ErrStatus: KubeStatus } {
  const qualified = group === "" ? kind : `${kind}.${group}`;
  return {
    ErrStatus: {
      metadata: {},
      status: "Failure",
      message: `${qualified} "${name}" not found`,
      reason: "NotFound",
      details: { name, ...(group === "" ? {} : { group }), kind },
      code: 404,
    },
  };
}

/** The message that carries an answer to the hub. */
export function answerMessage(now: number, request: EdgeRequest, answer: EdgeAnswer): Message {
  const { namespace, type, name } = request.path;
  const isOwn = answer.operation !== undefined;
  return newMessage(now, {
    source: modules.edgecontroller,
    group: groups.resource,
    operation: answer.operation ?? operations.response,
    resource: nodePath(request.node, namespace, answer.type ?? type, answer.name ?? name),
    content: answer.content,
    ...(isOwn ? {} : { parent: request.message.header.msg_id }),
    ...(answer.version === undefined ? {} : { version: answer.version }),
  });
}

/** A content that can't be read. The words are KubeEdge's, which has others for each worker. */
export class ContentError extends SkepError {
  readonly code = "SKEP_CONTENT";
  readonly reason: string;
  constructor(id: string, reason: string, words = "unmarshal message content error") {
    super(`message: ${id} process failure, ${words}: ${reason}`);
    this.reason = reason;
  }
}

/** The content of a request whose unreadable content is answered with a text, in that worker's words. Throws ContentError. */
export function contentOr(words: string, request: EdgeRequest): KubeObject {
  try {
    return contentObject(request);
  } catch (error) {
    if (error instanceof ContentError) throw new ContentError(request.message.header.msg_id, error.reason, words);
    throw error;
  }
}

/** The content as an object; a text is JSON inside JSON. Throws ContentError. */
export function contentObject({ message }: EdgeRequest): KubeObject {
  let value = message.content;
  if (typeof value === "string") {
    try {
      value = parseJson(value);
    } catch (error) {
      throw new ContentError(message.header.msg_id, reasonOf(error));
    }
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new ContentError(message.header.msg_id, `an object was expected`);
  }
  return value as KubeObject;
}

/** A patch goes to the API as the edge wrote it. */
export function contentPatch({ message }: EdgeRequest): unknown {
  return message.content;
}

function withoutKind(object: KubeObject | null): KubeObject | null {
  if (object === null) return null;
  const { kind: _kind, apiVersion: _apiVersion, ...rest } = object;
  return rest;
}
