// `skep target`: which targets there are, whether one can be reached and what it can do, and the rights that skep needs there.
import { reasonOf } from "../base/log/logger.ts";
import { pinoLogger } from "../base/log/pino-logger.ts";
import { needsOf } from "../scenarios/engine/needs.ts";
import { capabilities, capabilityMeanings } from "../scenarios/model/capabilities.ts";
import { stepTable } from "../scenarios/steps/table.ts";
import { chosenTarget, type TargetFlags } from "./choose-target.ts";
import { exitCodes, UsageError } from "./failure.ts";
import { CLUSTER_STOP_MS, interruption } from "./interrupt.ts";
import { wantedScenarios } from "./selection.ts";

export interface TargetCheckFlags extends TargetFlags {
  readonly json?: boolean;
  readonly verbose?: boolean;
}

/** Prints the targets of the nearest `skep.yaml`, one a line. */
export async function targetListCommand({ json }: { readonly json?: boolean }): Promise<number> {
  const { knownTargets } = await import("../scenarios/targets/find.ts");
  const { file, matrix, targets } = await knownTargets(process.cwd());
  if (json) {
    const rows = [...targets.values()].map(({ position: _, ...rest }) => rest);
    process.stdout.write(`${JSON.stringify({ file: file ?? null, matrix, targets: rows }, null, 2)}\n`);
    return exitCodes.passed;
  }
  const words = (value: unknown) => typeof value === "string" ? value : JSON.stringify(value);
  const width = Math.max(...[...targets.keys()].map((name) => name.length));
  for (const { cloudcore, edges, kubernetes, name } of targets.values()) {
    const parts = `kubernetes ${words(kubernetes)}, cloudcore ${words(cloudcore)}, edges ${words(edges)}`;
    process.stdout.write(`${name.padEnd(width)}  ${parts}${matrix.includes(name) ? "  [matrix]" : ""}\n`);
  }
  if (file === undefined) {
    process.stdout.write("there is no skep.yaml in this folder or above it: skep init writes one\n");
  }
  return exitCodes.passed;
}

/** Opens a world with one edge there, as a scenario would, and closes it again. 0 where that works, 1 where not. */
export async function targetCheckCommand(name: string | undefined, flags: TargetCheckFlags): Promise<number> {
  if (name !== undefined && flags.target !== undefined) throw new UsageError("name the target once");
  const { signal, code } = interruption(CLUSTER_STOP_MS);
  const chosen = name ?? flags.target;
  const target = await chosenTarget(
    { ...flags, ...(chosen === undefined ? {} : { target: chosen }) },
    pinoLogger(flags.verbose ? "debug" : "error"),
  );
  const library = await wantedScenarios([], {});
  const skipped = library.map(({ name: scenario, ...rest }) => ({
    scenario,
    lacks: [...needsOf({ name: scenario, ...rest }, stepTable)].filter((need) =>
      !(target.capabilities as ReadonlySet<string>).has(need)
    ),
  })).filter(({ lacks }) => lacks.length > 0);
  const probe = await probeOf(target, signal);
  if (flags.json) {
    const facts = {
      target: target.name,
      reachable: probe.problem === undefined,
      ...(probe.problem === undefined ? { took: Math.round(probe.took) } : { problem: probe.problem }),
      timeScale: target.timeScale,
      patience: target.patience,
      capabilities: [...target.capabilities],
      skipped,
    };
    process.stdout.write(`${JSON.stringify(facts, null, 2)}\n`);
  } else {
    const out = (text: string) => process.stdout.write(`${text}\n`);
    out(`${target.name}: timers ${target.timeScale} times as fast, patience ${target.patience}`);
    for (const capability of capabilities) {
      const sign = target.capabilities.has(capability) ? "✓" : "–";
      out(`${sign} ${capability.padEnd(18)} ${capabilityMeanings[capability]}`);
    }
    out(
      skipped.length === 0
        ? `all ${library.length} scenarios of the library can be run`
        : `${skipped.length} of ${library.length} scenarios of the library would be skipped:`,
    );
    for (const { lacks, scenario } of skipped) out(`  ${scenario}: it has no ${lacks.join(", ")}`);
    out(
      probe.problem === undefined
        ? `✓ an edge was at home there after ${(probe.took / 1000).toFixed(1)} s, and is gone again`
        : `✗ ${probe.problem}`,
    );
  }
  return code() ?? (probe.problem === undefined ? exitCodes.passed : exitCodes.failed);
}

/** What a scenario with one edge finds there. */
async function probeOf(
  target: Awaited<ReturnType<typeof chosenTarget>>,
  signal: AbortSignal,
): Promise<{ readonly took: number; readonly problem?: string }> {
  const began = performance.now();
  const { parseScenarios } = await import("../scenarios/engine/parse.ts");
  const [scenario] = parseScenarios(
    `skep: 1\nname: target check\nfleet: [{ cohort: ${target.cohort ?? "check"}, count: 1 }]\nsteps: [{ wait: 1ms }]\n`,
    "target check",
    stepTable,
  );
  try {
    const environment = await target.open(scenario as NonNullable<typeof scenario>, 1, signal);
    const took = performance.now() - began;
    const left = await environment.stop();
    return left.length === 0 ? { took } : { took, problem: `left behind: ${left.join(", ")}` };
  } catch (error) {
    return { took: performance.now() - began, problem: reasonOf(error) };
  } finally {
    await target.close();
  }
}

/** Prints the objects that give skep its rights. */
export async function targetRbacCommand(
  { authorization = false, namespace }: { readonly namespace: string; readonly authorization?: boolean },
): Promise<number> {
  const [{ rbacObjects }, { stringify }] = await Promise.all([
    import("../scenarios/targets/rbac.ts"),
    import("yaml"),
  ]);
  process.stdout.write(
    rbacObjects(namespace, authorization).map((object) => stringify(object, { aliasDuplicateObjects: false })).join(
      "---\n",
    ),
  );
  return exitCodes.passed;
}
