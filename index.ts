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
export { SkepError } from "./base/error/skep-error.ts";
export type { ErrorCode } from "./base/error/codes.ts";
export type { Fields, Logger } from "./base/log/logger.ts";
export { startApiServer, type StartApiServerOptions, type StartedApiServer } from "./cloud/apiserver/start.ts";
export { startCloudCore, type StartCloudCoreOptions, type StartedCloudCore } from "./cloud/start.ts";
export { startFleet, type StartFleetOptions } from "./edge-sim/fleet/start.ts";
export type { Cohort, Fleet, FleetTotals } from "./edge-sim/fleet/fleet.ts";
export type { Edge } from "./edge-sim/edge.ts";
export { version } from "./base/version.ts";
