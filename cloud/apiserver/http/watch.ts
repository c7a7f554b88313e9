// Streams changes to one client: from a version, from the present, or with everything there is first.
import type { ServerResponse } from "node:http";
import type { KubeObject } from "../../../protocol/apis/kube-object.ts";
import { type Clock, every } from "../../../base/time/clock.ts";
import { apiVersionOf, type Kind, shownAs, tableOf } from "../kinds/kind.ts";
import type { Resources } from "../resources.ts";
import { expired } from "../status.ts";
import { type Predicate, selectorOf } from "../storage/selectors.ts";
import type { StoreEvent } from "../storage/event.ts";
import type { Form } from "./negotiate.ts";
import { noNumber } from "./options.ts";
import { formedEvent } from "./table.ts";

/** Bytes that may wait for a slow watcher; beyond it the connection is ended and the client lists again. */
const MAX_WAITING = 16 * 1024 * 1024;
const BOOKMARK_MS = 60_000;

/** What a watch needs. `namespace` undefined means all of them. */
export interface WatchRequest {
  readonly kind: Kind;
  readonly namespace: string | undefined;
  readonly query: URLSearchParams;
  readonly form: Form;
}

/** Serves the watch until the client goes, its time is over, or the server stops. */
export function serveWatch(resources: Resources, clock: Clock, request: WatchRequest, response: ServerResponse): void {
  const { kind, namespace, query, form } = request;
  const selected = selectorOf(query, kind.plural, kind.namespaced);
  const table = tableOf(kind);
  const given = query.get("resourceVersion") ?? "";
  const initial = query.get("sendInitialEvents") === "true";
  const from = Number(given);
  if (given !== "" && !/^\d+$/.test(given)) {
    throw noNumber(given);
  }
  response.writeHead(200, { "content-type": "application/json", "cache-control": "no-cache, private" });
  response.flushHeaders();

  let first = true;
  const write = (type: string, object: unknown) => {
    response.write(`${JSON.stringify({ type, object })}\n`);
    if (response.writableLength > MAX_WAITING) response.destroy();
  };
  const send = (type: string, object: KubeObject) => {
    write(type, formedEvent(kind, shownAs(kind, object), form, query, clock.now(), first));
    first = false;
  };
  const tell = (event: StoreEvent) => {
    const seen = seenAs(event, selected, namespace);
    if (seen !== undefined) send(seen.type, seen.object);
  };

  if (given === "" || given === "0" || initial) {
    for (const object of resources.list(kind, namespace, selectorsOnly(query)).items) send("ADDED", object);
    if (initial && query.get("allowWatchBookmarks") === "true") {
      write("BOOKMARK", bookmark(kind, resources.store.revision, { "k8s.io/initial-events-end": "true" }));
    }
  } else {
    const missed = resources.store.since(table, from);
    if (missed === undefined) {
      const expiry = expired(`too old resource version: ${given} (${resources.store.revision})`);
      write("ERROR", expiry.status);
      response.end();
      return;
    }
    for (const event of missed) tell(event);
  }
  const stop = resources.store.watch(table, (event) => {
    if (event.revision > from || initial) tell(event);
  });
  const bookmarks = query.get("allowWatchBookmarks") === "true"
    ? every(clock, BOOKMARK_MS, () => write("BOOKMARK", bookmark(kind, resources.store.revision)))
    : undefined;
  const seconds = Number(query.get("timeoutSeconds") ?? 0);
  const end = seconds > 0 ? clock.after(seconds * 1000, () => response.end()) : undefined;
  response.once("close", () => {
    stop();
    bookmarks?.cancel();
    end?.cancel();
  });
}

/** An event as a watcher with a selector sees it: an object that begins to match is ADDED, one that no longer matches DELETED. */
function seenAs(event: StoreEvent, selected: Predicate, namespace: string | undefined) {
  const { object, previous, type } = event;
  if (namespace !== undefined && object.metadata.namespace !== namespace) return undefined;
  const did = previous !== undefined && selected(previous);
  const does = type !== "DELETED" && selected(object);
  if (does) return { type: did ? "MODIFIED" : "ADDED", object };
  if (!did) return undefined;
  // A deletion carries the last state of the object, with the version of the deletion.
  const last = type === "DELETED"
    ? object
    : { ...previous, metadata: { ...previous.metadata, resourceVersion: object.metadata.resourceVersion as string } };
  return { type: "DELETED", object: last };
}

function selectorsOnly(query: URLSearchParams): URLSearchParams {
  const kept = new URLSearchParams();
  for (const name of ["labelSelector", "fieldSelector"]) if (query.has(name)) kept.set(name, query.get(name) as string);
  return kept;
}

function bookmark(kind: Kind, revision: number, annotations?: Record<string, string>) {
  return {
    kind: kind.kind,
    apiVersion: apiVersionOf(kind),
    metadata: {
      resourceVersion: String(revision),
      creationTimestamp: null,
      ...(annotations === undefined ? {} : { annotations }),
    },
  };
}
