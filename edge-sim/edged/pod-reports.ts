// How an edge tells the cloud of its pods: today's patch them, those of v1.1 send whole statuses.
import { type Clock, every, type Timer } from "../../base/time/clock.ts";
import type { KubeObject } from "../../protocol/apis/kube-object.ts";
import { newMessage } from "../../protocol/message/message.ts";
import { edgeModules, groups, operations, resourceTypes } from "../../protocol/message/names.ts";
import { wirePath } from "../../protocol/resource/path.ts";
import { DisconnectedError } from "../edgehub/pending-requests.ts";
import type { EdgeHub } from "../edgehub/edgehub.ts";
import { CloudError, type MetaManager } from "../metamanager/metamanager.ts";
import type { EdgeStore } from "../metamanager/store.ts";
import type { EdgeTimings } from "../timings/timings.ts";
import { podPatch, podStatus, type PodView } from "./pod-status.ts";

/** What an edge's pods say. */
export interface PodReports {
  /** Whether its pods get tokens of service accounts. */
  readonly hasTokens: boolean;
  start(): void;
  stop(): void;
  /** Reports a pod's status. Rejects where it can't be reported now; a pod that was deleted or recreated has nothing to report. */
  report(pod: KubeObject, view: PodView): Promise<void>;
  /** The containers have terminated for good: the object may be deleted. */
  release(pod: KubeObject): Promise<void>;
  /** The pod was deleted. */
  forget(pod: KubeObject): void;
}

/** What today's edges need for it. */
export interface PodPatchesDeps {
  readonly meta: MetaManager;
  readonly store: EdgeStore;
  readonly clock: Clock;
}

/** Patches of the status, made against what the cloud last answered; the edge itself deletes what has ended. */
export class PodPatches implements PodReports {
  readonly hasTokens = true;
  readonly #deps: PodPatchesDeps;

  constructor(deps: PodPatchesDeps) {
    this.#deps = deps;
  }

  start(): void {}
  stop(): void {}
  forget(): void {}

  async report(pod: KubeObject, view: PodView): Promise<void> {
    const { clock, meta, store } = this.#deps;
    const { namespace = "default", name, uid } = pod.metadata;
    const path = wirePath(namespace, resourceTypes.pod, name);
    const known = store.get(path);
    const patch = podPatch(known?.metadata.uid === uid ? known as KubeObject : pod, view, clock.now());
    try {
      const stored = await meta.pass(operations.patch, wirePath(namespace, resourceTypes.podpatch, name), patch);
      // The answer is the pod as it now is in the API; it lacks its kind, which the push had.
      if (store.get(path)?.metadata.uid === stored.metadata.uid) {
        store.put(path, { apiVersion: "v1", kind: "Pod", ...stored });
      }
    } catch (error) {
      // The pod was deleted or recreated: nothing left to report; its deletion is on the way.
      if (!(error instanceof CloudError) || (error.status.code !== 404 && error.status.code !== 422)) throw error;
    }
  }

  async release({ metadata: { name, namespace = "default", uid = "" } }: KubeObject): Promise<void> {
    await this.#deps.meta.pass(operations.delete, wirePath(namespace, resourceTypes.pod, name), {
      gracePeriodSeconds: 0,
      preconditions: { uid },
    });
  }
}

/** What edges of v1.1 need for it. */
export interface PodStatusesDeps {
  readonly hub: EdgeHub;
  readonly store: EdgeStore;
  readonly timings: EdgeTimings;
  readonly clock: Clock;
}

/** The name that MetaManager had then. */
const META_MANAGER = "metaManager";

/**
 * Whole statuses, which are not answered, and periodically all of them again. A real edge of that age sends them all under
 * the first pod's namespace, so that the others count as deleted; here each namespace has its own message.
 */
export class PodStatuses implements PodReports {
  readonly hasTokens = false;
  readonly #deps: PodStatusesDeps;
  /** By namespace and name: what was last sent. */
  readonly #lastSent = new Map<string, Map<string, unknown>>();
  #timer: Timer | undefined;

  constructor(deps: PodStatusesDeps) {
    this.#deps = deps;
  }

  start(): void {
    const { clock, timings } = this.#deps;
    this.#timer = every(clock, timings.podStatusSyncV11, () => this.#sayAll());
  }

  stop(): void {
    this.#timer?.cancel();
    this.#lastSent.clear();
  }

  report(pod: KubeObject, view: PodView): Promise<void> {
    const { clock, store } = this.#deps;
    const { namespace = "default", name, uid } = pod.metadata;
    const path = wirePath(namespace, resourceTypes.pod, name);
    const known = store.get(path);
    const isKnown = known !== undefined && known.metadata.uid === uid;
    const status = podStatus(isKnown ? known : pod, view, clock.now());
    // The cloud does not answer: what was sent counts, also after a restart of the edge.
    if (isKnown) store.put(path, { ...known, status });
    const content = { UID: uid, Name: name, Status: status };
    const sent = this.#lastSent.get(namespace) ?? new Map<string, unknown>();
    this.#lastSent.set(namespace, sent.set(name, content));
    const isSent = this.#send(
      edgeModules.edged,
      groups.meta,
      wirePath(namespace, resourceTypes.podstatus, name),
      content,
    );
    return isSent ? Promise.resolve() : Promise.reject(new DisconnectedError("not connected"));
  }

  /** The cloud deletes the pods that are reported as ended. */
  release(): Promise<void> {
    return Promise.resolve();
  }

  forget({ metadata: { name, namespace = "default" } }: KubeObject): void {
    this.#lastSent.get(namespace)?.delete(name);
  }

  #sayAll(): void {
    for (const [namespace, sent] of this.#lastSent) {
      if (sent.size === 0) continue;
      this.#send(META_MANAGER, groups.resource, wirePath(namespace, resourceTypes.podstatus), [...sent.values()]);
    }
  }

  #send(source: string, group: string, resource: string, content: unknown): boolean {
    const { clock, hub } = this.#deps;
    return hub.send(newMessage(clock.now(), { source, group, operation: operations.update, resource, content }));
  }
}
