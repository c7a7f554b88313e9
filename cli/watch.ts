// `skep run --watch`: runs again what a saved file touches, until it is interrupted.
import { type FSWatcher, watch } from "node:fs";
import { basename, dirname, relative, resolve } from "node:path";
import { filesOf } from "../scenarios/suite/named-files.ts";
import { ScenarioError } from "../scenarios/files/position.ts";
import type { Scenario } from "../scenarios/model/scenario.ts";
import { describeFailure } from "./failure.ts";
import { interrupted } from "./interrupt.ts";
import { type Selection, wantedScenarios } from "./selection.ts";

/** Milliseconds without a further change before a run begins: editors write a file in several steps. */
const QUIET_MS = 150;

/** Runs `first`, then those of the files that a change touches, again and again. Scenarios in code are loaded once. Settles when interrupted. */
export async function watchRuns(
  files: readonly string[],
  selection: Selection,
  first: readonly Scenario[],
  signal: AbortSignal,
  run: (scenarios: readonly Scenario[]) => Promise<unknown>,
): Promise<void> {
  const changed = new Set<string>();
  const watchers = new Map<string, FSWatcher>();
  let wake = () => {};
  const look = (path: string) => {
    const folder = dirname(path);
    if (watchers.has(folder)) return;
    // A folder, since editors replace files.
    watchers.set(
      folder,
      watch(folder, (_event, name) => {
        if (name === null) return;
        changed.add(resolve(folder, name));
        wake();
      }).on("error", () => {
        // The folder is gone: what it held can't change any more.
        watchers.get(folder)?.close();
        watchers.delete(folder);
      }),
    );
  };
  signal.addEventListener("abort", () => wake(), { once: true });
  let isFirst = true;
  try {
    while (!signal.aborted) {
      const touched = new Set(changed);
      changed.clear();
      try {
        const all = await wantedScenarios(files, selection);
        for (const scenario of all) for (const file of filesOf(scenario)) look(file);
        const due = isFirst ? first : all.filter((scenario) => filesOf(scenario).some((file) => touched.has(file)));
        isFirst = false;
        if (due.length > 0) await run(due);
        if (due.length > 0 && !signal.aborted) process.stdout.write(`watching ${watchers.size} folders; Ctrl-C ends\n`);
      } catch (error) {
        // A file that is being written may be wrong for a while.
        if (isFirst && !(error instanceof ScenarioError)) throw error;
        process.stderr.write(`skep: ${describeFailure(error)}\n`);
        for (const file of files) look(resolve(file));
        isFirst = false;
      }
      if (signal.aborted) return;
      await new Promise<void>((done) => {
        let timer: NodeJS.Timeout | undefined;
        wake = () => {
          clearTimeout(timer);
          timer = setTimeout(done, signal.aborted ? 0 : QUIET_MS);
        };
        if (changed.size > 0) wake();
      });
      const names = [...changed].map((file) => relative(process.cwd(), file) || basename(file));
      if (names.length > 0) process.stdout.write(`\nchanged: ${names.slice(0, 3).join(", ")}\n`);
    }
    await interrupted(signal);
  } finally {
    for (const watcher of watchers.values()) watcher.close();
  }
}
