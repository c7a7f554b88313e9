// The operations of a load run: what each kind does, and how it is known that it is done.
import type { KubeClient } from "../../cloud/kube/client.ts";
import type { CacheEvent } from "../../cloud/kube/informer.ts";
import { resources } from "../../cloud/kube/resource.ts";
import { reasonOf } from "../../base/log/logger.ts";
import type { Random } from "../../base/random/random.ts";
import { type Clock, sleep } from "../../base/time/clock.ts";
import type { EdgeOperation } from "../../edge-sim/load/edge-load.ts";
import type { EdgeProcessReport } from "../../edge-sim/load/protocol.ts";
import { type KubeObject, listAt, textAt } from "../../protocol/apis/kube-object.ts";
import type { FlowName } from "./metrics.ts";
import type { Mix, OperationKind } from "./profile.ts";
import type { Recorder } from "./recorder.ts";
import { type LoadDevice, podOf, type Prepared, valueOf } from "./setup.ts";
import { Versions } from "./versions.ts";
import { type Outcome, Waits } from "./waits.ts";

/** What operations are done with. */
export interface OperationDeps {
  readonly kube: KubeClient;
  readonly clock: Clock;
  readonly random: Random;
  readonly recorder: Recorder;
  readonly prepared: Prepared;
  readonly run: string;
  readonly mix: readonly Mix[];
  readonly lostAfter: number;
  /** Hands operations to the edges. */
  readonly operate: (operations: readonly EdgeOperation[]) => void;
  /** Unix milliseconds at which the first phase began. */
  readonly origin: () => number;
}

/** Operations under way at once; beyond it the target doesn't keep up, and more would only take memory. */
const MAX_UNDER_WAY = 20_000;

/** How often another pod is drawn whose edge could ask. */
const ASKER_TRIES = 20;

type Hops = { readonly name: string; readonly at: number }[];

export class Operations {
  readonly #deps: OperationDeps;
  readonly #waits: Waits;
  readonly #versions = new Versions();
  readonly #mix: Map<OperationKind, Mix>;
  /** Standing pods that use configmaps. */
  #askers: Prepared["standing"] | undefined;
  /** Names of standing pods that are being made again. */
  readonly #busy = new Set<string>();
  /** By device: the times of its reports, and the desired values, that have not been seen, oldest first. */
  readonly #reports = new Map<string, string[]>();
  readonly #desires = new Map<string, string[]>();
  #batch: EdgeOperation[] = [];
  #serial = 0;
  #underWay = 0;
  /** Pods that run until their time is over. */
  #living = 0;
  readonly #stop = new AbortController();

  constructor(deps: OperationDeps) {
    this.#deps = deps;
    this.#waits = new Waits(deps.clock, deps.lostAfter);
    this.#mix = new Map(deps.mix.map((mix) => [mix.kind, mix]));
  }

  /** Operations that have begun and not ended, pods that live on among them. */
  get underWay(): number {
    return this.#underWay + this.#living;
  }

  /** How many have begun so far. */
  get begun(): number {
    return this.#serial;
  }

  /**
   * Does one that is due (Unix milliseconds) or a little later; settles when it has ended, one way or another. Never rejects: what
   * went wrong is recorded.
   */
  async run(kind: OperationKind, due: number): Promise<void> {
    const { recorder } = this.#deps;
    if (this.#underWay >= MAX_UNDER_WAY) {
      recorder.error(`${kind}: ${MAX_UNDER_WAY} operations are under way already: the target doesn't keep up`);
      return;
    }
    this.#underWay++;
    this.#serial++;
    try {
      await this.#do(kind, due);
    } catch (error) {
      recorder.error(`${kind}: ${reasonOf(error)}`);
    } finally {
      this.#underWay--;
    }
  }

