// Streams changes to one client: from a version, from the present, or with everything there is first.
import type { ServerResponse } from "node:http";
import { type Clock, every, type Timer } from "../../../base/time/clock.ts";
import { apiVersionOf, type Kind } from "../kinds/kind.ts";
import type { Resources } from "../resources.ts";
import { shown } from "../shown.ts";
import { ApiError, denied, expired, invalid, unsupported } from "../status.ts";
import type { StoreEvent } from "../storage/event.ts";
import { type Predicate, selectorOf } from "../storage/selectors.ts";
import { Stored } from "../storage/stored.ts";
import { encodeEnvelope, encodeWatchEvent } from "../types/protobuf-write.ts";
import { typeNameOf } from "../types/table.ts";
import { warningHeaders } from "./answer.ts";
import { contentTypes, type Form, notAcceptable } from "./negotiate.ts";
import { noNumber, refuseOption } from "./options.ts";
import { formedEvent, protobufOf, type TableOptions } from "./table.ts";

/** Bytes that may wait for a slow watcher; beyond it the connection is ended and the client lists again. */
const MAX_WAITING = 16 * 1024 * 1024;
const BOOKMARK_MS = 60_000;
/** How long before the end of a watch a client gets a last bookmark. */
const LAST_BOOKMARK_MS = 2_000;
/** A watch whose client names no end is ended after that long, as by kube-apiserver's `--min-request-timeout`. */
const LONGEST_MS = 60 * 60_000;

/** What a watch needs. `namespace` undefined means all of them. */
export interface WatchRequest {
  readonly kind: Kind;
  readonly namespace: string | undefined;
  readonly query: URLSearchParams;
  readonly form: Form;
  readonly warnings: readonly string[];
}

/** What ends each watch that is open, and how many there may be. */
export interface WatchDeps {
  readonly open: Set<() => void>;
  readonly most: number;
}

/** A change as one watcher sees it. */
interface Seen {
  readonly type: "ADDED" | "MODIFIED" | "DELETED";
  readonly stored: Stored;
}

/** Serves the watch until the client goes, its time is over, or the server stops. Throws for options that make no sense. */
export function serveWatch(
  resources: Resources,
  clock: Clock,
  request: WatchRequest,
  response: ServerResponse,
  watches: WatchDeps,
): void {
  const { form, kind, namespace, query } = request;
  // A client that has gone already will not go again: nothing would end its watch.
  if (response.destroyed) return;
  if (form.media === "yaml") throw notAcceptable();
  const selected = selectorOf(query, kind.selectable, kind.namespaced);
  const given = query.get("resourceVersion") ?? "";
  const isInitial = checkInitialEvents(query);
  const from = Number(given);
  if (given !== "" && !/^\d+$/.test(given)) throw noNumber(given);
  if (watches.open.size >= watches.most) {
    throw new ApiError(429, "TooManyRequests", `this server serves ${watches.most} watches at most`, {
      retryAfterSeconds: 1,
    });
  }
  const writer = new EventWriter(request, response, () => clock.now());
  const hasBookmarks = ["true", "1"].includes(query.get("allowWatchBookmarks") ?? "");
  const missed = given === "" || given === "0" || isInitial ? undefined : resources.store.since(kind.table, from);
  writer.open();
  if (given === "" || given === "0" || isInitial) {
    for (const stored of resources.page(kind, namespace, selectorsOnly(query)).items) writer.write("ADDED", stored);
    if (isInitial && hasBookmarks) {
      writer.bookmark(resources.store.revision, {
        "k8s.io/initial-events-end": "true",
        "kubernetes.io/initial-events-list-blueprint": blueprintOf(kind),
      });
    }
  } else if (missed === undefined) {
    writer.error(expired(`too old resource version: ${given} (${resources.store.revision})`));
    response.end();
    return;
  } else {
    for (const event of missed) {
      const seen = seenAs(event, selected, namespace);
      if (seen !== undefined) writer.write(seen.type, shown(kind, seen.stored));
    }
  }
  const stop = resources.store.watch(kind.table, (event) => {
    if (event.revision <= from && !isInitial) return;
    const seen = seenAs(event, selected, namespace);
    if (seen !== undefined) writer.write(seen.type, shown(kind, seen.stored));
  });
  const timers: Timer[] = [];
  const end = Math.min((Number(query.get("timeoutSeconds") ?? 0) || LONGEST_MS / 1000) * 1000, LONGEST_MS);
  timers.push(clock.after(end, () => {
    // The connection closes only when all has been sent: nothing may be written meanwhile.
    forget();
    response.end();
  }));
  if (hasBookmarks) {
    const tell = () => writer.bookmark(resources.store.revision);
    timers.push(every(clock, BOOKMARK_MS, tell));
    if (end > LAST_BOOKMARK_MS) timers.push(clock.after(end - LAST_BOOKMARK_MS, tell));
  }
  const forget = () => {
    watches.open.delete(forget);
    stop();
    for (const timer of timers) timer.cancel();
  };
  watches.open.add(forget);
  response.once("close", forget);
}

/** Whether the client asked for everything there is first. Throws 422 for options that don't go together. */
function checkInitialEvents(query: URLSearchParams): boolean {
  const given = query.get("sendInitialEvents");
  const match = query.get("resourceVersionMatch") ?? "";
  if (given === null) {
    if (match !== "") {
      throw refuseOption(
        "ListOptions",
        denied(
          "resourceVersionMatch",
          "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
        ),
      );
    }
    return false;
  }
  if (match === "") {
    throw refuseOption(
      "ListOptions",
      denied("resourceVersionMatch", "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"),
    );
  }
  if (match !== "NotOlderThan") {
    throw invalid({ group: "meta.k8s.io", kind: "ListOptions" }, "", [
      denied("resourceVersionMatch", "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"),
      unsupported("resourceVersionMatch", match, ["NotOlderThan"]),
    ]);
  }
  return given === "true" || given === "1";
}

