// What DeviceTwin of KubeEdge v1.1 does otherwise than today's.
import { randomUUID } from "node:crypto";
import { secondsOf } from "../../protocol/apis/time.ts";
import { deviceStates } from "../../protocol/twin/twin.ts";
import type { IdSegments } from "../../protocol/twin/topics.ts";

/** One era's ways. Ids are `namespace/name` today, and were bare names. */
export interface TwinEra {
  readonly isV11: boolean;
  readonly segments: IdSegments;
  /** The id by which the node knows the device `namespace/name`. */
  idOf(id: string): string;
  /** The event id of the request for the node's devices. */
  detailEvent(): string;
  /** Why a state is not taken; undefined where it is. */
  refuseState(state: string): string | undefined;
  /** Below `device/{id}`: where a state is reported. */
  readonly statePath: string;
  /** What is reported of a state: `device` of the message. */
  deviceOf(name: string, state: string, now: number): Readonly<Record<string, string>>;
  /** The answer to a mapper that reports an unknown device. */
  readonly unknownDevice: string;
}

const isOnline = (state: string) => ["online", "ok"].includes(state.toLowerCase());

export const today: TwinEra = {
  isV11: false,
  segments: 2,
  idOf: (id) => id,
  detailEvent: () => randomUUID(),
  refuseState: (state) =>
    (deviceStates as readonly string[]).includes(state.toLowerCase())
      ? undefined
      : `an edge takes the states ${deviceStates.join(", ")}`,
  statePath: "state/update",
  // Nothing is said where a time is empty.
  deviceOf: (name, state, now) => ({ name, state, ...(isOnline(state) ? { lastOnlineTime: secondsOf(now) } : {}) }),
  unknownDevice: "update rejected due to the device is not existed",
};

/** `YYYY-MM-DD HH:MM:SS`, by this machine's clock. */
function localTime(now: number): string {
  const here = new Date(now);
  return new Date(now - here.getTimezoneOffset() * 60_000).toISOString().slice(0, 19).replace("T", " ");
}

/** States that an edge of v1.1 takes, in exactly this spelling. */
const statesOfV11: readonly string[] = ["online", "offline", "unknown"];

export const v11: TwinEra = {
  isV11: true,
  segments: 1,
  idOf: (id) => id.slice(id.lastIndexOf("/") + 1),
  detailEvent: () => "123",
  refuseState: (state) =>
    statesOfV11.includes(state) ? undefined : `an edge of v1.1 takes the states ${statesOfV11.join(", ")}`,
  statePath: "state",
  deviceOf: (name, state, now) => ({
    name,
    state,
    ...(state === "online" ? { last_online: localTime(now) } : {}),
  }),
  unknownDevice: "Update rejected due to the device is not existed",
};
