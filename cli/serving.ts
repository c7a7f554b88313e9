// What the commands that stay have in common: say how to reach it, say `ready`, wait, stop.
import { interrupted } from "./interrupt.ts";

/** The output of a command that keeps running, printed once everything it started answers. */
export interface Serving {
  /** Facts for people and for `--json`, in the order they are shown. */
  readonly facts: Readonly<Record<string, string | number>>;
  /** Sentences for people only: what to type next. */
  readonly hints: readonly string[];
}

/** Prints it and `ready`; with `--json` one line of JSON on standard output. Settles when interrupted. */
export async function serveUntilInterrupted(serving: Serving, json: boolean, signal: AbortSignal): Promise<void> {
  const people = json ? process.stderr : process.stdout;
  const width = Math.max(...Object.keys(serving.facts).map((name) => name.length));
  for (const [name, value] of Object.entries(serving.facts)) people.write(`${name.padEnd(width)}  ${value}\n`);
  for (const hint of serving.hints) people.write(`${hint}\n`);
  if (json) process.stdout.write(`${JSON.stringify({ ready: true, ...serving.facts })}\n`);
  else people.write("ready\n");
  await interrupted(signal);
}
