// How an edge of KubeEdge v1.1 (2019) behaves.
import { operations } from "../../protocol/message/names.ts";
import type { EdgeEra } from "./edge-era.ts";

const UPLOAD_RECORDS = "SYS/dis/upload_records";

/** Base64 for URLs, with padding, as Go encodes it. */
function base64Of(text: string): string {
  return Buffer.from(text).toString("base64").replaceAll("+", "-").replaceAll("/", "_");
}

/** `YYYY-MM-DD HH:MM:SS`, by this machine's clock. */
function localTime(now: number): string {
  const here = new Date(now);
  return new Date(now - here.getTimezoneOffset() * 60_000).toISOString().slice(0, 19).replace("T", " ");
}

/** States that an edge of v1.1 takes, in exactly this spelling. */
const statesOfV11: readonly string[] = ["online", "offline", "unknown"];

export const v11: EdgeEra = {
  acknowledgesAnswers: false,
  takesLists: true,
  patchesObjects: false,
  isAnsweredWhenMissing: false,
  writesEvents: false,
  answersCarryDevices: true,
  keepsReportedTimes: false,
  deltaHasAllTwins: true,
  hasDmi: false,
  announcesConnection: true,
  canUnsubscribe: false,
  resourceOf: (topic) => topic === UPLOAD_RECORDS ? topic : base64Of(topic),
  uploadOperation: operations.response,
  hasServiceServer: false,
  serviceAnswerOperation: undefined,
  methodIsOperation: true,
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
