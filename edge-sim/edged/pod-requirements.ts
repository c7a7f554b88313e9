// What pods need before they start: configmaps, secrets, volumes and tokens, fetched from the cloud where the edge lacks them.
import type { EdgeEra } from "../era/edge-era.ts";
import { at, type KubeObject, listAt } from "../../protocol/apis/kube-object.ts";
import { CloudError, type MetaManager } from "../metamanager/metamanager.ts";
import type { EdgeStore } from "../metamanager/store.ts";
import type { Pod } from "./pod.ts";
import { type PodConfig, type PodEvent, readPodConfig } from "./pod-config.ts";
import { needsOf, tokensOf } from "./pod-needs.ts";
import type { PodReports } from "./pod-reports.ts";
import { storageNeeds } from "./pod-storage.ts";

/** Injected dependencies. */
export interface PodRequirementsDeps {
  readonly node: string;
  readonly meta: MetaManager;
  readonly reports: PodReports;
  readonly store: EdgeStore;
  readonly era: EdgeEra;
  /** Writes an event about a pod, where the cloud can be reached. */
  readonly tell: (pod: KubeObject, event: PodEvent) => void;
  /** What a pod waited for is there. */
  readonly advance: (pod: Pod) => void;
}

export class PodRequirements {
  readonly #deps: PodRequirementsDeps;
  /** Service-account tokens that have been asked for since the start: a kubelet keeps them in memory only. */
  readonly #tokens = new Set<string>();

  constructor(deps: PodRequirementsDeps) {
    this.#deps = deps;
  }

  /** The edge stops: tokens are forgotten. */
  clear(): void {
    this.#tokens.clear();
  }

  /** The pod is gone, and with it the tokens that are bound to it. */
  forget(pod: KubeObject): void {
    const { uid = "" } = pod.metadata;
    for (const { path } of tokensOf(pod)) {
      this.#tokens.delete(`${uid} ${path}`);
      if (at(this.#deps.store.get(path), "spec", "boundObjectRef", "uid") === uid) this.#deps.store.delete(path);
    }
  }

  /** Whether all is there that a pod needs; asks the cloud for the rest. */
  async areThere(pod: Pod): Promise<boolean> {
    if (this.#deps.era.isAnsweredWhenMissing) return await this.#fetchNeeds(pod);
    // Nothing must wait for an answer that may never come.
    const { object } = pod;
    const hasClaims = listAt(object, "spec", "volumes").some((v) => at(v, "persistentVolumeClaim") !== undefined);
    const { store } = this.#deps;
    if (pod.hasNeeds || (!hasClaims && needsOf(object).every(({ path }) => store.get(path) !== undefined))) return true;
    if (pod.isAsking) return false;
    pod.isAsking = true;
    this.#fetchNeeds(pod).then((has) => pod.hasNeeds = has, () => {}).finally(() => {
      pod.isAsking = false;
      if (pod.hasNeeds) this.#deps.advance(pod);
    });
    return false;
  }

  /** Asks the cloud for configmaps, secrets, volumes and tokens that aren't here yet. */
  async #fetchNeeds(pod: Pod): Promise<boolean> {
    const { meta, node, reports, store } = this.#deps;
    for (const need of needsOf(pod.object)) {
      if (store.get(need.path) !== undefined) continue;
      try {
        await meta.query(need.path);
      } catch (error) {
        if (!(error instanceof CloudError)) throw error;
      }
    }
    if (this.configOf(pod).unmounted !== undefined || !await storageNeeds(meta, node, pod.object)) return false;
    for (const token of reports.hasTokens ? tokensOf(pod.object) : []) {
      const { path, content } = token;
      // Each pod has one of its own, which is bound to it.
      const own = `${pod.object.metadata.uid} ${path}`;
      if (store.get(path) !== undefined && this.#tokens.has(own)) continue;
      await meta.query(path, content);
      this.#tokens.add(own);
    }
    return true;
  }

  /** What keeps the pod from starting; events say so, each once. */
  configOf(pod: Pod): PodConfig {
    const { store, tell } = this.#deps;
    const config = readPodConfig(pod.object, (path) => store.get(path));
    for (const event of config.events) {
      if (pod.events.has(event.message)) continue;
      pod.events.add(event.message);
      tell(pod.object, event);
    }
    return config;
  }
}
