// What a person may do to what runs, from the console or by a program: steps of scenarios, so that each can be copied into one.
import { Ajv } from "ajv";
import { ControlError } from "../../base/control/server.ts";
import type { Clock } from "../../base/time/clock.ts";
import type { Fleet } from "../../edge-sim/fleet/fleet.ts";
import { reasonOf } from "../../base/log/logger.ts";
import type { StepContext } from "../model/context.ts";
import type { Environment } from "../model/environment.ts";
import { StepFailure } from "../model/step-failure.ts";
import { apiserverStep, edgeStep, faultStep, restartStep } from "../steps/disturbances.ts";
import { reportStep, setStep } from "../steps/devices.ts";
import type { StepKind } from "../model/step-kind.ts";

/** The steps that are actions. */
const steps = {
  fault: faultStep,
  apiserver: apiserverStep,
  edge: edgeStep,
  restart: restartStep,
  report: reportStep,
  set: setStep,
} as const;

/** What actions need of an environment. */
export type ActionEnvironment = Pick<
  Environment,
  | "fleet"
  | "clock"
  | "namespace"
  | "stopCloudcore"
  | "startCloudcore"
  | "freezeCloudcore"
  | "restartApiserver"
  | "disturbApiserver"
  | "join"
>;

/** Does what a step says. */
export interface ActionTaker {
  /** Names of the steps that can be taken here. */
  readonly names: readonly string[];
  /** `step` is one step as in a scenario: `{ fault: { edge: "gw-0", cut: "both" } }`. Rejects with ControlError. */
  take(step: unknown): Promise<void>;
}

/** Takes actions on edges, devices and cloudcore of this process. */
export class Actions implements ActionTaker {
  readonly names: readonly string[] = Object.keys(steps);
  readonly #environment: ActionEnvironment;
  readonly #signal: AbortSignal;
  readonly #ajv = new Ajv({ allErrors: true, strict: false });

  /** `signal` ends what goes on in the background, such as a fault that heals after a time. */
  constructor(environment: ActionEnvironment, signal: AbortSignal) {
    this.#environment = environment;
    this.#signal = signal;
  }

  async take(step: unknown): Promise<void> {
    const { args, kind } = stepIn(step, steps);
    const check = this.#ajv.compile(kind.schema);
    if (!check(args)) {
      throw new ControlError(400, `${kind.name}: ${this.#ajv.errorsText(check.errors, { dataVar: kind.name })}`);
    }
    const context = {
      environment: this.#environment,
      signal: this.#signal,
      background: (work: Promise<void>) => void work.catch(() => {}),
    } as unknown as StepContext;
    try {
      await kind.run(context, args as never);
    } catch (error) {
      if (error instanceof StepFailure) throw new ControlError(409, [error.message, ...error.details].join("; "));
      throw new ControlError(409, reasonOf(error));
    }
  }
}

/** Actions on edges alone: what runs them has no cloudcore and no API. */
export class EdgeActions extends Actions {
  override readonly names = ["fault", "edge", "report", "set"];

  constructor(fleet: Fleet, clock: Clock, signal: AbortSignal) {
    const elsewhere = "there is no cloudcore and no API server here: use the skep that runs them";
    const refuse = () => Promise.reject(new StepFailure(elsewhere));
    super({
      fleet,
      clock,
      namespace: "default",
      stopCloudcore: refuse,
      startCloudcore: refuse,
      freezeCloudcore() {
        throw new StepFailure(elsewhere);
      },
      restartApiserver: refuse,
      disturbApiserver() {
        throw new StepFailure(elsewhere);
      },
      join: refuse,
    }, signal);
  }
}

/** The one step in an object. Throws ControlError. */
export function stepIn(
  step: unknown,
  known: Readonly<Record<string, StepKind>>,
): { readonly kind: StepKind; readonly args: unknown } {
  const [entry, ...others] = typeof step === "object" && step !== null ? Object.entries(step) : [];
  const kind = entry === undefined || !Object.hasOwn(known, entry[0]) ? undefined : known[entry[0]];
  if (entry === undefined || kind === undefined || others.length > 0) {
    throw new ControlError(
      400,
      `one step is needed, such as {"fault": {"edge": "gw-0", "cut": "both"}}; there are ${
        Object.keys(known).join(", ")
      }`,
    );
  }
  return { kind, args: entry[1] };
}
