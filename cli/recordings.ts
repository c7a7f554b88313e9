// `skep diff` and `skep judge`: what differs between two recordings, and whether one shows what must hold.
import { diffRecordings } from "../scenarios/recording/diff.ts";
import { readRecording } from "../scenarios/recording/format.ts";
import { judgeRecording } from "../scenarios/recording/judge.ts";
import { viewOf, wireOf } from "../scenarios/recording/wire.ts";
import { exitCodes, UsageError } from "./failure.ts";

export interface DiffFlags {
  readonly strict?: boolean;
  readonly json?: boolean;
}

const marks = { missing: "-", additional: "+", order: "~", content: "≠" } as const;

/** 0 where nothing differs, 1 where something does. */
export async function diffCommand(a: string, b: string, { json, strict }: DiffFlags): Promise<number> {
  const [one, other] = [await readRecording(a), await readRecording(b)];
  for (const [file, { hops }] of [[a, one], [b, other]] as const) {
    if (wireOf(hops).length === 0) {
      throw new UsageError(`${file}: it has no messages to compare: record at a hub, an edge or a proxy`);
    }
  }
  const diff = diffRecordings(one.hops, other.hops, { isStrict: strict === true });
  const { differences, messages, periodic } = diff;
  if (json) process.stdout.write(`${JSON.stringify(diff)}\n`);
  else {
    for (const { details, kind, message, node } of differences) {
      process.stdout.write(`${marks[kind]} ${kind.padEnd(10)} ${node} ${message}\n`);
      for (const line of details) process.stdout.write(`    ${line}\n`);
    }
    if (periodic.length > 0) {
      process.stdout.write(
        `not compared, since their number depends on the time: ${periodic.join(", ")} (--strict compares it)\n`,
      );
    }
    const seen = `A: ${messages[0]} messages, seen at ${viewOf(one.hops)}; B: ${messages[1]}, at ${viewOf(other.hops)}`;
    const count = differences.length;
    process.stdout.write(
      `${seen}\n${count === 0 ? "nothing differs" : count === 1 ? "1 difference" : `${count} differences`}\n`,
    );
  }
  return differences.length === 0 ? exitCodes.passed : exitCodes.failed;
}

/** 0 where nothing is broken, 1 where something is, 2 where nothing could be judged. */
export async function judgeCommand(file: string, { json }: { readonly json?: boolean }): Promise<number> {
  const { hops } = await readRecording(file);
  const results = judgeRecording(hops);
  if (json) process.stdout.write(`${JSON.stringify({ results })}\n`);
  else {
    for (const { details, name, verdict } of results) {
      process.stdout.write(`${verdict === "broken" ? "✗" : verdict === "held" ? "✓" : "-"} ${name}: ${verdict}\n`);
      for (const line of details) process.stdout.write(`    ${line}\n`);
    }
  }
  if (results.some(({ verdict }) => verdict === "broken")) return exitCodes.failed;
  return results.some(({ verdict }) => verdict === "held") ? exitCodes.passed : exitCodes.couldNotRun;
}
