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
  /** Older ones that hold an older value of one of its subjects and are still to be said again for others. */
  readonly follows: Set<Unconfirmed>;
  /** Newer ones that have this one in `follows`. */
  readonly followers: Set<Unconfirmed>;
  isConfirmed: boolean;
  sentAt: number;
}

/**
 * Reports that wait for their confirmation. One about several subjects may be overtaken in part; the newer one is said again
 * after it until both are confirmed, since otherwise the older one would bring the old value back.
 */
export class TwinReports {
  readonly #world: ReportsWorld;
  /** By id, oldest first. */
  readonly #unconfirmed = new Map<string, Unconfirmed>();
  /** By subject: the newest message about it. */
  readonly #newest = new Map<string, Unconfirmed>();

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
    const older = new Set(subjects.flatMap((subject) => this.#newest.get(subject) ?? []));
    const said = new Set(subjects);
    const [needless, overtaken] = [[] as Unconfirmed[], [] as Unconfirmed[]];
    for (const each of older) (each.subjects.isSubsetOf(said) ? needless : overtaken).push(each);
    // Where an older one stays, the new one goes after it.
    if (!hub.send(message, needless.map((each) => each.message), overtaken.length === 0)) return;
    const added: Unconfirmed = {
      message,
      subjects: said,
      follows: new Set(overtaken),
      followers: new Set(),
      isConfirmed: false,
      sentAt: clock.now(),
    };
    for (const each of overtaken) each.followers.add(added);
    for (const each of needless) {
      // What it followed is followed by the new one.
      for (const first of each.follows) {
        added.follows.add(first);
        first.followers.add(added);
      }
    }
    for (const subject of subjects) {
      this.#overtake(subject);
      this.#newest.set(subject, added);
    }
    this.#unconfirmed.set(message.header.msg_id, added);
  }

  /** The cloud has confirmed the message with this id. */
  confirmed(id: string): void {
    const known = this.#unconfirmed.get(id);
    if (known === undefined) return;
    known.isConfirmed = true;
    if (known.follows.size === 0) this.#done(known);
  }

  /** Nothing is said again; what still waits for the message limit goes. */
  clear(): void {
    this.#unconfirmed.clear();
    this.#newest.clear();
  }

  /** What is about these subjects, and nothing else, is not said any more. */
  forget(isAbout: (subject: string) => boolean): void {
    for (const subject of [...this.#newest.keys()]) {
      const message = isAbout(subject) ? this.#overtake(subject) : undefined;
      if (message !== undefined) this.#world.hub.forget(message);
    }
  }

  /** The subject is another message's from now on; returns the message that has none left. */
  #overtake(subject: string): Message | undefined {
    const older = this.#newest.get(subject);
    this.#newest.delete(subject);
    older?.subjects.delete(subject);
    if (older?.subjects.size !== 0) return undefined;
    this.#done(older);
    return older.message;
  }

  #done(known: Unconfirmed): void {
    this.#unconfirmed.delete(known.message.header.msg_id);
    for (const subject of known.subjects) this.#newest.delete(subject);
    for (const first of known.follows) first.followers.delete(known);
    for (const follower of known.followers) {
      follower.follows.delete(known);
      if (follower.isConfirmed && follower.follows.size === 0) this.#done(follower);
    }
  }

  /** Says again what was not confirmed in time, with the same ids and in the same order. */
  again(): void {
    const { clock, hub, timings } = this.#world;
    const now = clock.now();
    const said = new Set<Unconfirmed>();
    for (const unconfirmed of this.#unconfirmed.values()) {
      // The wait for a confirmation begins when the message leaves.
      if (hub.holds(unconfirmed.message)) unconfirmed.sentAt = now;
      const isLate = !unconfirmed.isConfirmed && now - unconfirmed.sentAt >= timings.confirm;
      if (!isLate && unconfirmed.follows.isDisjointFrom(said)) continue;
      if (!hub.send(unconfirmed.message)) continue;
      unconfirmed.sentAt = now;
      unconfirmed.isConfirmed = false;
      said.add(unconfirmed);
    }
  }
}
