// What runs beside the API as kube-controller-manager and kube-scheduler do.
import { type Logger, reasonOf } from "../../../base/log/logger.ts";
import type { Clock, Timer } from "../../../base/time/clock.ts";
import type { Resources } from "../resources.ts";
import type { Indices } from "./indices.ts";

/** What a controller works with. */
export interface ControllerDeps {
  readonly resources: Resources;
  readonly indices: Indices;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Divides the controllers' periods and grace times. */
  readonly timeScale: number;
  /** Runs something soon, after what is going on now. */
  readonly defer: (run: () => void) => void;
  /** The server's CA (PEM), which pods are given to know the API by. */
  readonly ca: string;
}

/** A controller of the embedded API. */
export interface Controller {
  readonly name: string;
  /** Follows the stored objects from now on, beginning with what is there. Returns a function that stops it. */
  start(deps: ControllerDeps): () => void;
}

/** Keys handled before others get their turn: a long queue must not hold up requests. */
const BATCH = 64;
/** Waits before a key whose handling failed is tried again, and before the last tries. */
const RETRY_MS = 1_000;
const LONGEST_RETRY_MS = 60_000;

/** Keys that wait to be looked at: each once, however often it was named. */
export class KeyQueue {
  readonly #keys = new Set<string>();
  readonly #timers = new Map<string, Timer>();
  readonly #failures = new Map<string, number>();
  readonly #name: string;
  readonly #deps: ControllerDeps;
  readonly #reconcile: (key: string) => void;
  readonly #isBefore: ((one: string, other: string) => number) | undefined;
  #isPlanned = false;
  #isStopped = false;

  /** `isBefore` orders the keys of one batch. Default: as they came. */
  constructor(
    name: string,
    deps: ControllerDeps,
    reconcile: (key: string) => void,
    isBefore?: (one: string, other: string) => number,
  ) {
    this.#name = name;
    this.#deps = deps;
    this.#reconcile = reconcile;
    this.#isBefore = isBefore;
  }

  add(key: string): void {
    if (this.#isStopped) return;
    this.#keys.add(key);
    if (this.#isPlanned) return;
    this.#isPlanned = true;
    this.#deps.defer(() => this.#run());
  }

  /** Adds a key after a time (ms, not scaled); an earlier plan for it is forgotten. */
  addAfter(key: string, ms: number): void {
    this.#timers.get(key)?.cancel();
    if (this.#isStopped) return;
    this.#timers.set(
      key,
      this.#deps.clock.after(ms, () => {
        this.#timers.delete(key);
        this.add(key);
      }),
    );
  }

  stop(): void {
    this.#isStopped = true;
    this.#keys.clear();
    for (const timer of this.#timers.values()) timer.cancel();
    this.#timers.clear();
  }

  #run(): void {
    this.#isPlanned = false;
    if (this.#isStopped) return;
    let batch = [...this.#keys];
    if (this.#isBefore !== undefined) batch.sort(this.#isBefore);
    batch = batch.slice(0, BATCH);
    for (const key of batch) {
      this.#keys.delete(key);
      this.#handle(key);
    }
    if (this.#keys.size === 0 || this.#isPlanned) return;
    this.#isPlanned = true;
    this.#deps.defer(() => this.#run());
  }

  #handle(key: string): void {
    const { logger, timeScale } = this.#deps;
    try {
      this.#reconcile(key);
      this.#failures.delete(key);
    } catch (error) {
      // The server must go on; what failed is tried again.
      const tries = (this.#failures.get(key) ?? 0) + 1;
      this.#failures.set(key, tries);
      logger.error("a controller failed", { controller: this.#name, key, error: reasonOf(error) });
      this.addAfter(key, Math.min(RETRY_MS * 2 ** (tries - 1), LONGEST_RETRY_MS) / timeScale);
    }
  }
}
