// What Go's cloudcore did with malformed and unusual frames: ours does the same, or what docs/deviations.md says.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Message } from "../../protocol/message/message.ts";
import { type BehaviourLine, behaviourLines } from "../support/captured.ts";
import { rawSocketAs } from "../support/raw-frames.ts";
import { type Cloud, startCloud } from "../support/start.ts";
import { until } from "../support/until.ts";

let cloud: Cloud;
beforeAll(async () => void (cloud = await startCloud()));
afterAll(() => cloud.stop());

describe("f1: malformed and unusual messages, in the captured bytes", () => {
  /** Each case: the frames of its connection after the first keepalive, and what the note says of it. */
  const cases: { name: string; note: string; frames: BehaviourLine[] }[] = [];
  let frames: BehaviourLine[] = [];
  for (const line of behaviourLines().filter(({ step }) => step.startsWith("f1"))) {
    if (line.note !== undefined) {
      const colon = line.note.indexOf(": connection");
      cases.push({ name: line.note.slice(0, colon), note: line.note.slice(colon + 2), frames });
      frames = [];
    } else if (line.dir === "edge>cloud" && line.frames !== undefined) frames.push(line);
  }
  /** The recorder kept none of their bytes. */
  const unrecorded = ["unmasked frame", "RSV1 set", "40 MB keepalive"];
  const recorded = cases.filter(({ name }) => !unrecorded.includes(name));

  test.each(recorded)("$name", async ({ frames, note }) => {
    const socket = await rawSocketAs(cloud, "n-f1");
    for (const { frames: shape = [], payload_b64 = "" } of frames) {
      const payload = Buffer.from(payload_b64, "base64");
      socket.send({ opcode: shape[0]?.op ?? 1, fin: shape[0]?.fin ?? true, payload });
    }
    if (note.startsWith("connection closed")) {
      await until("the connection is closed", () => socket.hasEnded());
      return;
    }
    const last = JSON.parse(Buffer.from(frames.at(-1)?.payload_b64 ?? "", "base64").toString()) as Message;
    const answerTo = (id: string) => socket.received.find(({ header }) => header.parent_msg_id === id);
    await until("the lease query after it is answered", () => answerTo(last.header.msg_id));
    expect(socket.hasEnded()).toBe(false);
    if (note.includes("pong seen: true")) expect(socket.opcodes).toContain(10);
    socket.close();
  });

  test.each([["unmasked", { masked: false }], ["with RSV1 set", { rsv1: true }]])(
    "a frame that is %s ends the connection",
    async (_name, how) => {
      const socket = await rawSocketAs(cloud, "n-f2");
      socket.send({ opcode: 1, payload: Buffer.from("{}"), ...how });
      await until("the connection is closed", () => socket.hasEnded());
    },
  );
});
