// All steps there are, by name.
import { edgeStep, faultStep, restartStep } from "./disturbances.ts";
import { reportStep, setStep } from "./devices.ts";
import { alwaysStep, expectStep, neverStep } from "./expectations.ts";
import { parallelStep, repeatStep, runStep, waitStep } from "./flow.ts";
import { applyStep, deleteStep, patchStep } from "./kubernetes.ts";
import { podsStep } from "./pods.ts";
import { showStep } from "./show.ts";
import type { StepKind } from "./step.ts";

const kinds: readonly StepKind[] = [
  applyStep,
  patchStep,
  deleteStep,
  expectStep,
  neverStep,
  alwaysStep,
  reportStep,
  setStep,
  podsStep,
  edgeStep,
  faultStep,
  restartStep,
  waitStep,
  repeatStep,
  parallelStep,
  showStep,
  runStep,
];

/** Name → step. */
export const stepTable: ReadonlyMap<string, StepKind> = new Map(kinds.map((kind) => [kind.name, kind]));
