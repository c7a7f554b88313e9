// Runs a load profile: the target, the fleet, its objects, phase after phase, and what became of it.
import { SkepError } from "../../base/error/skep-error.ts";
import { reasonOf, silentLogger } from "../../base/log/logger.ts";
import { atOnce } from "../../base/queue/at-once.ts";
import type { Random } from "../../base/random/random.ts";
import { type Clock, every, sleep } from "../../base/time/clock.ts";
import { lagOf } from "../../base/time/timer-lag.ts";
import { Informer } from "../../cloud/kube/informer.ts";
import { resources } from "../../cloud/kube/resource.ts";
import type { EdgeProcessReport } from "../../edge-sim/load/protocol.ts";
import { milliseconds } from "../files/duration.ts";
import type { Versions } from "../model/result.ts";
import type { EdgeProcesses } from "./edge-processes.ts";
import { type FlowName, type GaugeName, gaugeNames } from "./metrics.ts";
import { kindPicker, Operations } from "./operations.ts";
import { closedPhase, openPhase, TICK_MS } from "./phases.ts";
import { edgesOf, type LoadProfile, type Phase } from "./profile.ts";
import { Recorder, type Sample } from "./recorder.ts";
import {
  flowResult,
  gaugeResult,
  judge,
  type LoadResult,
  type PhaseResult,
  type ThresholdResult,
  verdictOf,
} from "./result.ts";
import { makeObjects, type Prepared, removeObjects } from "./setup.ts";
import { runLabel } from "../model/run-label.ts";
import { Sampler } from "./sampling.ts";
import type { LoadTarget } from "./target.ts";

/** A run that could not be made. */
export class LoadError extends SkepError {
  readonly code = "SKEP_LOAD";
}

/** What a run tells while it goes on. */
export interface LoadProgress {
  /** Something that happened, in a line. */
  say(line: string): void;
  /** Once a second. */
  sampled(sample: Sample, phase: string): void;
}

/** What a run is made with. */
export interface LoadOptions {
  readonly profile: LoadProfile;
  readonly prepared: Prepared;
  readonly target: LoadTarget;
  /** Processes that wait for edges to be. */
  readonly edges: EdgeProcesses;
  /** A name that no other run has. */
  readonly run: string;
  readonly processes: number;
  /** Addresses that edges connect from in turn; none where the system chooses. */
  readonly sourceAddresses: readonly string[];
  readonly plan: readonly string[];
  readonly versions: Versions;
  readonly timeScale: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly signal: AbortSignal;
  readonly progress: LoadProgress;
}

/** Milliseconds for the first edge to connect; after that the address is taken for wrong. */
const FIRST_CONNECTION_MS = 60_000;
/** Milliseconds without a further device after which no more are waited for. */
const STALLED_MS = 20_000;
const SAMPLE_MS = 1000;
/** Standing pods that are being made at once. */
const PODS_AT_ONCE = 64;

/** Runs it. Rejects with LoadError where it could not be begun; else it has a result, also where it was interrupted. */
export async function runLoad(options: LoadOptions): Promise<LoadResult> {
  await using cleanup = new AsyncDisposableStack();
  const run = new Run(options, cleanup);
  return await run.result();
}

class Run {
  readonly #options: LoadOptions;
  readonly #cleanup: AsyncDisposableStack;
  readonly #recorder = new Recorder();
  readonly #operations: Operations;
  readonly #phases: { readonly phase: Phase; readonly name: string; began: number; ended: number }[] = [];
  readonly #startedAt: number;
  readonly #ending = new AbortController();
  readonly #sampler: Sampler;
  #phase = "joining";
  /** Unix milliseconds at which the first phase began. */
  #origin: number;
  readonly #reasons: string[] = [];
  #crossed = false;

