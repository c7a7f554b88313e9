// Ctrl-C and its relatives: a signal for everything that runs, and the exit code it asks for.
import { exitCodes } from "./failure.ts";

/** Milliseconds in which everything must have stopped; then the process ends all the same. */
const STOP_DEADLINE_MS = 5000;

/** Aborts on SIGINT, SIGTERM and SIGHUP; a second signal ends the process at once. */
export function interruption(): { readonly signal: AbortSignal; code(): number | undefined } {
  const controller = new AbortController();
  let code: number | undefined;
  const on = (name: NodeJS.Signals, exit: number) => {
    process.on(name, () => {
      if (code !== undefined) process.exit(code);
      code = exit;
      controller.abort(new Error(`interrupted by ${name}`));
      setTimeout(() => process.exit(exit), STOP_DEADLINE_MS).unref();
    });
  };
  on("SIGINT", exitCodes.interrupted);
  on("SIGTERM", exitCodes.terminated);
  on("SIGHUP", exitCodes.terminated);
  return { signal: controller.signal, code: () => code };
}

/** Settles when the signal is aborted. */
export function interrupted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}
