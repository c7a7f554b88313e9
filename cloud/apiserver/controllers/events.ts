// Writes the Events of controllers, so that `kubectl describe` explains what became of a pod, and removes old ones.
import { createHash } from "node:crypto";
import { every, type Timer } from "../../../base/time/clock.ts";
import { type EventFacts, podEvent } from "../../../protocol/apis/event.ts";
import { keyOf, type KubeObject } from "../../../protocol/apis/kube-object.ts";
import type { Resources } from "../resources.ts";
import type { Controller, ControllerDeps } from "./controller.ts";

/** How long an Event is kept that is not written again: kube-apiserver's `--event-ttl`. */
const TTL_MS = 60 * 60_000;
const PERIOD_MS = 60_000;

/**
 * Records an Event about a pod. A repeated Event gets a higher count and the newer message, as
 * client-go's recorder does. One that can't be created is left out, as with a real controller.
 */
export function writeEvent(resources: Resources, pod: KubeObject, facts: EventFacts, now: number): void {
  const kind = resources.registry.find("", "v1", "events");
  if (kind === undefined) return;
  const { name, namespace = "default", uid } = pod.metadata;
  const sameness = [uid, facts.component, facts.type, facts.reason].join(" ");
  const id = createHash("sha256").update(sameness).digest("hex").slice(0, 16);
  const event: KubeObject = { apiVersion: "v1", kind: "Event", ...podEvent(pod, facts, now, `${name}.${id}`) };
  const known = resources.store.get("events", keyOf(event));
  if (known !== undefined) {
    const { lastTimestamp, message } = event;
    resources.store.put("events", { ...known, message, lastTimestamp, count: Number(known.count ?? 1) + 1 });
    return;
  }
  try {
    resources.create(kind, namespace, event, false);
  } catch {
    // A terminating namespace accepts no new Events.
  }
}

/** Removes Events an hour after they were written last. */
export const eventExpiry: Controller = { name: "event expiry", start };

function start({ clock, resources }: ControllerDeps): () => void {
  /** By key, oldest write first. */
  const written = new Map<string, number>();
  const stop = resources.store.watch("events", ({ object, type }) => {
    const key = keyOf(object);
    written.delete(key);
    if (type !== "DELETED") written.set(key, clock.now());
  });
  const timer: Timer = every(clock, PERIOD_MS, () => {
    for (const [key, at] of written) {
      if (clock.now() - at < TTL_MS) break;
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