  constructor(options: LoadOptions, cleanup: AsyncDisposableStack) {
    const { clock, edges, prepared, profile, random, run, target } = options;
    this.#options = options;
    this.#cleanup = cleanup;
    this.#startedAt = clock.now();
    this.#origin = this.#startedAt;
    this.#operations = new Operations({
      kube: target.kube,
      clock,
      random: random.stream("operations"),
      recorder: this.#recorder,
      prepared,
      run,
      mix: profile.mix,
      lostAfter: profile.lostAfter,
      operate: (operations) => edges.operate(operations),
      origin: () => this.#origin,
    });
    const [recorder, operations] = [this.#recorder, this.#operations];
    this.#sampler = new Sampler({ target, edges, operations, recorder, lag: lagOf(clock) });
    const stop = () => this.#ending.abort(options.signal.reason);
    if (options.signal.aborted) stop();
    else options.signal.addEventListener("abort", stop, { once: true });
    void Promise.race([target.failed, edges.failed]).then((why) => {
      this.#reasons.push(why);
      this.#ending.abort(new LoadError(why));
    });
  }

  async result(): Promise<LoadResult> {
    const { clock, options, signal } = { ...this.#options, options: this.#options, signal: this.#ending.signal };
    const sampling = every(clock, SAMPLE_MS, () => void this.#sample());
    this.#cleanup.defer(() => sampling.cancel());
    try {
      await this.#begin();
      this.#origin = clock.now();
      for (const [i, phase] of options.profile.phases.entries()) await this.#run(phase, i);
      await this.#drain();
    } catch (error) {
      if (!signal.aborted) throw error;
      // Nothing has been measured, so there is no result.
      if (this.#phases.length === 0 && !options.signal.aborted) throw signal.reason;
    }
    await this.#sample(true);
    this.#recorder.begin(undefined, true, clock.now());
    this.#operations.stop();
    return this.#conclude();
  }

  /** All that is before the first phase: objects, edges, pods that stand. */
  async #begin(): Promise<void> {
    const { clock, edges, prepared, profile, progress, random, run, target, timeScale } = this.#options;
    const signal = this.#ending.signal;
    const began = clock.now();
    if (!target.isOurs) this.#cleanup.defer(() => removeObjects(target.kube, prepared, run));
    await makeObjects(target.kube, profile, prepared, run, signal);
    if (prepared.devices.length > 0) {
      progress.say(`${prepared.devices.length} devices are made, in ${clock.now() - began} ms`);
    }
    await this.#watch();
    const config = {
      file: profile.position.file,
      ...profile.joinWith === "certificates" ? { authority: await target.authority() } : {},
      sourceAddresses: this.#options.sourceAddresses,
      timeScale,
      timings: Object.fromEntries(
        Object.entries(profile.timings).map(([name, ms]) => [name, name === "jitter" ? ms : ms / timeScale]),
      ),
      seed: random.seed,
      ...(profile.joinRate === undefined ? {} : { rate: profile.joinRate }),
    };
    edges.configure(target.hubs, config, { [runLabel]: run }, (report) => this.#hear(report));
    // Before what they have made is removed: edges that are there register again.
    this.#cleanup.use(edges);
    edges.start();
    const count = edgesOf(profile);
    const deadline = clock.now() + profile.joinWithin;
    const first = clock.now() + FIRST_CONNECTION_MS;
    const why = () => edges.problem === undefined ? "" : `; an edge says: ${edges.problem}`;
    await this.#until(first, () => edges.sum("connections") > 0, () => `no edge could connect${why()}`);
    await this.#until(
      deadline,
      () => edges.sum("ready") >= count,
      () => `${edges.sum("ready")} of ${count} edges are Ready${why()}`,
    );
    progress.say(`${count} edges are Ready after ${((clock.now() - began) / 1000).toFixed(1)} s`);
    await this.#untilDevices(prepared.devices.length, deadline);
    if (prepared.standing.length === 0) return;
    this.#phase = "pods";
    const pods = clock.now();
    const waiting: Promise<boolean>[] = [];
    await atOnce(prepared.standing, PODS_AT_ONCE, async (pod) => {
      signal.throwIfAborted();
      waiting.push((await this.#operations.stand(pod, profile.joinWithin)).running);
    });
    const running = (await Promise.race([Promise.all(waiting), aborted(signal)])).filter((runs) => runs).length;
    if (running < prepared.standing.length) {
      throw new LoadError(
        `${prepared.standing.length - running} of ${prepared.standing.length} pods did not run in time`,
      );
    }
    progress.say(`${running} pods are Running after ${((clock.now() - pods) / 1000).toFixed(1)} s`);
  }

  /** Waits until the devices are at their edges. A target that brings no more of them is judged with those that are there. */
  async #untilDevices(count: number, deadline: number): Promise<void> {
    const { clock, edges, progress } = this.#options;
    let most = 0;
    let since = clock.now();
    while (most < count && clock.now() < deadline && clock.now() - since < STALLED_MS) {
      await sleep(clock, 50, this.#ending.signal);
      const there = edges.sum("devices");
      if (there > most) {
        most = there;
        since = clock.now();
      }
    }
    if (most >= count) return;
    const why = `${most} of ${count} devices reached their edges; the run goes on without the others`;
    this.#reasons.push(why);
    progress.say(why);
  }

  /** Follows what the API says of pods and devices. */
  async #watch(): Promise<void> {
    const { clock, prepared, profile, random, run, target } = this.#options;
    const deps = { clock, random: random.stream("informers"), logger: silentLogger };
    const follow = async (informer: Informer, handler: Parameters<Informer["subscribe"]>[0]) => {
      informer.subscribe(handler);
      this.#cleanup.defer(() => informer.stop());
      await Promise.race([informer.start(), aborted(this.#ending.signal)]);
    };
    const hasPods = prepared.standing.length > 0 || profile.mix.some(({ kind }) => kind === "pods");
    if (hasPods) {
      const pods = new Informer(target.kube, resources.pods, deps, {
        labelSelector: `${runLabel}=${run}`,
        isLean: true,
      });
      await follow(pods, (event) => this.#operations.podChanged(event));
    }
    if (profile.mix.some(({ kind }) => kind === "reports")) {
      const statuses = new Informer(target.kube, resources.devicestatuses, deps, { isLean: true });
      await follow(statuses, (event) => this.#operations.statusChanged(event));
    }
  }

  async #run(phase: Phase, index: number): Promise<void> {
    const { clock, profile, progress, random } = this.#options;
    const signal = this.#ending.signal;
    const name = `${index + 1} ${phase.name}`;
    const began = clock.now();
    const kept = { phase, name, began, ended: began };
    this.#phases.push(kept);
    this.#phase = phase.name;
    this.#recorder.begin(name, phase.isJudged, began);
    progress.say(`phase ${name}, ${Math.round(phase.for / 1000)} s`);
    const pick = profile.mix.length === 0 ? undefined : kindPicker(profile.mix, random.stream(`mix/${index}`));
    if (phase.lost > 0) this.#storm(phase, index);
    this.#disturb(phase, index);
    if (phase.restart !== undefined) this.#restart(phase.restart);
    try {
      if (pick === undefined || (phase.from === 0 && phase.to === 0)) await sleep(clock, phase.for, signal);
      else {
        const deps = { clock, operations: this.#operations, pick, signal };
        if (phase.model === "open") await openPhase(phase, began, deps);
        else await closedPhase(phase, began, deps, random.stream(`think/${index}`));
      }
    } finally {
      kept.ended = clock.now();
    }
  }

  /** Kills a part of the target and starts it again, beside what the phase does. */
  #restart(part: "api" | "cloudcore"): void {
    const { clock, progress, target } = this.#options;
    const began = clock.now();
    target.restart(part).then(
      () => progress.say(`the ${part} was killed and is ready again after ${clock.now() - began} ms`),
      (error: unknown) => {
        this.#reasons.push(reasonOf(error));
        this.#ending.abort(error);
      },
    );
  }

  /** Some edges lose their connections at once, drawn by the seed. */
  #storm({ away, lost }: Phase, index: number): void {
    const { edges, timeScale } = this.#options;
    const random = this.#options.random.stream(`storm/${index}`);
    const chosen = lost >= 1 ? edges.names : edges.names.filter(() => random.next() < lost);
    edges.disturb(chosen, { cut: "both", for: `${away / timeScale}ms` });
  }

  /** Links of some edges are bad while the phase lasts, or for less where a fault says so; they are drawn by the seed. */
  #disturb({ faults, for: length }: Phase, index: number): void {
    const { edges } = this.#options;
    for (const [i, { cohort, edges: share = 1, ...fault }] of faults.entries()) {
      const random = this.#options.random.stream(`fault/${index}/${i}`);
      const chosen = edges.namesOf(cohort).filter(() => share >= 1 || random.next() < share);
      const most = fault.for === undefined ? length : Math.min(length, milliseconds(fault.for));
      edges.disturb(chosen, { ...fault, for: `${most}ms` });
    }
  }

  /** Waits for what is still under way, so long as it may not be lost. */
  async #drain(): Promise<void> {
    const { clock, profile } = this.#options;
    this.#phase = "the last operations";
    const deadline = clock.now() + profile.lostAfter + TICK_MS;
    while (this.#operations.underWay > 0 && clock.now() < deadline) {
      this.#operations.flush();
      await sleep(clock, TICK_MS, this.#ending.signal);
    }
  }

  #hear(report: EdgeProcessReport): void {
    const recorder = this.#recorder;
    for (const [flow, counts] of Object.entries(report.flows)) recorder.addCounts(flow as FlowName, counts);
    for (const [reason, count] of Object.entries(report.errors)) recorder.error(reason, count);
    recorder.count("reconnects", report.losses);
    this.#operations.hear(report);
  }

  async #sample(isLast = false): Promise<void> {
    const { clock, progress } = this.#options;
    const now = clock.now();
    const sample = await this.#sampler.sample(now, isLast);
    progress.sampled({ ...sample, at: this.#phases.length === 0 ? -1 : (now - this.#origin) / 1000 }, this.#phase);
    this.#abortWhereCrossed(now);
  }

  #abortWhereCrossed(now: number): void {
    const { profile } = this.#options;
    if (this.#phases.length === 0 || this.#ending.signal.aborted) return;
    for (const threshold of profile.thresholds) {
      if (threshold.abortAfter === undefined || now - this.#origin < threshold.abortAfter) continue;
      const { verdict } = judge(threshold, this.#recorder, this.#judgedSamples(), profile);
      if (verdict !== "crossed") continue;
      this.#crossed = true;
      this.#reasons.push(`ended early: ${threshold.text} was crossed`);
      this.#ending.abort(new LoadError("a threshold was crossed"));
      return;
    }
  }

  /** Samples of judged phases. */
  #judgedSamples(): Sample[] {
    const from = this.#phases.find(({ phase }) => phase.isJudged)?.began ?? Infinity;
    const to = this.#phases.at(-1)?.ended ?? 0;
    const end = to > from ? to + SAMPLE_MS : Infinity;
    return this.#recorder.samples.filter(({ at }) => at >= from && at <= end);
  }

  #conclude(): LoadResult {
    const { clock, plan, processes, profile, random, run, signal, target, versions } = this.#options;
    const recorder = this.#recorder;
    const samples = this.#judgedSamples();
    const thresholds: ThresholdResult[] = profile.thresholds.map((one) => judge(one, recorder, samples, profile));
    const { reason, verdict } = verdictOf({
      thresholds,
      isCrossed: this.#crossed,
      late: recorder.flows.get("generator.late")?.getValueAtPercentile(99) ?? 0,
      maxLag: profile.maxLag,
      interruption: signal.aborted ? reasonOf(signal.reason) : undefined,
      hasBroken: this.#ending.signal.aborted && !this.#crossed,
    });
    const reasons = [...this.#reasons, ...reason === undefined ? [] : [reason]];
    return {
      format: "skep.load/1",
      run,
      name: profile.name,
      file: profile.position.file,
      target: target.name,
      seed: random.seed,
      edges: edgesOf(profile),
      processes,
      plan,
      versions,
      startedAt: this.#startedAt,
      took: clock.now() - this.#startedAt,
      verdict,
      reasons,
      thresholds,
      phases: this.#phases.map(({ began, ended, name, phase }): PhaseResult => ({
        name,
        shape: phase.shape,
        isJudged: phase.isJudged,
        hasFault: phase.lost > 0 || phase.faults.length > 0 || phase.restart !== undefined,
        began: (began - this.#origin) / 1000,
        ended: (ended - this.#origin) / 1000,
        flows: [...recorder.phases.get(name) ?? []].map(([flow, histogram]) => flowResult(flow, histogram)),
      })),
      flows: [...recorder.flows].map(([flow, histogram]) => flowResult(flow, histogram)),
      gauges: Object.fromEntries(
        (Object.keys(gaugeNames) as GaugeName[]).flatMap((gauge) => {
          const result = gaugeResult(samples, gauge);
          return result === undefined ? [] : [[gauge, result]];
        }),
      ),
      counts: recorder.counts,
      errors: [...recorder.reasons].map(([reason, count]) => ({ reason, count })),
      slowest: recorder.slowest,
      samples: recorder.samples.map((sample) => ({ ...sample, at: (sample.at - this.#origin) / 1000 })),
    };
  }

  async #until(deadline: number, isSo: () => boolean, missing: () => string): Promise<void> {
    const { clock } = this.#options;
    while (!isSo()) {
      if (clock.now() > deadline) throw new LoadError(`not in time: ${missing()}`);
      await sleep(clock, 50, this.#ending.signal);
    }
  }
}

/** Rejects when the signal is aborted; does not settle otherwise. */
function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const fail = () => reject(signal.reason as Error);
    if (signal.aborted) fail();
    else signal.addEventListener("abort", fail, { once: true });
  });
}
