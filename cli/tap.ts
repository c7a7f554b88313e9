// `skep tap`: the messages of what runs in this folder, or of a recording: followed, explained, counted, recorded.
import { ControlError } from "../base/control/server.ts";
import { compileHopFilter } from "../base/hop/filter.ts";
import type { HopRecord } from "../base/hop/hop.ts";
import { maskHop } from "../protocol/message/mask.ts";
import { readRecording, type Recording, RecordingWriter } from "../scenarios/recording/format.ts";
import { describeHop } from "../scenarios/report/hop-line.ts";
import { chainOf, historyOf, sorted } from "../scenarios/tap/chain.ts";
import { filterOf, type FilterWords } from "../scenarios/tap/filter-words.ts";
import { describeObject, parseObject } from "../scenarios/tap/objects.ts";
import { JoinedSource, RemoteSource } from "../scenarios/tap/remote.ts";
import { HopStats, statsTable } from "../scenarios/tap/stats.ts";
import { timeLine } from "../scenarios/tap/time-line.ts";
import { explain, type Why } from "../scenarios/tap/why.ts";
import { UsageError } from "./failure.ts";
import { interruption } from "./interrupt.ts";
import { type TapTarget, tapTargets } from "./tap-targets.ts";

export interface TapFlags extends FilterWords {
  readonly at?: string;
  readonly pid?: number;
  readonly all?: boolean;
  readonly follow?: string;
  readonly why?: string;
  readonly stats?: boolean;
  readonly console?: boolean;
  readonly last?: number;
  readonly once?: boolean;
  readonly json?: boolean;
  readonly output?: string;
  readonly reveal?: boolean;
}

/** Hops of the past that are shown before what comes. */
const LAST = 20;
const EVERYTHING = 1e15 - 1;
/** Milliseconds between two tables of `--stats`. */
const TABLE_MS = 1000;

export async function tapCommand(file: string | undefined, flags: TapFlags): Promise<number> {
  const filter = filterOf(flags);
  // A wrong filter is refused before anything is asked.
  compileHopFilter(filter);
  if (flags.why !== undefined) {
    if (flags.edge === undefined) {
      throw new UsageError("--why needs --edge NODE: the edge that the object is missing on");
    }
    parsed(flags.why);
  }
  if (file !== undefined) {
    if (flags.why !== undefined) {
      throw new UsageError("--why asks what runs; a recording answers with --follow KIND/NAMESPACE/NAME");
    }
    return await showRecording(await readRecording(file), filter, flags);
  }
  const targets = await tapTargets(flags);
  if (flags.console === true) {
    for (const { address, what } of targets) {
      process.stdout.write(`${targets.length > 1 ? `${what} ` : ""}${address}\n`);
    }
    return 0;
  }
  const name = targets.map(({ what }) => what).join(" and ");
  if (flags.why !== undefined) return await showWhy(targets, flags.why, flags.edge as string, flags);
  if (flags.follow !== undefined) return show(await followed(targets, flags.follow, flags), flags.follow, flags);
  if (flags.stats === true) return await showStats(targets, filter, flags);
  return await followAll(targets, filter, name, flags);
}

/** Every hop that fits, as it comes. */
async function followAll(
  targets: readonly TapTarget[],
  filter: string,
  name: string,
  flags: TapFlags,
): Promise<number> {
  const { code, signal } = interruption();
  const writer = flags.output === undefined
    ? undefined
    : new RecordingWriter(flags.output, `skep ${name}`, flags.reveal !== true);
  const take = (hop: HopRecord) => {
    writer?.write(hop);
    if (writer === undefined) process.stdout.write(`${flags.json ? JSON.stringify(hop) : describeHop(hop)}\n`);
  };
  const query = {
    where: filter,
    last: flags.last ?? (flags.once ? EVERYTHING : writer === undefined ? LAST : 0),
    follows: flags.once !== true,
    reveal: flags.reveal === true,
  };
  const readings = targets.map(async ({ client }) => {
    const offset = targets.length === 1 ? 0 : await client.clockOffset();
    await client.hops(query, (hop) => take({ ...hop, time: hop.time - offset }), signal).catch((error) => {
      if (!signal.aborted) throw error;
    });
  });
  if (flags.once !== true) process.stderr.write(`following ${name}; Ctrl-C ends\n`);
  await Promise.all(readings);
  await writer?.close();
  if (writer !== undefined) process.stderr.write(`${writer.count} hops are in ${flags.output}\n`);
  // A recording is ended by Ctrl-C: that is its good end.
  return writer === undefined ? code() ?? 0 : 0;
}

async function followed(targets: readonly TapTarget[], what: string, { edge, reveal }: TapFlags): Promise<HopRecord[]> {
  const query = what.includes("/") ? { object: what } : { id: what };
  if (reveal === true) return within(await everything(targets), what, edge);
  const path = what.includes("/") ? "/api/history" : "/api/chain";
  if (what.includes("/")) parsed(what);
  const answers = await Promise.all(targets.map(async ({ client }) => {
    const offset = targets.length === 1 ? 0 : await client.clockOffset();
    const { hops } = await client.get<{ readonly hops: HopRecord[] }>(
      path,
      { ...query, ...(edge === undefined ? {} : { edge }) } as Record<string, string>,
    );
    return hops.map((hop) => ({ ...hop, time: hop.time - offset }));
  }));
  return sorted(answers.flat());
}

