// A captured run's cloud side, played message by message against our edge: what the captured edge sent, ours must send.
import { readFileSync } from "node:fs";
import type { MessageSocket } from "../../base/transport/message-socket.ts";
import { decodeMessage, encodeMessage } from "../../protocol/message/codec.ts";
import type { Message } from "../../protocol/message/message.ts";
import { comparable, contentDifferences, headOf, type Line } from "./captured.ts";
import { until } from "./until.ts";

const MISSING_MS = 3000;
const QUIET_MS = 300;

const { edge: exceptions } = JSON.parse(
  readFileSync(new URL("../wire/captured-exceptions.json", import.meta.url), "utf8"),
) as { readonly edge: Readonly<Record<string, string>> };

/** What comes by the clock and not by a step: it is answered as it comes and compared kind by kind. */
function isPeriodic({ route }: Message): boolean {
  return route.operation === "keepalive" || (route.resource ?? "").includes("/lease/");
}

/** The cloud's part: accepts the edge, and says what the captured cloud said. */
export class CloudPlay {
  readonly findings: string[] = [];
  readonly #lines: readonly Line[];
  #socket: MessageSocket | undefined;
  #received: Message[] = [];
  #taken = new Set<Message>();
  readonly #ids = new Map<string, string>();
  readonly #leases = new Map<string, Message>();

  readonly #unlooked: RegExp | undefined;

  /** `unlooked` are the resources of messages that the recorded edge had no part for. */
  constructor(lines: readonly Line[], unlooked?: RegExp) {
    this.#lines = lines;
    this.#unlooked = unlooked;
  }

  accept(socket: MessageSocket): void {
    this.#socket = socket;
    this.#received = [];
    this.#taken = new Set();
    socket.onMessage((text) => {
      const message = decodeMessage(text);
      if (this.#unlooked?.test(message.route.resource ?? "") === true && message.route.operation !== "response") return;
      if (isPeriodic(message)) this.#periodic(message);
      else this.#received.push(message);
    });
    socket.onClose(() => this.#socket = undefined);
  }

  get isConnected(): boolean {
    return this.#socket !== undefined;
  }

  /**
   * Plays a step. `stimulus` is what happens at the edge itself, `at` what happens at its further marks, `before` what happens
   * before the line of that number.
   */
  async step(
    step: string,
    stimulus: () => unknown = () => {},
    at: Readonly<Record<string, () => unknown>> = {},
    before: Readonly<Record<number, () => unknown>> = {},
  ): Promise<void> {
    const mine = this.#lines.filter((l) => l.step === step || l.step.startsWith(`${step} `));
    const open = mine.filter(({ dir, kind, message }) =>
      dir === "edge>cloud" && kind === "text" && message !== undefined && !isPeriodic(message)
    );
    await stimulus();
    const wanted: Line[] = [];
    for (const line of mine) {
      if (line.kind === "mark") await at[line.mark ?? ""]?.();
      if (before[line.seq] !== undefined) {
        await this.#pair(wanted, mine);
        await before[line.seq]?.();
      }
      if (line.kind === "tcp-close") await this.#pair(wanted, mine);
      await this.#connection(line);
      if (open.includes(line)) wanted.push(line);
      // What answers a request goes out with it (`#pair`); what comes by itself, when all that came before it is there.
      const isPush = line.dir === "cloud>edge" && line.kind === "text" &&
        line.message?.header.parent_msg_id === undefined;
      if (isPush) {
        await this.#pair(wanted, mine);
        this.#send(line.message as Message);
      }
    }
    await this.#pair(wanted, mine);
    await new Promise((resolve) => setTimeout(resolve, QUIET_MS));
    for (const message of this.#received) {
      if (!this.#taken.has(message)) this.#finding(step, `additional: ${headOf(message)}`);
      this.#taken.add(message);
    }
  }

  /** Finds the equal of each wanted message, whichever comes first, and says what the captured cloud answered. */
  async #pair(wanted: Line[], mine: readonly Line[]): Promise<void> {
    const next = () => {
      for (const [i, line] of wanted.entries()) {
        const ours = this.#equalOf(line.message as Message);
        if (ours === undefined) continue;
        wanted.splice(i, 1);
        this.#taken.add(ours);
        this.#ids.set(line.message?.header.msg_id ?? "", ours.header.msg_id);
        this.#compare(`${line.step.slice(0, 2)} (${line.seq})`, line.message as Message, ours);
        const answer = mine.find(({ dir, message }) =>
          dir === "cloud>edge" && line.message?.header.msg_id !== "" &&
          message?.header.parent_msg_id === line.message?.header.msg_id
        );
        if (answer?.message !== undefined) this.#send(answer.message);
        return true;
      }
      return false;
    };
    while (wanted.length > 0 && await until("an equal", next, MISSING_MS).catch(() => false));
    for (const { seq, step, message } of wanted.splice(0)) {
      this.#finding(step.slice(0, 2), `missing (${seq}): ${headOf(message as Message)}`);
    }
  }

  #equalOf(captured: Message): Message | undefined {
    return this.#received.find((message) =>
      !this.#taken.has(message) && message.route.operation === captured.route.operation &&
      message.route.resource === captured.route.resource &&
      (message.header.parent_msg_id ?? "") === (captured.header.parent_msg_id ?? "")
    );
  }

  /** What the edge sends by the clock, by operation: the captured of that operation answers and is compared with. */
  #periodic(message: Message): void {
    const { operation, resource } = message.route;
    if (operation === "response") return;
    const isFirst = !this.#leases.has(operation ?? "");
    this.#leases.set(operation ?? "", message);
    const asked = this.#lines.find(({ dir, message: m, seq }) =>
      dir === "edge>cloud" && m?.route.operation === operation && m?.route.resource === resource &&
      (operation !== "query" || isFirst || seq > FIRST_LEASE)
    )?.message;
    if (asked === undefined) return this.#finding("--", `additional: ${headOf(message)}`);
    if (isFirst) this.#compare("--", asked, message);
    const answer = this.#lines.find(({ message: m }) => m?.header.parent_msg_id === asked.header.msg_id)?.message;
    if (answer !== undefined) this.#send(answer, message.header.msg_id);
  }

  async #connection(line: Line): Promise<void> {
    if (line.kind === "upgrade" && line.dir === "edge>cloud") {
      await until("the edge connects", () => this.isConnected);
    }
    if (line.kind === "tcp-close" && line.by === "cloud") this.#socket?.close();
    if (line.kind === "tcp-close" && line.by === "edge") await until("the edge closes", () => !this.isConnected);
  }

  #send(message: Message, parent = this.#ids.get(message.header.parent_msg_id ?? "")): void {
    const header = parent === undefined ? message.header : { ...message.header, parent_msg_id: parent };
    this.#socket?.send(encodeMessage({ ...message, header }));
  }

  #compare(where: string, captured: Message, ours: Message): void {
    if (headOf(captured) !== headOf(ours)) this.#finding(where, `${headOf(captured)} → ${headOf(ours)}`);
    for (const difference of contentDifferences(comparable(captured.content), comparable(ours.content))) {
      const path = difference.slice(0, difference.indexOf(":"));
      const isKnown = Object.keys(exceptions).some((key) => new RegExp(`^${key}$`).test(path));
      if (!isKnown) this.#finding(where, `${captured.route.operation} ${captured.route.resource}: ${difference}`);
    }
  }

  #finding(where: string, what: string): void {
    this.findings.push(`${where} ${what}`);
  }
}

/** The line before which the edge asked for a lease that was not there yet. */
const FIRST_LEASE = 100;
