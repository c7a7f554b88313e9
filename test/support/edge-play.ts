// A captured run's edge side, played message by message against our cloudcore: what the captured cloud said, ours must say.
import { isDeepStrictEqual } from "node:util";
import { sleep } from "../../base/time/clock.ts";
import { resources } from "../../cloud/kube/resource.ts";
import { type KubeObject, textAt } from "../../protocol/apis/kube-object.ts";
import { encodeMessage } from "../../protocol/message/codec.ts";
import type { Message } from "../../protocol/message/message.ts";
import { comparable, contentDifferences, effectsOf, headOf, type Line } from "./captured.ts";
import type { RawEdge } from "./raw-edge.ts";
import { until } from "./until.ts";
import type { Cloud } from "./start.ts";

/** Milliseconds after a step in which nothing more may come. */
const QUIET_MS = 150;
/** Milliseconds after which a message counts as missing, and as left out for a newer one. */
const MISSING_MS = 3000;
const OVERTAKEN_MS = 100;

/** An object as somebody would apply it: what the server adds is left out. */
export function applied(object: KubeObject): KubeObject {
  const { status: _status, ...rest } = structuredClone(object) as Record<string, unknown> & KubeObject;
  const metadata = rest.metadata as unknown as Record<string, unknown>;
  for (const key of ["uid", "resourceVersion", "creationTimestamp", "generation", "managedFields"]) {
    delete metadata[key];
  }
  return rest;
}

/** An update of which a newer message about the same object follows at once may be left out, by Go's queues as by ours. */
function isOvertaken({ route }: Message, later: readonly Message[]): boolean {
  return route.operation === "update" &&
    later.some((next) =>
      next.route.resource === route.resource && ["update", "delete"].includes(next.route.operation ?? "")
    );
}

const recordQueries = [
  ["objectsyncs -A", resources.objectsyncs],
  ["clusterobjectsyncs", resources.clusterobjectsyncs],
] as const;

/** The objects that records name, and whether any version of them has been acknowledged. */
function recordsIn(records: readonly KubeObject[]): string[] {
  return records.map((record) => {
    const isAcked = !["", "0"].includes(textAt(record, "status", "objectResourceVersion"));
    return `${textAt(record, "spec", "objectKind").toLowerCase()}/${textAt(record, "spec", "objectName")}${
      isAcked ? "" : " never"
    }`;
  }).sort();
}

function isSameVersion(one: Message, other: Message): boolean {
  const { resourceversion } = one.header;
  return resourceversion !== undefined && resourceversion === other.header.resourceversion &&
    one.route.resource === other.route.resource && one.route.operation === other.route.operation;
}

/** The order in which a list names its objects says nothing. */
function byName(content: unknown): unknown {
  const nameOf = (object: unknown) => textAt(object, "metadata", "name");
  return Array.isArray(content) ? content.toSorted((a, b) => nameOf(a) < nameOf(b) ? -1 : 1) : content;
}

/** What is played, and how. */
export interface EdgePlayRun {
  readonly lines: readonly Line[];
  readonly connect: () => Promise<RawEdge>;
  /** Heads of messages that ours says besides, on purpose. */
  readonly alsoSaid?: RegExp;
  /** Numbers of lines that ours need not say. */
  readonly optional?: ReadonlySet<number>;
  /** Fields of contents that are no finding, as paths. */
  readonly passedOver?: RegExp;
  /** Whether the captured records are compared, too. */
  readonly hasRecords: boolean;
}

export class EdgePlay {
  readonly #cloud: Cloud;
  #edge: RawEdge | undefined;
  #taken = new Set<Message>();
  readonly #ids = new Map<string, string>();
  readonly #texts = new Map<string, string>();
  readonly findings: string[] = [];

  readonly #run: EdgePlayRun;

  constructor(cloud: Cloud, run: EdgePlayRun) {
    this.#cloud = cloud;
    this.#run = run;
  }