/** Everything that is still there, with secrets in the clear. */
async function everything(targets: readonly TapTarget[]): Promise<HopRecord[]> {
  const found: HopRecord[] = [];
  for (const { client } of targets) {
    await client.hops(
      { last: EVERYTHING, follows: false, reveal: true },
      (hop) => found.push(hop),
      AbortSignal.timeout(60_000),
    );
  }
  return sorted(found);
}

function within(hops: readonly HopRecord[], what: string, edge = ""): HopRecord[] {
  if (!what.includes("/")) return chainOf(hops, what, edge);
  return historyOf(hops, parsed(what)).filter(({ node }) => edge === "" || node === edge || node === "");
}

function show(hops: readonly HopRecord[], what: string, { json }: TapFlags): number {
  if (json) { for (const hop of hops) process.stdout.write(`${JSON.stringify(hop)}\n`); }
  else {
    const title = what.includes("/") ? describeObject(parsed(what)) : `message ${what}`;
    process.stdout.write(`${timeLine(hops, title).join("\n")}\n`);
  }
  return hops.length === 0 ? 1 : 0;
}

async function showWhy(
  targets: readonly TapTarget[],
  object: string,
  edge: string,
  { json }: TapFlags,
): Promise<number> {
  const [target, ...others] = targets as [TapTarget, ...TapTarget[]];
  const why = others.length === 0 ? await target.client.get<Why>("/api/why", { object, edge }) : explain({
    ref: parsed(object),
    node: edge,
    where: await new JoinedSource(() => targets.map(({ client }) => new RemoteSource(client))).delivery(
      parsed(object),
      edge,
    ),
    history: (await everything(targets)).map(maskHop),
    now: Date.now(),
  });
  if (json) process.stdout.write(`${JSON.stringify(why)}\n`);
  else process.stdout.write(`${whyLines(why).join("\n")}\n`);
  return why.reason === "delivered" ? 0 : 1;
}

function whyLines({ answer, evidence, hops, next }: Why): string[] {
  return [
    answer,
    ...evidence.map((line) => `  because: ${line}`),
    ...(next === "" ? [] : [`  try: ${next}`]),
    ...(hops.length === 0 ? [] : ["  the last that was seen:", ...hops.map((hop) => `    ${describeHop(hop)}`)]),
  ];
}

/** On a terminal a table that is renewed until Ctrl-C; otherwise one table of what is still there. */
async function showStats(targets: readonly TapTarget[], filter: string, flags: TapFlags): Promise<number> {
  const { code, signal } = interruption();
  const stats = new HopStats();
  const isLive = process.stdout.isTTY === true && flags.json !== true && flags.once !== true;
  const readings = targets.map(({ client }) =>
    client.hops({ where: filter, last: EVERYTHING, follows: isLive }, (hop) => stats.add(hop), signal).catch(
      (error) => {
        if (!signal.aborted) throw error;
      },
    )
  );
  if (isLive) {
    const draw = () => {
      const height = Math.max(5, (process.stdout.rows || 24) - 4);
      process.stdout.write(`\u001b[H\u001b[J${statsTable(stats.rows(), height).join("\n")}\n`);
    };
    const timer = setInterval(draw, TABLE_MS);
    signal.addEventListener("abort", () => clearInterval(timer));
  }
  await Promise.all(readings);
  if (!isLive) printStats(stats, flags);
  return code() ?? 0;
}

function printStats(stats: HopStats, { json }: TapFlags): void {
  process.stdout.write(json ? `${JSON.stringify(stats.rows())}\n` : `${statsTable(stats.rows(), 1000).join("\n")}\n`);
}

async function showRecording({ header, hops: all }: Recording, filter: string, flags: TapFlags): Promise<number> {
  const wanted = compileHopFilter(filter);
  if (flags.follow !== undefined) return show(within(all, flags.follow, flags.edge), flags.follow, flags);
  const hops = all.filter(wanted);
  if (flags.stats === true) {
    const stats = new HopStats();
    for (const hop of hops) stats.add(hop);
    printStats(stats, flags);
    return 0;
  }
  if (flags.output !== undefined) {
    const writer = new RecordingWriter(flags.output, header.of, header.isMasked);
    for (const hop of hops) writer.write(hop);
    await writer.close();
    process.stderr.write(`${writer.count} of ${all.length} hops are in ${flags.output}\n`);
    return 0;
  }
  for (const hop of flags.last === undefined ? hops : hops.slice(-flags.last)) {
    process.stdout.write(`${flags.json ? JSON.stringify(hop) : describeHop(hop)}\n`);
  }
  return 0;
}

/** The object that a flag names. Throws UsageError. */
function parsed(text: string) {
  try {
    return parseObject(text);
  } catch (error) {
    if (error instanceof ControlError) throw new UsageError(error.message);
    throw error;
  }
}