  /** Sends what edges are to do to them: several at once. */
  flush(): void {
    if (this.#batch.length === 0) return;
    this.#deps.operate(this.#batch);
    this.#batch = [];
  }

  /** What the edges have seen. */
  hear({ applied, ended, stored, unreported }: EdgeProcessReport): void {
    for (const version of stored) this.#versions.stored(version);
    for (const { at, device, value } of applied) this.#seen("desired", this.#desires, device, value, at);
    for (const { at, device } of unreported) this.#forget("report", this.#reports, device, String(at), "failed");
    for (const id of ended) this.#waits.end(`query ${id}`, { seen: this.#deps.clock.now() });
  }

  /** A pod has changed in the API. */
  podChanged(event: CacheEvent): void {
    const { metadata, status } = event.object;
    const seen = this.#deps.clock.now();
    const key = `${metadata.namespace}/${metadata.name}`;
    if (event.type === "deleted") this.#waits.end(`gone ${key}`, { seen });
    else if (textAt({ status }, "status", "phase") === "Running") this.#waits.end(`running ${metadata.uid}`, { seen });
  }

  /** A device's status has changed in the API. */
  statusChanged({ object, type }: CacheEvent): void {
    if (type === "deleted") return;
    const device = `${object.metadata.namespace}/${object.metadata.name}`;
    for (const twin of listAt(object, "status", "twins")) {
      const due = /^\d{13}/.exec(textAt(twin, "reported", "value"))?.[0];
      if (due !== undefined) this.#seen("report", this.#reports, device, due, this.#deps.clock.now());
    }
  }

  /** A value of a device is seen. Only the last one is kept on the way: those before it will not be seen any more. */
  #seen(what: string, all: Map<string, string[]>, device: string, value: string, at: number): void {
    const waiting = all.get(device) ?? [];
    const place = waiting.indexOf(value);
    if (place === -1) return;
    for (const before of waiting.splice(0, place)) this.#waits.end(`${what} ${device} ${before}`, "replaced");
    waiting.shift();
    this.#waits.end(`${what} ${device} ${value}`, { seen: at });
  }

