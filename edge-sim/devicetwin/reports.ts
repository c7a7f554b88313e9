// What a twin says to the cloud: sent at once, and again from time to time until it is confirmed.
import type { Clock } from "../../base/time/clock.ts";
import { type Message, newMessage } from "../../protocol/message/message.ts";
import { edgeModules, groups, operations } from "../../protocol/message/names.ts";
import type { EdgeHub } from "../edgehub/edgehub.ts";
import type { EdgeTimings } from "../timings.ts";

/** What it needs from outside. */
export interface ReportsWorld {
  readonly hub: EdgeHub;
  readonly clock: Clock;
  readonly timings: EdgeTimings;
}

interface Unconfirmed {
  readonly message: Message;
  /** What it is about and no newer message is. */
  readonly subjects: Set<string>;
  sentAt: number;
}

export class TwinReports {
  readonly #world: ReportsWorld;
  /** By id, in the order in which they were sent: said again in another one, old values would undo new ones. */
  readonly #unconfirmed = new Map<string, Unconfirmed>();
  /** By subject: the id of the newest message about it. */
  readonly #newest = new Map<string, string>();

  constructor(world: ReportsWorld) {
    this.#world = world;
  }

  /**
   * Sends what the cloud confirms. `subjects` are what it is about; a message with nothing left that a newer one doesn't say is
   * forgotten. Without a connection it is lost, as with edgecore.
   */
  report(subjects: readonly string[], resource: string, content: unknown, operation: string = operations.update): void {
    const { clock, hub } = this.#world;
    const message = newMessage(clock.now(), {
      source: edgeModules.twin,
      group: groups.resource,
      operation,
      resource,
      content,
    });
    const older = this.#madeNeedlessBy(subjects);
    if (!hub.send(message, older?.message)) return;
    const { msg_id: id } = message.header;
    for (const subject of subjects) {
      this.#overtake(subject);
      this.#newest.set(subject, id);
    }
    this.#unconfirmed.set(id, { message, subjects: new Set(subjects), sentAt: clock.now() });
  }

  /** The cloud has confirmed the message with this id. */
  confirmed(id: string): void {
    const known = this.#unconfirmed.get(id);
    this.#unconfirmed.delete(id);
    for (const subject of known?.subjects ?? []) this.#newest.delete(subject);
  }

  /** What is about these subjects is not said again. */
  forget(isAbout: (subject: string) => boolean): void {
    for (const subject of [...this.#newest.keys()]) if (isAbout(subject)) this.#overtake(subject);
  }

  /** The unconfirmed message that says nothing beyond these subjects: where it still waits, the new one takes its place. */
  #madeNeedlessBy(subjects: readonly string[]): Unconfirmed | undefined {
    const known = this.#unconfirmed.get(this.#newest.get(subjects[0] ?? "") ?? "");
    return known !== undefined && known.subjects.isSubsetOf(new Set(subjects)) ? known : undefined;
  }

  #overtake(subject: string): void {
    const id = this.#newest.get(subject) ?? "";
    this.#newest.delete(subject);
    const older = this.#unconfirmed.get(id);
    older?.subjects.delete(subject);
    if (older?.subjects.size === 0) this.#unconfirmed.delete(id);
  }

  /** Says again what was not confirmed in time, with the same ids and in the same order. */
  again(): void {
    const { clock, hub, timings } = this.#world;
    const now = clock.now();
    for (const unconfirmed of this.#unconfirmed.values()) {
      // The wait for a confirmation begins when the message leaves.
      if (hub.holds(unconfirmed.message)) unconfirmed.sentAt = now;
      if (now - unconfirmed.sentAt < timings.confirm || !hub.send(unconfirmed.message)) continue;
      unconfirmed.sentAt = now;
    }
  }
}
