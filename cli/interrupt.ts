// Ctrl-C and its relatives: a signal for everything that runs, and the exit code it asks for.
import { exitCodes } from "./failure.ts";

/** Milliseconds in which everything must have stopped; then the process ends all the same. */
const STOP_DEADLINE_MS = 5000;
/** The same where what was made in a cluster of others has to be removed. */
export const CLUSTER_STOP_MS = 60_000;

/**
 * Milliseconds in which a second signal counts as the first one again: a terminal's Ctrl-C reaches npm, the launcher and us,
 * and both of them pass it on.
 */
const ECHO_MS = 500;
/** Milliseconds between two looks at whether npm is still there. */
const PARENT_EVERY_MS = 250;

/**
 * Aborts on SIGINT, SIGTERM and SIGHUP; a second signal, after a moment, ends the process at once, as does the end of the deadline, which
 * is longer where something has to be removed from a cluster.
 */
export function interruption(
  deadline = STOP_DEADLINE_MS,
): { readonly signal: AbortSignal; code(): number | undefined } {
  const controller = new AbortController();
  let code: number | undefined;
  let since = 0;
  const stop = (why: string, exit: number) => {
    if (code !== undefined && performance.now() - since < ECHO_MS) return;
    if (code !== undefined) process.exit(code);
    code = exit;
    since = performance.now();
    controller.abort(new Error(`interrupted by ${why}`));
    setTimeout(() => process.exit(exit), deadline).unref();
  };
  const on = (name: NodeJS.Signals, exit: number) => process.on(name, () => stop(name, exit));
  on("SIGINT", exitCodes.interrupted);
  on("SIGTERM", exitCodes.terminated);
  on("SIGHUP", exitCodes.terminated);
  // npm passes a SIGTERM to the shell between it and us, which exits on it without a message. Processes of a fleet end with the
  // one that started them, however that ended.
  const parent = Number(process.env.SKEP_PARENT ?? process.ppid);
  if (process.env.npm_lifecycle_event !== undefined || process.env.SKEP_PARENT !== undefined) {
    const watch = setInterval(() => {
      if (process.ppid === parent) return;
      clearInterval(watch);
      stop("the end of its parent", exitCodes.terminated);
    }, PARENT_EVERY_MS);
    watch.unref();
  }
  return { signal: controller.signal, code: () => code };
}

/** Settles when the signal is aborted. */
export function interrupted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}
