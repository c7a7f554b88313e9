// Signals to processes that we have started.

/** Sends it; nothing where the process has ended. Not by a ChildProcess's own `kill`: Deno's ignores all but the first. */
export function signalProcess(pid: number | undefined, signal: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}
