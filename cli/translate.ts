// `skep import` and `skep export`: scenarios from other people's tests, and as TypeScript.
import { cp, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { basename, dirname, join, relative, resolve } from "node:path";
import { reasonOf } from "../base/log/logger.ts";
import { importChainsaw } from "../scenarios/translate/chainsaw.ts";
import { scenarioModule } from "../scenarios/translate/export.ts";
import { stepTable } from "../scenarios/steps/table.ts";
import { loadScenarios } from "../scenarios/suite/load.ts";
import { exitCodes, UsageError } from "./failure.ts";

export interface ImportFlags {
  readonly out: string;
}

/** What Chainsaw looks for in each folder. */
const CHAINSAW_TEST = /^chainsaw-test\.ya?ml$/;

/** Writes `scenario.yaml` for every test in the folder or below it, with the files that stand beside it. 0 where all was translated, 1 where something was left. */
export async function importChainsawCommand(folder: string, { out }: ImportFlags): Promise<number> {
  const names = await readdir(folder, { recursive: true }).catch((error) => {
    throw new UsageError(`can't read the folder ${folder}: ${reasonOf(error)}`);
  });
  const tests = names.filter((name) => CHAINSAW_TEST.test(basename(name))).sort();
  if (tests.length === 0) throw new UsageError(`${folder}: there is no chainsaw-test.yaml in this folder or below it`);
  let left = 0;
  for (const test of tests) {
    const file = join(folder, test);
    const made = importChainsaw(await readFile(file, "utf8"), file);
    const target = join(out, dirname(test));
    await mkdir(target, { recursive: true });
    const beside = (await readdir(dirname(file), { withFileTypes: true })).filter((entry) =>
      entry.isFile() && !CHAINSAW_TEST.test(entry.name)
    );
    for (const { name } of beside) await cp(join(dirname(file), name), join(target, name));
    await writeFile(join(target, "scenario.yaml"), made.text);
    process.stdout.write(`${join(target, "scenario.yaml")}: ${made.name}\n`);
    for (const line of made.left) process.stdout.write(`  not translated: ${line}\n`);
    left += made.left.length;
  }
  const many = tests.length === 1 ? "1 test" : `${tests.length} tests`;
  process.stdout.write(
    `${many}; ${left === 0 ? "all was translated" : `${left} parts were not`}\nrun them with: skep run ${out}\n`,
  );
  return left === 0 ? exitCodes.passed : exitCodes.failed;
}

export interface ExportFlags {
  readonly output?: string;
  /** What the module imports skep from. */
  readonly from: string;
}

/** Writes the scenarios of a YAML file as TypeScript: one module each. */
export async function exportCommand(file: string, { from, output }: ExportFlags): Promise<number> {
  if (!/\.ya?ml$/.test(file)) throw new UsageError(`${file}: only scenarios in YAML are exported`);
  const scenarios = await loadScenarios(file);
  for (const [i, scenario] of scenarios.entries()) {
    const target = output === undefined
      ? undefined
      : scenarios.length === 1
      ? output
      : output.replace(/(\.[cm]?ts)?$/, (end) => `-${i + 1}${end}`);
    const folder = target === undefined ? "." : relative(dirname(resolve(target)), dirname(resolve(file))) || ".";
    const text = scenarioModule(scenario, stepTable, from, folder);
    if (target === undefined) process.stdout.write(text);
    else {
      await mkdir(dirname(target), { recursive: true });
      await writeFile(target, text);
      process.stdout.write(`wrote ${target}\nrun it with: skep run ${target}\n`);
    }
  }
  return exitCodes.passed;
}
