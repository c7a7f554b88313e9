// `skep list` and `skep check`: which scenarios there are, and whether files hold any.
import { loadForCheck } from "../scenarios/suite/load.ts";
import { ScenarioError } from "../scenarios/files/position.ts";
import { wrongFiles } from "../scenarios/suite/named-files.ts";
import { exitCodes } from "./failure.ts";
import { type Selection, wantedScenarios } from "./selection.ts";

/** Prints the scenarios, one a line; with `--json` their data; and which files hold none. Resolves with the exit code. */
export async function listCommand(
  files: readonly string[],
  flags: Selection & { readonly json?: boolean; readonly load?: boolean },
): Promise<number> {
  if (flags.load) return await listProfiles(flags.json === true);
  const found = await wantedScenarios(files, flags);
  const scenarios = found.filter(({ refusals }) => refusals === undefined);
  const refusals = found.flatMap(({ refusals = [] }) => refusals);
  for (const line of refusals) process.stderr.write(`skep: ${line}\n`);
  const code = refusals.length > 0 ? exitCodes.couldNotRun : exitCodes.passed;
  if (flags.json) {
    const rows = scenarios.map(({ name, needs, position, tags }) => ({ file: position.file, name, tags, needs }));
    process.stdout.write(`${JSON.stringify(rows, null, 2)}\n`);
    return code;
  }
  const width = Math.max(...scenarios.map(({ position }) => position.file.length));
  for (const { name, position, tags } of scenarios) {
    process.stdout.write(
      `${position.file.padEnd(width)}  ${name}${tags.length === 0 ? "" : `  [${tags.join(", ")}]`}\n`,
    );
  }
  return code;
}

/** The load profiles that are shipped, one a line. */
async function listProfiles(isJson: boolean): Promise<number> {
  const { shippedProfiles } = await import("../scenarios/load/find.ts");
  const { durationOf, edgesOf } = await import("../scenarios/load/profile.ts");
  const rows = (await shippedProfiles()).map(({ name, profile }) => ({
    name,
    edges: edgesOf(profile),
    seconds: Math.round(durationOf(profile) / 1000),
    description: profile.description,
  }));
  if (isJson) process.stdout.write(`${JSON.stringify(rows, null, 2)}\n`);
  else {
    const width = Math.max(...rows.map(({ name }) => name.length));
    for (const { description, edges, name, seconds } of rows) {
      process.stdout.write(
        `${name.padEnd(width)}  ${String(edges).padStart(5)} edges, ${String(seconds).padStart(4)} s  ${description}\n`,
      );
    }
  }
  return exitCodes.passed;
}

/**
 * Reads scenario, load profile or cohort files and every file they name, without running them; reports what is wrong in each.
 * Resolves with the exit code.
 */
export async function checkCommand(files: readonly string[]): Promise<number> {
  let isWrong = false;
  for (const file of files) {
    try {
      const { parts, what } = await loadForCheck(file);
      const wrong = (await Promise.all(parts.map(wrongFiles))).flat();
      for (const line of wrong) process.stderr.write(`skep: ${line}\n`);
      if (wrong.length > 0) isWrong = true;
      else process.stdout.write(`${file}: ${what}\n`);
    } catch (error) {
      if (!(error instanceof ScenarioError)) throw error;
      isWrong = true;
      process.stderr.write(`skep: ${error.message}\n`);
    }
  }
  return isWrong ? exitCodes.couldNotRun : exitCodes.passed;
}
