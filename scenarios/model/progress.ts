// What a run reports while it goes on, for a terminal or a log.
import type { ScenarioResult } from "./result.ts";
import type { Scenario } from "./scenario.ts";

/** What the run tells while it goes on. */
export interface Progress {
  began?(scenario: Scenario, index: number, total: number): void;
  step?(scenario: Scenario, step: string, index: number, total: number): void;
  ended?(result: ScenarioResult, index: number, total: number): void;
}