  /** A value of a device need not be waited for. */
  #forget(what: string, all: Map<string, string[]>, device: string, value: string, outcome: Outcome): void {
    all.set(device, (all.get(device) ?? []).filter((other) => other !== value));
    this.#waits.end(`${what} ${device} ${value}`, outcome);
  }

  /** A value of a device is on its way; settles with what becomes of it. */
  async #await(what: string, all: Map<string, string[]>, device: string, value: string): Promise<Outcome> {
    const waiting = all.get(device) ?? [];
    all.set(device, waiting);
    waiting.push(value);
    const outcome = await this.#waits.for(`${what} ${device} ${value}`);
    if (outcome === "lost") this.#forget(what, all, device, value, outcome);
    return outcome;
  }

  /**
   * A pod that is to stand. Settles when it has been created, with what tells whether it runs so many milliseconds later. Rejects
   * where the API refuses it.
   */
  async stand(pod: Prepared["standing"][number], within: number): Promise<{ readonly running: Promise<boolean> }> {
    const due = this.#deps.clock.now();
    const { seen } = await this.#created(pod, due, [], within);
    return {
      running: seen.then((outcome) => this.#timed("pod.running", `${pod.name} on ${pod.edge}`, due, outcome, [])),
    };
  }

  stop(): void {
    this.#stop.abort(new Error("the run is over"));
    this.#waits.stop();
  }

  async #do(kind: OperationKind, due: number): Promise<void> {
    const { clock, recorder } = this.#deps;
    const isOfEdges = kind === "reports" || kind === "queries";
    // Edges are told before it is due, and say themselves how late they were.
    if (!isOfEdges) recorder.add("generator.late", clock.now() - due);
    switch (kind) {
      case "pods":
        return await this.#pod(due);
      case "restarts":
        return await this.#restart(due);
      case "configmaps":
        return await this.#configmap(due);
      case "desired":
        return await this.#desired(due);
      case "reports":
        return await this.#report(due);
      case "queries":
        return await this.#query(due);
    }
  }

  async #pod(due: number): Promise<void> {
    const { clock, prepared: { edges }, random } = this.#deps;
    const name = `churn-${this.#serial}`;
    const edge = edges[random.integer(0, edges.length - 1)] as string;
    const hops: Hops = [];
    const outcome = await this.#createPod({ name, edge, configmaps: [] }, due, hops);
    const isRunning = this.#timed("pod.running", `${name} on ${edge}`, due, outcome, hops);
    // It lives on after the operation: who waits for that waits for its being Running.
    void this.#endPod(name, edge, isRunning ? clock.now() + (this.#mix.get("pods")?.alive ?? 0) : clock.now());
  }

  async #endPod(name: string, edge: string, due: number): Promise<void> {
    const { clock, recorder } = this.#deps;
    this.#living++;
    await sleep(clock, due - clock.now(), this.#stop.signal).catch(() => {});
    this.#living--;
    if (this.#stop.signal.aborted) return;
    this.#underWay++;
    try {
      const hops: Hops = [];
      const outcome = await this.#deletePod(name, due, hops);
      this.#timed("pod.gone", `${name} on ${edge}`, due, outcome, hops);
    } catch (error) {
      recorder.error(`pods: ${reasonOf(error)}`);
    } finally {
      this.#underWay--;
    }
  }

  async #restart(due: number): Promise<void> {
    const { clock, prepared: { standing }, random } = this.#deps;
    const first = random.integer(0, standing.length - 1);
    const pod = standing.slice(first).concat(standing.slice(0, first)).find(({ name }) => !this.#busy.has(name));
    if (pod === undefined) throw new Error("every standing pod is being made again already");
    this.#busy.add(pod.name);
    try {
      const hops: Hops = [];
      const what = `${pod.name} on ${pod.edge}`;
      if (!this.#timed("pod.gone", what, due, await this.#deletePod(pod.name, due, hops), hops)) return;
      const again = clock.now();
      const created: Hops = [];
      this.#timed("pod.running", what, again, await this.#createPod(pod, again, created), created);
    } finally {
      this.#busy.delete(pod.name);
    }
  }

  async #createPod(pod: Prepared["standing"][number], due: number, hops: Hops): Promise<Outcome> {
    return await (await this.#created(pod, due, hops, this.#deps.lostAfter)).seen;
  }

  async #created(
    pod: Prepared["standing"][number],
    due: number,
    hops: Hops,
    within: number,
  ): Promise<{ readonly seen: Promise<Outcome> }> {
    const { kube, prepared, run } = this.#deps;
    const created = await this.#call(due, hops, kube.create(resources.pods, podOf(prepared, pod, run)));
    return { seen: this.#waits.for(`running ${created.metadata.uid}`, within) };
  }

  async #deletePod(name: string, due: number, hops: Hops): Promise<Outcome> {
    const { kube, prepared: { namespace } } = this.#deps;
    const gone = this.#waits.for(`gone ${namespace}/${name}`);
    try {
      await this.#call(due, hops, kube.delete({ resource: resources.pods, namespace, name }));
    } catch (error) {
      this.#waits.end(`gone ${namespace}/${name}`, "failed");
      throw error;
    }
    return await gone;
  }

  async #configmap(due: number): Promise<void> {
    const { clock, kube, lostAfter, prepared: { configmaps, namespace } } = this.#deps;
    const { name, users } = configmaps[this.#serial % configmaps.length] as Prepared["configmaps"][number];
    const size = this.#mix.get("configmaps")?.size ?? 0;
    const hops: Hops = [];
    const patch = { data: { value: valueOf(String(this.#serial), size) } };
    const changed = await this.#call(
      due,
      hops,
      kube.patch({ resource: resources.configmaps, namespace, name }, "merge", patch),
    );
    const path = `${namespace}/configmap/${name}`;
    const version = changed.metadata.resourceVersion ?? "";
    const outcome = await new Promise<Outcome>((resolve) => {
      const late = clock.after(lostAfter, () => {
        this.#versions.forget(path, version);
        resolve("lost");
      });
      this.#versions.changed(path, version, users, (last) => {
        late.cancel();
        resolve(last === undefined ? "replaced" : { seen: last });
      });
    });
    this.#timed("configmap.acked", `${name} on ${users} edges`, due, outcome, hops);
  }

  async #desired(due: number): Promise<void> {
    const { kube, prepared: { namespace } } = this.#deps;
    const { desired, desiredAt, edge, name } = this.#device();
    if (desired === undefined) throw new Error(`the device ${name} takes no desired values`);
    const value = String(this.#serial);
    const hops: Hops = [];
    const applied = this.#await("desired", this.#desires, `${namespace}/${name}`, value);
    try {
      await this.#call(
        due,
        hops,
        kube.patch({ resource: resources.devices, namespace, name }, "json", [
          { op: "add", path: `/spec/properties/${desiredAt}/desired`, value: { value } },
        ]),
      );
    } catch (error) {
      this.#forget("desired", this.#desires, `${namespace}/${name}`, value, "failed");
      throw error;
    }
    this.#timed("desired.applied", `${name} on ${edge}`, due, await applied, hops);
  }

  async #report(due: number): Promise<void> {
    const { prepared: { namespace } } = this.#deps;
    const { edge, isText, name, reported } = this.#device();
    const device = `${namespace}/${name}`;
    // Its time is its name: a device reports at one moment once.
    const at = Math.max(Math.floor(due), Number(this.#reports.get(device)?.at(-1) ?? 0) + 1);
    const size = isText ? this.#mix.get("reports")?.size ?? 0 : 0;
    this.#batch.push({ kind: "report", at, edge, device, property: reported, size });
    const outcome = await this.#await("report", this.#reports, device, String(at));
    this.#timed("report.seen", `${name} on ${edge}`, due, outcome, []);
  }

  async #query(due: number): Promise<void> {
    const { prepared: { namespace }, recorder } = this.#deps;
    const id = this.#serial;
    const { configmaps, edge } = this.#asker();
    this.#batch.push({ kind: "query", at: due, edge, id, path: `${namespace}/configmap/${configmaps.at(-1) ?? ""}` });
    // Edges time it themselves; here it is only waited for.
    if (await this.#waits.for(`query ${id}`) === "lost") recorder.count("lost", 1, recorder.judges(due));
  }

  /** A pod whose edge asks for what the pod uses: no edge may ask for anything else, where the cloudcore checks that. */
  #asker(): Prepared["standing"][number] {
    const { prepared: { standing }, random } = this.#deps;
    const able = this.#askers ??= standing.filter(({ configmaps }) => configmaps.length > 0);
    if (able.length === 0) throw new Error("no edge has a pod that uses a configmap");
    const one = () => able[random.integer(0, able.length - 1)] as Prepared["standing"][number];
    let found = one();
    // One that is being made again is nobody's for a moment.
    for (let tries = 0; tries < ASKER_TRIES && this.#busy.has(found.name); tries++) found = one();
    return found;
  }

  #device(): LoadDevice {
    const { prepared: { devices }, random } = this.#deps;
    return devices[random.integer(0, devices.length - 1)] as LoadDevice;
  }

  /** A call of the API, timed by itself as well. */
  async #call(due: number, hops: Hops, call: Promise<KubeObject>): Promise<KubeObject> {
    const { clock, recorder } = this.#deps;
    const began = clock.now();
    hops.push({ name: "the API is called", at: began - due });
    try {
      const answer = await call;
      return answer;
    } finally {
      const now = clock.now();
      recorder.add("api.call", now - began);
      hops.push({ name: "the API has answered", at: now - due });
    }
  }

  /** Records what became of it; true where it was seen. */
  #timed(flow: FlowName, what: string, due: number, outcome: Outcome, hops: Hops): boolean {
    const { origin, recorder } = this.#deps;
    const isJudged = recorder.judges(due);
    if (typeof outcome === "string") {
      // Errors are told with their reasons where they happen.
      if (outcome !== "failed") recorder.count(outcome, 1, isJudged);
      return false;
    }
    const took = outcome.seen - due;
    recorder.add(flow, took, 1, isJudged);
    if (isJudged && took > recorder.slowFrom) {
      const seen = { name: "it is seen", at: took };
      recorder.slow({ flow, what, took, at: (due - origin()) / 1000, hops: [...hops, seen] });
    }
    return true;
  }
}

/** The kinds of a mix in turn, by their shares. */
export function kindPicker(mix: readonly Mix[], random: Random): () => OperationKind {
  const sum = mix.reduce((total, { share }) => total + share, 0);
  return () => {
    let left = random.next() * sum;
    for (const { kind, share } of mix) {
      left -= share;
      if (left < 0) return kind;
    }
    return (mix.at(-1) as Mix).kind;
  };
}
