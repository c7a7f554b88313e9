// Writes the Events of controllers, so that `kubectl describe` explains what became of an object, and removes old ones.
import { createHash } from "node:crypto";
import { every, type Timer } from "../../../base/time/clock.ts";
import type { EventFacts } from "../../../protocol/apis/event.ts";
import { keyOf, type KubeObject } from "../../../protocol/apis/kube-object.ts";
import { secondsOf } from "../../../protocol/apis/time.ts";
import type { Resources } from "../resources.ts";
import type { Controller, ControllerDeps } from "./controller.ts";

/** How long an Event is kept that is not written again: kube-apiserver's `--event-ttl`. */
const TTL_MS = 60 * 60_000;
const PERIOD_MS = 60_000;

/**
 * Records an Event about an object. A repeated Event gets a higher count and the newer message, as
 * client-go's recorder does. One that can't be created is left out, as with a real controller.
 */
export function recordEvent(resources: Resources, about: KubeObject, facts: EventFacts, now: number): void {
  const kind = resources.registry.find("", "v1", "events");
  if (kind === undefined) return;
  const { name, namespace = "default", resourceVersion, uid } = about.metadata;
  const { component, message, reason, type } = facts;
  // Events of one reason are one Event, as client-go's correlator makes them; those that name different objects are not.
  const sameness = [uid, component, type, reason, reason === "FailedScheduling" ? "" : message].join(" ");
  const id = createHash("sha256").update(sameness).digest("hex").slice(0, 16);
  const time = secondsOf(now);
  const key = `${namespace}/${name}.${id}`;
  const known = resources.store.get("events", key);
  if (known !== undefined) {
    resources.store.put("events", { ...known, message, lastTimestamp: time, count: Number(known.count ?? 1) + 1 });
    return;
  }
  const event = {
    metadata: { name: `${name}.${id}`, namespace },
    involvedObject: {
      kind: about.kind,
      ...(about.metadata.namespace === undefined ? {} : { namespace }),
      name,
      uid,
      apiVersion: about.apiVersion,
      resourceVersion,
    },
    reason,
    message,
    source: { component },
    firstTimestamp: time,
    lastTimestamp: time,
    count: 1,
    type,
    reportingComponent: component,
  };
  try {
    resources.create(kind, namespace, event);
  } catch {
    // A terminating namespace accepts no new Events.
  }
}

/** Removes Events an hour after they were written last. */
export const eventExpiry: Controller = { name: "event-ttl", start };

function start({ clock, resources }: ControllerDeps): () => void {
  /** By key, oldest write first. */
  const written = new Map<string, number>();
  for (const event of resources.store.list("events")) written.set(keyOf(event), clock.monotonic());
  const stop = resources.store.watch("events", ({ object, type }) => {
    const key = keyOf(object);
    written.delete(key);
    if (type !== "DELETED") written.set(key, clock.monotonic());
  });
  const timer: Timer = every(clock, PERIOD_MS, () => {
    for (const [key, at] of written) {
      if (clock.monotonic() - at < TTL_MS) break;
      written.delete(key);
      const event = resources.store.get("events", key);
      if (event !== undefined) resources.store.remove("events", event);
    }
  });
  return () => {
    stop();
    timer.cancel();
  };
}
