// Waits for a command and takes its exit code.

/** The process ends with it. */
export async function finish(command: Promise<number>): Promise<void> {
  process.exitCode = await command;
}