/** An event as a watcher with a selector sees it: an object that begins to match is ADDED, one that no longer matches DELETED. */
function seenAs(event: StoreEvent, selected: Predicate | undefined, namespace: string | undefined): Seen | undefined {
  const { object, previous, stored, storedBefore, type } = event;
  if (namespace !== undefined && object.metadata.namespace !== namespace) return undefined;
  const did = previous !== undefined && (selected?.(previous) ?? true);
  const does = type !== "DELETED" && (selected?.(object) ?? true);
  if (does) return { type: did ? "MODIFIED" : "ADDED", stored };
  if (!did || storedBefore === undefined) return undefined;
  // A deletion carries the last state of the object, with the version of the deletion.
  if (type === "DELETED") return { type: "DELETED", stored };
  const resourceVersion = object.metadata.resourceVersion as string;
  const last = { ...previous, metadata: { ...previous.metadata, resourceVersion } };
  return { type: "DELETED", stored: new Stored(last, storedBefore.managedFields) };
}

function selectorsOnly(query: URLSearchParams): URLSearchParams {
  const kept = new URLSearchParams();
  for (const name of ["labelSelector", "fieldSelector"]) if (query.has(name)) kept.set(name, query.get(name) as string);
  return kept;
}

/** An empty list of the kind in base64: by it clients know what a stream of ADDED events is. */
function blueprintOf(kind: Kind): string {
  if (kind.custom !== undefined) {
    const empty = { apiVersion: apiVersionOf(kind), items: [], kind: kind.listKind };
    return Buffer.from(`${JSON.stringify(empty)}\n`).toString("base64");
  }
  const empty = `{"kind":${JSON.stringify(kind.listKind)},"apiVersion":${
    JSON.stringify(apiVersionOf(kind))
  },"metadata":{},"items":null}\n`;
  return Buffer.from(empty).toString("base64");
}

/** The event that was written last, and its bytes by media type: all watchers of a change write the same ones. */
const last: { stored?: Stored; type?: string; kind?: Kind; json?: Uint8Array; protobuf?: Uint8Array } = {};

function sharedBytes(kind: Kind, type: string, stored: Stored, media: "json" | "protobuf"): Uint8Array {
  if (last.stored !== stored || last.type !== type || last.kind !== kind) {
    Object.assign(last, { stored, type, kind, json: undefined, protobuf: undefined });
  }
  return last[media] ??= media === "json"
    ? Buffer.from(`{"type":"${type}","object":${stored.text}}\n`)
    : encodeWatchEvent(type, protobufOf(kind, stored.whole));
}

/** Writes events in the form that its client asked for. */
class EventWriter {
  readonly #request: WatchRequest;
  readonly #response: ServerResponse;
  readonly #now: () => number;
  #isFirst = true;

  constructor(request: WatchRequest, response: ServerResponse, now: () => number) {
    this.#request = request;
    this.#response = response;
    this.#now = now;
  }

  open(): void {
    const { form, warnings } = this.#request;
    const type = contentTypes[form.media];
    const headers = warningHeaders(warnings);
    if (headers.length > 0) this.#response.setHeader("warning", headers);
    this.#response.writeHead(200, {
      "content-type": form.media === "protobuf" ? `${type};stream=watch` : type,
      "cache-control": "no-cache, private",
    });
    this.#response.flushHeaders();
  }

  write(type: string, stored: Stored): void {
    const { form } = this.#request;
    const { kind, query } = this.#request;
    if (form.as === "object" && form.media !== "yaml") {
      this.#send(sharedBytes(kind, type, stored, form.media));
      return;
    }
    const options: TableOptions = { query, now: this.#now() };
    const content = formedEvent(kind, stored, form, options, this.#isFirst);
    this.#isFirst = false;
    const text = "text" in content ? content.text : JSON.stringify("value" in content ? content.value : undefined);
    this.#send(`{"type":"${type}","object":${text}}\n`);
  }

  bookmark(revision: number, annotations?: Record<string, string>): void {
    const { form, kind } = this.#request;
    const object = {
      kind: kind.kind,
      apiVersion: apiVersionOf(kind),
      metadata: {
        resourceVersion: String(revision),
        ...(kind.custom === undefined ? { creationTimestamp: null } : {}),
        ...(annotations === undefined ? {} : { annotations }),
      },
    };
    if (form.media === "protobuf") {
      const type = typeNameOf(kind.group, kind.version, kind.kind) as string;
      this.#send(encodeWatchEvent("BOOKMARK", encodeEnvelope(type, apiVersionOf(kind), kind.kind, object)));
    } else this.#send(`${JSON.stringify({ type: "BOOKMARK", object })}\n`);
  }

  error({ status }: ApiError): void {
    if (this.#request.form.media === "protobuf") {
      const envelope = encodeEnvelope("io.k8s.apimachinery.pkg.apis.meta.v1.Status", "v1", "Status", status);
      this.#send(encodeWatchEvent("ERROR", envelope));
    } else this.#send(`${JSON.stringify({ type: "ERROR", object: status })}\n`);
  }

  #send(data: string | Uint8Array): void {
    this.#response.write(data);
    if (this.#response.writableLength > MAX_WAITING) this.#response.destroy();
  }
}
