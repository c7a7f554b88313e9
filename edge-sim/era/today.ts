// What an edge of today's KubeEdge (v1.23) does.
import { randomUUID } from "node:crypto";
import { secondsOf } from "../../protocol/apis/time.ts";
import { operations } from "../../protocol/message/names.ts";
import { deviceStates } from "../../protocol/twin/twin.ts";
import type { EdgeEra } from "./edge-era.ts";

const isOnline = (state: string) => ["online", "ok"].includes(state.toLowerCase());

export const today: EdgeEra = {
  acknowledgesAnswers: true,
  takesLists: false,
  patchesObjects: true,
  isAnsweredWhenMissing: true,
  writesEvents: true,
  answersCarryDevices: false,
  keepsReportedTimes: true,
  deltaHasAllTwins: false,
  hasDmi: true,
  announcesConnection: false,
  canUnsubscribe: true,
  resourceOf: (topic) => topic,
  uploadOperation: operations.upload,
  hasServiceServer: true,
  serviceAnswerOperation: operations.upload,
  methodIsOperation: false,
  segments: 2,
  idOf: (id) => id,
  detailEvent: () => randomUUID(),
  refuseState: (state) =>
    (deviceStates as readonly string[]).includes(state.toLowerCase())
      ? undefined
      : `an edge takes the states ${deviceStates.join(", ")}`,
  statePath: "state/update",
  // edgecore leaves out an empty time.
  deviceOf: (name, state, now) => ({ name, state, ...(isOnline(state) ? { lastOnlineTime: secondsOf(now) } : {}) }),
  unknownDevice: "update rejected due to the device is not existed",
};
