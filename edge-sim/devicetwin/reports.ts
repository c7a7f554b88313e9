// What a twin says to the cloud: sent at once, and again from time to time until it is confirmed.
import type { Clock } from "../../base/time/clock.ts";
import { type Message, newMessage } from "../../protocol/message/message.ts";
import { edgeModules, groups, operations } from "../../protocol/message/names.ts";
import type { EdgeHub } from "../edgehub/edgehub.ts";

/** What it needs from outside. */
export interface ReportsWorld {
  readonly hub: EdgeHub;
  readonly clock: Clock;
}

export class TwinReports {
  readonly #world: ReportsWorld;
  /** The newest unconfirmed report of each property or state: an older one sent again would undo it. */
  readonly #unconfirmed = new Map<string, Message>();
  readonly #subjects = new Map<string, string>();

  constructor(world: ReportsWorld) {
    this.#world = world;
  }

  /** Sends what nobody confirms. Undefined where there is no connection: then it is lost, as with edgecore. */
  send(operation: string, resource: string, content: unknown): Message | undefined {
    const { clock, hub } = this.#world;
    const message = newMessage(clock.now(), {
      source: edgeModules.twin,
      group: groups.resource,
      operation,
      resource,
      content,
    });
    return hub.send(message) ? message : undefined;
  }

  /** Sends what the cloud confirms; `subject` is what it is about. */
  report(subject: string, resource: string, content: unknown, operation: string = operations.update): void {
    const message = this.send(operation, resource, content);
    if (message === undefined) return;
    const overtaken = this.#unconfirmed.get(subject);
    if (overtaken !== undefined) this.#subjects.delete(overtaken.header.msg_id);
    this.#unconfirmed.set(subject, message);
    this.#subjects.set(message.header.msg_id, subject);
  }

  /** The cloud has confirmed the message with this id. */
  confirmed(id: string): void {
    const subject = this.#subjects.get(id) ?? "";
    this.#subjects.delete(id);
    if (this.#unconfirmed.get(subject)?.header.msg_id === id) this.#unconfirmed.delete(subject);
  }

  /** What is about these subjects is not said again. */
  forget(isAbout: (subject: string) => boolean): void {
    for (const [subject, { header }] of this.#unconfirmed) {
      if (!isAbout(subject)) continue;
      this.#unconfirmed.delete(subject);
      this.#subjects.delete(header.msg_id);
    }
  }

  /** Says again what was not confirmed, with the same ids. */
  again(): void {
    for (const message of this.#unconfirmed.values()) this.#world.hub.send(message);
  }
}
