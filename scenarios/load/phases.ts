// Begins the operations of a phase: when they are due, or when users are ready for them.
import type { Random } from "../../base/random/random.ts";
import { type Clock, sleep } from "../../base/time/clock.ts";
import type { Operations } from "./operations.ts";
import type { OperationKind, Phase } from "./profile.ts";
import { arrivals, loadAt } from "./shapes.ts";

/** What a phase is made with. */
export interface PhaseDeps {
  readonly clock: Clock;
  readonly operations: Operations;
  /** The kind of the next operation. */
  readonly pick: () => OperationKind;
  readonly signal: AbortSignal;
}

/** Milliseconds between two looks at what is due. */
export const TICK_MS = 5;
/** How long before they are due edges are told what to do. */
const AHEAD_MS = 100;

/** Operations are begun when they are due, whatever has become of those before. */
export async function openPhase(
  phase: Phase,
  began: number,
  { clock, operations, pick, signal }: PhaseDeps,
): Promise<void> {
  const due = arrivals(phase);
  for (let next = due.next(); !next.done;) {
    const now = clock.now();
    while (!next.done && began + next.value <= now + AHEAD_MS) {
      const at = began + next.value;
      const kind = pick();
      // Edges have clocks of their own; what we do ourselves is done when it is due.
      if (kind === "reports" || kind === "queries" || at <= now) void operations.run(kind, at);
      else clock.after(at - now, () => void (signal.aborted || operations.run(kind, at)));
      next = due.next();
    }
    operations.flush();
    await sleep(clock, TICK_MS, signal);
  }
  await sleep(clock, Math.max(0, began + phase.for - clock.now()), signal);
}

/** So many users, each of whom waits until an operation has ended, thinks, and begins the next one. */
export async function closedPhase(
  phase: Phase,
  began: number,
  { clock, operations, pick, signal }: PhaseDeps,
  thinking: Random,
): Promise<void> {
  const over = () => clock.now() - began >= phase.for || signal.aborted;
  const use = async (number: number) => {
    while (!over() && number < loadAt(phase, clock.now() - began)) {
      await operations.run(pick(), clock.now());
      const think = thinking.jitter(phase.think, phase.jitter);
      // An operation that ended at once must not keep the others from theirs.
      await sleep(clock, Math.max(1, think), signal);
    }
  };
  const present = new Set<number>();
  while (!over()) {
    const wanted = Math.round(loadAt(phase, clock.now() - began));
    for (let number = 0; number < wanted; number++) {
      if (present.has(number)) continue;
      // An interruption ends them all.
      present.add(number);
      void use(number).catch(() => {}).finally(() => present.delete(number));
    }
    operations.flush();
    await sleep(clock, TICK_MS, signal);
  }
}
