// `--target`, and the short forms of it: `--kubeconfig`, `--context`, `--cloudcore`.
import type { Logger } from "../base/log/logger.ts";
import type { Target } from "../scenarios/model/target.ts";
import type { LocalOptions } from "../scenarios/targets/local-options.ts";
import { localTarget } from "../scenarios/targets/local.ts";
import { EMBEDDED_TIME_SCALE, optionsOf } from "../scenarios/targets/open.ts";
import { UsageError } from "./failure.ts";
import { hubAddressOf, type HubFlags } from "./hub-address.ts";

/** The flags as commander gives them. */
export interface TargetFlags extends HubFlags {
  readonly target?: string;
  readonly kubeconfig?: string;
  readonly context?: string;
  readonly takeOver?: boolean;
  readonly allowExec?: boolean;
  readonly timeScale?: number;
  readonly bind: string;
  readonly port?: number;
  readonly messages?: number;
}

/** The target that is meant. Rejects with UsageError, TargetError or ScenarioError. */
export async function chosenTarget(flags: TargetFlags, logger: Logger): Promise<Target> {
  const { allowExec, bind, messages, port, takeOver, timeScale } = flags;
  const described = await describedBy(flags);
  const { cloudcore = { runs: "here" } } = described;
  const isGo = cloudcore.runs === "go" || cloudcore.runs === "container" && !cloudcore.isOurs;
  if (isGo && timeScale !== undefined && timeScale !== 1) {
    throw new UsageError("--time-scale: the timers of a cloudcore that is not skep's can't be divided; leave it out");
  }
  return localTarget({
    ...described,
    logger,
    bind,
    ...(timeScale === undefined ? {} : { timeScale }),
    ...(port === undefined ? {} : { port }),
    ...(messages === undefined ? {} : { hopBytes: messages }),
    takeOver: takeOver === true,
    without: [...described.without ?? [], ...(allowExec ? [] : ["exec" as const])],
  });
}

async function describedBy(flags: TargetFlags): Promise<Omit<LocalOptions, "logger" | "bind">> {
  const { cloudcore, context, kubeconfig, target } = flags;
  if (target !== undefined) {
    const other = (["kubeconfig", "context", "cloudcore", "enrolmentPort", "token", "certs"] as const).find((flag) =>
      flags[flag] !== undefined
    );
    if (other !== undefined) {
      throw new UsageError(
        `--target says where to run: leave --${other === "enrolmentPort" ? "enrolment-port" : other} out`,
      );
    }
    const { findTarget } = await import("../scenarios/targets/find.ts");
    return await optionsOf(await findTarget(target, process.cwd()));
  }
  if (cloudcore !== undefined && kubeconfig === undefined) {
    throw new UsageError("--cloudcore needs --kubeconfig too: scenarios look at the API that this cloudcore works on");
  }
  if (context !== undefined && kubeconfig === undefined) {
    throw new UsageError("--context is one of a --kubeconfig: name its file");
  }
  if (cloudcore === undefined && flags.token !== undefined) {
    throw new UsageError("--token needs --cloudcore too: our own cloudcore makes its own");
  }
  return {
    timeScale: kubeconfig === undefined ? EMBEDDED_TIME_SCALE : 1,
    ...(kubeconfig === undefined ? {} : { kubeconfig }),
    ...(context === undefined ? {} : { context }),
    ...(cloudcore === undefined
      ? {}
      : { cloudcore: { runs: "elsewhere", address: await hubAddressOf({ ...flags, cloudcore }) } }),
  };
}
