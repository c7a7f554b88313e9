// All steps there are, by name.
import { askStep, volumeStep } from "./asks.ts";
import { assertStep } from "./assert.ts";
import { edgeStep, faultStep, restartStep } from "./disturbances.ts";
import { reportStep, setStep } from "./devices.ts";
import { alwaysStep, expectStep, neverStep } from "./expectations.ts";
import { parallelStep, repeatStep, runStep, waitStep } from "./flow.ts";
import { applyStep, deleteStep, patchStep } from "./kubernetes.ts";
import { publishStep } from "./mqtt.ts";
import { podsStep } from "./pods.ts";
import { execStep, httpStep } from "./outside.ts";
import { showStep } from "./show.ts";
import { rolloutStep, scaleStep } from "./workloads.ts";
import type { StepKind, StepTable } from "../model/step-kind.ts";

/** The steps by their own types: functions of the same names take what the files' steps take. */
export const stepKinds = {
  apply: applyStep,
  patch: patchStep,
  delete: deleteStep,
  scale: scaleStep,
  rollout: rolloutStep,
  assert: assertStep,
  expect: expectStep,
  never: neverStep,
  always: alwaysStep,
  report: reportStep,
  set: setStep,
  pods: podsStep,
  publish: publishStep,
  ask: askStep,
  volume: volumeStep,
  http: httpStep,
  exec: execStep,
  edge: edgeStep,
  fault: faultStep,
  restart: restartStep,
  wait: waitStep,
  repeat: repeatStep,
  parallel: parallelStep,
  show: showStep,
  run: runStep,
} as const satisfies Record<string, StepKind>;

/** Name → step. */
export const stepTable: StepTable = new Map(Object.entries(stepKinds));
