// What an edge publishes by MQTT about its devices: memberships, twins, states, refusals.
import { randomUUID } from "node:crypto";
import type { Clock } from "../../base/time/clock.ts";
import { isPlainObject, textAt } from "../../protocol/apis/kube-object.ts";
import { deviceTopic, nodeTopic } from "../../protocol/twin/topics.ts";
import type { MembershipDevice, MsgAttr } from "../../protocol/twin/twin.ts";
import type { Member } from "./member.ts";
import type { EdgeEra } from "../era/edge-era.ts";
import type { TwinChanges } from "./twin-table.ts";

/** Injected dependencies. */
export interface TwinPublicationsDeps {
  readonly node: string;
  readonly era: EdgeEra;
  readonly clock: Clock;
  /** To the mappers, by MQTT; undefined without a broker: payloads are not built then. */
  readonly publish: ((topic: string, payload: string) => void) | undefined;
}

export class TwinPublications {
  readonly #deps: TwinPublicationsDeps;

  constructor(deps: TwinPublicationsDeps) {
    this.#deps = deps;
  }

  /** The answer to a mapper that asks for all devices of the node. */
  members(members: Iterable<Member>, payload: string): void {
    const { clock, node } = this.#deps;
    const asked = jsonIn(payload);
    const topic = nodeTopic(node, "membership/get/result");
    const now = clock.now();
    const devices = [...members].map(({ attributes, description, id, name, state }) => ({
      id,
      name,
      ...(description === "" ? {} : { description }),
      ...(state === "" ? {} : { state }),
      ...(Object.keys(attributes).length === 0 ? {} : { attributes }),
    }));
    this.#deps.publish?.(
      topic,
      JSON.stringify(
        asked === undefined
          ? failure("", now, 400, `Unmarshal get membership info ${payload} failed`)
          : { event_id: textAt(asked, "event_id"), timestamp: now, devices },
      ),
    );
  }

  /** The answer to a mapper that asks for the twins of a device; `member` is undefined for an unknown one. */
  twin(id: string, member: Member | undefined, payload: string): void {
    const { clock } = this.#deps;
    const asked = jsonIn(payload);
    const event = textAt(asked, "event_id");
    const now = clock.now();
    const answer = asked === undefined
      ? failure("", now, 400, `Unmarshal twin info ${payload} failed`)
      : member === undefined
      ? failure(event, now, 404, `Device ${id} not found while getting twin`)
      : { event_id: event, timestamp: now, twin: member.twins.visible() };
    this.#deps.publish?.(deviceTopic(id, "twin/get/result"), JSON.stringify(answer));
  }

  /** Devices were added to the node, or removed from it. */
  membership(added: readonly MembershipDevice[], removed: readonly { readonly id: string }[]): void {
    const { clock, node } = this.#deps;
    this.#deps.publish?.(
      nodeTopic(node, "membership/updated"),
      JSON.stringify({
        ...newEvent(clock.now()),
        added_devices: added.length === 0 ? null : added.map(membershipOf),
        removed_devices: removed.length === 0 ? null : removed,
      }),
    );
  }

  /** An update of a twin was refused. Returns the reason. */
  refusal(id: string, event: string, code: number, reason: string): string {
    this.#deps.publish?.(
      deviceTopic(id, "twin/update/result"),
      JSON.stringify(failure(event, this.#deps.clock.now(), code, reason)),
    );
    return reason;
  }

  /** Attributes of a device have changed. */
  attributes(id: string, changed: Readonly<Record<string, MsgAttr | null>>): void {
    const payload = () => JSON.stringify({ event_id: "", timestamp: this.#deps.clock.now(), attributes: changed });
    this.#deps.publish?.(deviceTopic(id, "updated"), payload());
  }

  /** The answer to a mapper that updated twins. */
  updated(id: string, result: TwinChanges["result"], event: string, now: number): void {
    const payload = () => JSON.stringify({ event_id: event, timestamp: now, twin: result });
    this.#deps.publish?.(deviceTopic(id, "twin/update/result"), payload());
  }

  /** The twins before and after a change, and then what differs from what is desired, as edgecore orders them. */
  changes({ id, twins }: Member, document: TwinChanges["document"], event: string, now: number): void {
    const { era, publish } = this.#deps;
    if (publish === undefined) return;
    if (Object.keys(document).length > 0) {
      const payload = JSON.stringify({ event_id: event, timestamp: now, twin: document });
      publish(deviceTopic(id, "twin/update/document"), payload);
    }
    const delta = twins.delta(era.deltaHasAllTwins);
    if (delta !== undefined) {
      publish(deviceTopic(id, "twin/update/delta"), JSON.stringify({ ...newEvent(now), ...delta }));
    }
  }

  /** The state of a device, as it is reported to the cloud, too. */
  state(id: string, payload: string): void {
    this.#deps.publish?.(deviceTopic(id, "state/update/result"), payload);
  }
}

/** The id and the time of an event. */
export function newEvent(now: number) {
  return { event_id: randomUUID(), timestamp: now };
}

function failure(event: string, now: number, code: number, reason: string) {
  return { event_id: event, timestamp: now, code, reason };
}

/** A device as it is published to mappers: without versions, and with null for what was deleted. */
function membershipOf({ twin, ...device }: MembershipDevice) {
  if (twin === undefined) return device;
  const plain = Object.entries(twin).map(([name, { actual_version: _a, expected_version: _e, ...given }]) =>
    [name, given.metadata?.type === "deleted" ? null : given] as const
  );
  return { ...device, twin: Object.fromEntries(plain) };
}

/** An object in JSON; undefined for anything else. */
export function jsonIn(payload: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const read: unknown = JSON.parse(payload);
    return isPlainObject(read) ? read : undefined;
  } catch {
    return undefined;
  }
}