  /** Plays a step. `stimulus` comes first, `at` what comes before a line of that number. */
  async step(
    step: string,
    stimulus: () => Promise<unknown> = () => Promise.resolve(),
    at: Readonly<Record<number, () => Promise<unknown>>> = {},
  ): Promise<void> {
    const mine = this.#run.lines.filter((line) => line.step === step || line.step.startsWith(`${step} `));
    await stimulus();
    for (const [i, line] of mine.entries()) {
      await at[line.seq]?.();
      await this.#line(line, mine.slice(i + 1));
    }
    await sleep(this.#cloud.clock, QUIET_MS);
    const received = this.#edge?.received ?? [];
    const optional = new Set(
      mine.flatMap(({ message, seq }) =>
        message !== undefined && this.#run.optional?.has(seq) === true ? [headOf(message)] : []
      ),
    );
    for (const [i, message] of received.entries()) {
      const later = received.slice(i + 1);
      const isOurs = this.#run.alsoSaid?.test(headOf(message)) === true || optional.has(headOf(message));
      // The sync loop may come by while an acknowledgement is under way, as Go's may: the same version comes once more.
      const isAgain = received.slice(0, i).some((earlier) => isSameVersion(earlier, message));
      if (!this.#taken.has(message) && !isOurs && !isAgain && !isOvertaken(message, later)) {
        this.#finding(step, `additional: ${headOf(message)}`);
      }
      this.#taken.add(message);
    }
    if (this.#run.hasRecords) await this.#compareRecords(step);
  }

  /** What counts as acknowledged: the records of both sides name the same objects. */
  async #compareRecords(step: string): Promise<void> {
    const effects = effectsOf(step);
    for (const [query, resource] of recordQueries) {
      const captured = effects.get(query);
      if (captured === undefined) continue;
      const wanted = recordsIn(captured as readonly KubeObject[]);
      const look = async () => recordsIn((await this.#cloud.kube.list(resource)).items);
      await until(query, async () => isDeepStrictEqual(await look(), wanted), MISSING_MS).catch(async () =>
        this.#finding(step, `${query}: ${wanted.join(", ")} → ${(await look()).join(", ")}`)
      );
    }
  }

  /** The connection breaks without a word. */
  cut(): void {
    this.#edge?.socket.close();
  }

  async #line(line: Line, later: readonly Line[]): Promise<void> {
    if (line.kind === "upgrade" && line.dir === "edge>cloud") {
      this.#edge = await this.#run.connect();
      this.#taken = new Set();
    }
    if (line.kind === "tcp-close" && line.by === "edge") this.cut();
    if (line.kind === "tcp-close" && line.by === "cloud") {
      await until("the cloud closes the connection", () => this.#edge?.ended());
    }
    if (line.kind !== "text" || line.message === undefined) return;
    if (line.dir === "edge>cloud") return this.#send(line.message);
    const toEdge = later.filter(({ dir, kind }) => kind === "text" && dir === "cloud>edge").map((l) =>
      l.message as Message
    );
    if (this.#run.optional?.has(line.seq) === true) return;
    await this.#expect(line, line.message, isOvertaken(line.message, toEdge));
  }

  /** Ids of the cloud's messages, uids and versions of objects are this run's. */
  #send(message: Message): void {
    const text = encodeMessage(message);
    const translated = [...this.#ids, ...this.#texts].reduce((all, [old, mine]) => all.replaceAll(old, mine), text);
    this.#edge?.sendText(translated);
  }

  async #expect({ seq, step }: Line, captured: Message, mayBeOvertaken: boolean): Promise<void> {
    const parent = captured.header.parent_msg_id;
    const isIt = (message: Message) =>
      !this.#taken.has(message) && message.route.operation === captured.route.operation &&
      message.route.resource === captured.route.resource &&
      (message.header.parent_msg_id ?? "") === (this.#ids.get(parent ?? "") ?? parent ?? "");
    const wait = mayBeOvertaken ? OVERTAKEN_MS : MISSING_MS;
    const ours = await until(headOf(captured), () => this.#edge?.received.find(isIt), wait).catch(() => undefined);
    if (ours === undefined && mayBeOvertaken) return;
    if (ours === undefined) return this.#finding(step, `missing (${seq}): ${headOf(captured)}`);
    this.#taken.add(ours);
    this.#ids.set(captured.header.msg_id, ours.header.msg_id);
    this.#learn(captured.content, ours.content);
    if (headOf(captured) !== headOf(ours)) this.#finding(step, `head (${seq}): ${headOf(captured)} → ${headOf(ours)}`);
    for (
      const difference of contentDifferences(comparable(byName(captured.content)), comparable(byName(ours.content)))
    ) {
      const path = difference.slice(0, difference.indexOf(":"));
      if (this.#run.passedOver?.test(path) === true) continue;
      this.#finding(step, `content (${seq}) ${captured.route.operation} ${captured.route.resource}: ${difference}`);
    }
  }

  /** Which uid and which version stand for which. */
  #learn(captured: unknown, ours: unknown): void {
    const meta = (content: unknown) =>
      ((content as { Object?: KubeObject })?.Object ?? content as KubeObject | null)?.metadata;
    const [theirs, mine] = [meta(captured), meta(ours)];
    if (theirs?.uid !== undefined && mine?.uid !== undefined) this.#texts.set(theirs.uid, mine.uid);
    if (theirs?.resourceVersion !== undefined && mine?.resourceVersion !== undefined) {
      this.#texts.set(`"resourceVersion":"${theirs.resourceVersion}"`, `"resourceVersion":"${mine.resourceVersion}"`);
    }
  }

  #finding(step: string, what: string): void {
    this.findings.push(`${step.slice(0, 2)} ${what}`);
  }
}
