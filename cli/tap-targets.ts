// Which running skep a command looks at: the only one of this folder, the one that is named, or all of them.
import { ControlClient } from "../base/control/client.ts";
import { readRunFiles, type RunFile, runFolder } from "../base/control/run-file.ts";
import { UsageError } from "./failure.ts";

/** How one is named. */
export interface TargetFlags {
  readonly at?: string;
  readonly pid?: number;
  readonly all?: boolean;
}

/** A running skep. */
export interface TapTarget {
  readonly what: string;
  readonly client: ControlClient;
  /** Its console, with the token. */
  readonly address: string;
}

/** Rejects with UsageError, which lists what runs where there are several. */
export async function tapTargets({ all, at, pid }: TargetFlags): Promise<readonly TapTarget[]> {
  const running = (await readRunFiles()).filter(({ parent }) => parent === undefined || parent === pid);
  if (at !== undefined) return [atAddress(at, running)];
  const wanted = pid === undefined ? running : (await readRunFiles()).filter((file) => file.pid === pid);
  if (wanted.length === 0) {
    const which = pid === undefined ? "no skep runs" : `no skep with the number ${pid} runs`;
    throw new UsageError(
      `${which} from this folder (${runFolder()}): start one, such as \`skep up\`, or name another with --at URL`,
    );
  }
  if (wanted.length > 1 && all !== true) {
    const lines = wanted.map(({ pid: number, startedAt, url, what }) =>
      `  ${what.padEnd(10)} --pid ${String(number).padEnd(8)} --at ${url}  since ${new Date(startedAt).toISOString()}`
    );
    throw new UsageError(`several run here: choose one, or --all to join them\n${lines.join("\n")}`);
  }
  return wanted.map(({ token, url, what }) => ({
    what,
    client: new ControlClient(url, token),
    address: `${url}/?token=${token}`,
  }));
}

/** The token is in the address, in SKEP_CONTROL_TOKEN, or in the file of a process here. */
function atAddress(at: string, running: readonly RunFile[]): TapTarget {
  if (!URL.canParse(at)) throw new UsageError(`--at ${at}: an address such as http://127.0.0.1:9440 is needed`);
  const url = new URL(at);
  const known = running.find((file) => new URL(file.url).host === url.host);
  const token = url.searchParams.get("token") ?? process.env.SKEP_CONTROL_TOKEN ?? known?.token;
  if (token === undefined) {
    throw new UsageError(`--at ${at}: its token is needed, too: in the address (?token=…) or in SKEP_CONTROL_TOKEN`);
  }
  return {
    what: known?.what ?? url.host,
    client: new ControlClient(url.origin, token),
    address: `${url.origin}/?token=${token}`,
  };
}
