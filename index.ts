// What `import … from "skep"` gives: the parts, started and disposed in a few lines, and the steps of scenarios as functions.
export {
  type CodedScenario,
  scenario,
  type ScenarioOptions,
  type Session,
  start,
  type Started,
  type StartOptions,
  type StepFunctions,
} from "./scenarios/engine/session.ts";
export type { HopRecord } from "./base/hop/hop.ts";
export type { InvariantResult } from "./scenarios/engine/result.ts";
export { StepFailure } from "./scenarios/steps/step.ts";
export { ApiServer } from "./cloud/apiserver/apiserver.ts";
export { CloudCore } from "./cloud/cloudcore.ts";
export { Fleet } from "./edge-sim/fleet/fleet.ts";
export { version } from "./base/version.ts";
