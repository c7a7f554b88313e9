// `skep doctor`: walks the way of one edge to a cloudcore, and says where it breaks.
import { type DoctorStep, walk } from "../edge-sim/doctor/doctor.ts";
import { parseHubAddress } from "../edge-sim/edgehub/hub-address.ts";
import { exitCodes, UsageError } from "./failure.ts";
import type { HubFlags } from "./hub-address.ts";
import { interruption } from "./interrupt.ts";

export interface DoctorFlags extends HubFlags {
  readonly node: string;
  readonly register?: boolean;
  readonly timeout: number;
  readonly json?: boolean;
}

const marks = { ok: "✓", failed: "✗", "not tried": "-" } as const;

/** 0 where every step works, 1 where one does not. */
export async function doctorCommand(flags: DoctorFlags): Promise<number> {
  if (flags.cloudcore === undefined) {
    throw new UsageError("--cloudcore HOST[:PORT] is needed: the cloudcore that edges can't reach");
  }
  const token = flags.token ?? process.env.SKEP_TOKEN ?? "";
  if (token === "") {
    throw new UsageError(
      "--token T or SKEP_TOKEN is needed: the token that edges enrol with (kubectl get secret -n kubeedge tokensecret -o jsonpath='{.data.tokendata}' | base64 -d)",
    );
  }
  const { signal, code } = interruption();
  const out = flags.json ? process.stderr : process.stdout;
  const tell = ({ advice, found, name, verdict }: DoctorStep) => {
    out.write(
      `${marks[verdict]} ${name.padEnd(20)} ${
        verdict === "not tried" && found !== "" ? `not tried: ${found}` : found
      }\n`,
    );
    if (advice !== "") out.write(`${" ".repeat(23)}try: ${advice}\n`);
  };
  const steps = await walk({
    ...parseHubAddress(flags.cloudcore, flags.enrolmentPort),
    token,
    node: flags.node,
    registers: flags.register === true,
    timeout: flags.timeout * 1000,
    now: Date.now,
    signal,
  }, tell);
  if (flags.json) process.stdout.write(`${JSON.stringify({ steps })}\n`);
  return code() ?? (steps.some(({ verdict }) => verdict === "failed") ? exitCodes.failed : exitCodes.passed);
}
