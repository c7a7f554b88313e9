// What a scenario needs of its target: what it says itself, and what follows from its fleet, its settings and its steps.
import { usesQuic, usesV11 } from "../cohorts/cohort.ts";
import type { Scenario, Step } from "../model/scenario.ts";
import type { StepTable } from "../model/step-kind.ts";
import type { Capability } from "../model/capabilities.ts";

/** The capabilities, each once. A scenario in code says its own: its steps are not known beforehand. */
export function needsOf(scenario: Scenario, table: StepTable): ReadonlySet<string> {
  const { process, replicas: _, ...settings } = scenario.cloudcore;
  return new Set([
    ...scenario.needs,
    ...(Object.keys(settings).length > 0 ? ["cloudcore-settings"] : []),
    ...(process ? ["cloudcore-kill"] : []),
    ...((scenario.cloudcore.replicas ?? 1) > 1 ? ["cloudcore-replicas"] : []),
    ...(usesQuic(scenario) ? ["quic"] : []),
    ...(usesV11(scenario) ? ["legacy-edges"] : []),
    ...stepsIn(scenario.steps).flatMap((step) => needsOfStep(step, table)),
    // What comes after the end is tried with what there is; commands are run by nobody who did not allow it.
    ...stepsIn([...scenario.catch, ...scenario.finally]).flatMap((step) => needsOfStep(step, table))
      .filter((need) => need === "exec"),
  ]);
}

/** The steps, with those inside them. */
export function stepsIn(steps: readonly Step[]): Step[] {
  return steps.flatMap((step) => [step, ...stepsIn(innerSteps(step))]);
}

function innerSteps({ args, kind }: Step): readonly Step[] {
  if (kind === "parallel") return args as readonly Step[];
  return kind === "repeat" ? (args as { readonly steps: readonly Step[] }).steps : [];
}

function needsOfStep({ args, kind }: Step, table: StepTable): readonly Capability[] {
  return table.get(kind)?.needs?.(args as never) ?? [];
}
