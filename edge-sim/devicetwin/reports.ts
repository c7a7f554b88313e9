// A twin's reports to the cloud: sent at once, and again from time to time until they are confirmed.
import { randomUUID } from "node:crypto";
import type { Clock } from "../../base/time/clock.ts";
import { type Message, newMessage } from "../../protocol/message/message.ts";
import { edgeModules, groups, operations } from "../../protocol/message/names.ts";
import type { EdgeHub } from "../edgehub/edgehub.ts";
import type { EdgeTimings } from "../timings/timings.ts";

/** Injected dependencies. */
export interface ReportsDeps {
  readonly hub: EdgeHub;
  readonly clock: Clock;
  readonly timings: EdgeTimings;
}

interface Unconfirmed {
  message: Message;
  /** Its subjects, without those that a newer message reports. */
  readonly subjects: Set<string>;
  /** Older messages with an older value of one of its subjects that must still be resent for their other subjects. */
  readonly follows: Set<Unconfirmed>;
  /** Newer ones that have this one in `follows`. */
  readonly followers: Set<Unconfirmed>;
  /** Ids of its copies, oldest first, with the turns in which they were first sent. */
  readonly copies: Map<string, number>;
  /** The turn of its last copy. */
  lastTurn: number;
  /** Copies up to this turn may have arrived before an older message that they follow: ignore their confirmations. */
  settledAfter: number;
  isConfirmed: boolean;
  sentAt: number;
}

/** Copies of one report whose answers are recognised. */
const MAX_COPIES = 16;

/**
 * Reports that wait for their confirmation. One about several subjects may be overtaken in part; the newer one is sent again
 * after it until both are confirmed, since otherwise the older one would bring the old value back.
 */
export class TwinReports {
  readonly #deps: ReportsDeps;
  /** Oldest first. */
  readonly #unconfirmed = new Set<Unconfirmed>();
  readonly #byId = new Map<string, Unconfirmed>();
  /** By subject: the newest message about it. */
  readonly #newest = new Map<string, Unconfirmed>();
  #turn = 0;

  constructor(deps: ReportsDeps) {
    this.#deps = deps;
  }

  /**
   * Sends what the cloud confirms. `subjects` are what it is about; a message with nothing left that a newer one doesn't say is
   * forgotten. Without a connection it is lost, as with edgecore.
   */
  report(subjects: readonly string[], resource: string, content: unknown, operation: string = operations.update): void {
    const { clock, hub } = this.#deps;
    const message = newMessage(clock.now(), {
      source: edgeModules.twin,
      group: groups.resource,
      operation,
      resource,
      content,
    });
    const older = new Set(subjects.flatMap((subject) => this.#newest.get(subject) ?? []));
    const own = new Set(subjects);
    const [needless, overtaken] = [[] as Unconfirmed[], [] as Unconfirmed[]];
    for (const each of older) (each.subjects.isSubsetOf(own) ? needless : overtaken).push(each);
    // Where an older one stays, the new one goes after it.
    if (!hub.send(message, needless.map((each) => each.message), overtaken.length === 0)) return;
    const turn = ++this.#turn;
    const added: Unconfirmed = {
      message,
      subjects: own,
      follows: new Set(overtaken),
      followers: new Set(),
      copies: new Map([[message.header.msg_id, turn]]),
      lastTurn: turn,
      settledAfter: 0,
      isConfirmed: false,
      sentAt: clock.monotonic(),
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
    this.#unconfirmed.add(added);
    this.#byId.set(message.header.msg_id, added);
  }

  /** The cloud has confirmed the message with this id. */
  confirmed(id: string): void {
    const known = this.#byId.get(id);
    if (known === undefined) return;
    const turn = known.copies.get(id) ?? 0;
    const isLast = turn > known.settledAfter && [...known.follows].every((first) => first.lastTurn < turn);
    // An older message may arrive after this copy: wait for the confirmation of a later copy.
    if (!isLast) return;
    known.isConfirmed = true;
    // A copy that still waits for the message limit is not needed any more.
    this.#deps.hub.forget(known.message);
    if (known.follows.size === 0) this.#done(known);
  }

  /** Stops all resends; messages that wait for the message limit are still sent. */
  clear(): void {
    this.#unconfirmed.clear();
    this.#byId.clear();
    this.#newest.clear();
  }

  /** Drops the messages that are only about these subjects. */
  forget(isAbout: (subject: string) => boolean): void {
    for (const subject of [...this.#newest.keys()]) {
      const message = isAbout(subject) ? this.#overtake(subject) : undefined;
      if (message !== undefined) this.#deps.hub.forget(message);
    }
  }

  /** Removes the subject from its newest message; returns that message if it has no subject left. */
  #overtake(subject: string): Message | undefined {
    const older = this.#newest.get(subject);
    this.#newest.delete(subject);
    older?.subjects.delete(subject);
    if (older?.subjects.size !== 0) return undefined;
    this.#done(older);
    return older.message;
  }

  #done(known: Unconfirmed): void {
    this.#unconfirmed.delete(known);
    for (const id of known.copies.keys()) this.#byId.delete(id);
    for (const subject of known.subjects) this.#newest.delete(subject);
    for (const first of known.follows) first.followers.delete(known);
    // Its followers now follow its predecessors: those may still be resent.
    for (const follower of known.followers) {
      follower.follows.delete(known);
      follower.settledAfter = Math.max(follower.settledAfter, known.lastTurn, known.settledAfter);
      for (const first of known.follows) {
        follower.follows.add(first);
        first.followers.add(follower);
      }
      if (follower.isConfirmed && follower.follows.size === 0) this.#done(follower);
    }
  }

  /**
   * Sends again what was not confirmed in time, in the same order and with the same ids. Only where the order with another message
   * counts a copy gets a new id, which tells its answer from those of earlier copies.
   */
  again(): void {
    const { clock, hub, timings } = this.#deps;
    const now = clock.monotonic();
    const repeated = new Set<Unconfirmed>();
    for (const unconfirmed of this.#unconfirmed) {
      // The wait for a confirmation begins when the message leaves.
      if (hub.holds(unconfirmed.message)) unconfirmed.sentAt = now;
      const isLate = !unconfirmed.isConfirmed && now - unconfirmed.sentAt >= timings.confirm;
      if (!isLate && unconfirmed.follows.isDisjointFrom(repeated)) continue;
      unconfirmed.isConfirmed = false;
      repeated.add(unconfirmed);
      // Requeue a waiting copy behind the messages that it follows.
      hub.forget(unconfirmed.message);
      this.#copy(unconfirmed);
      if (hub.send(unconfirmed.message)) unconfirmed.sentAt = now;
    }
  }

  #copy(unconfirmed: Unconfirmed): void {
    const { copies, followers, follows, message, settledAfter } = unconfirmed;
    const { header } = message;
    unconfirmed.lastTurn = ++this.#turn;
    const isOrdered = follows.size + followers.size > 0 || (copies.get(header.msg_id) ?? 0) <= settledAfter;
    if (!isOrdered) return;
    const msg_id = randomUUID();
    unconfirmed.message = { ...message, header: { ...header, msg_id } };
    copies.set(msg_id, unconfirmed.lastTurn);
    this.#byId.set(msg_id, unconfirmed);
    const [oldest] = copies.keys();
    if (copies.size <= MAX_COPIES || oldest === undefined) return;
    copies.delete(oldest);
    this.#byId.delete(oldest);
  }
}
