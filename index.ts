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
} from "./scenarios/suite/session.ts";
export type { HopRecord } from "./base/hop/hop.ts";
export type { InvariantResult } from "./scenarios/model/result.ts";
export { StepFailure } from "./scenarios/model/step-failure.ts";
export { ApiServer } from "./cloud/apiserver/apiserver.ts";
export { CloudCore } from "./cloud/cloudcore.ts";
export { Fleet } from "./edge-sim/fleet/fleet.ts";
export { version } from "./base/version.ts";
