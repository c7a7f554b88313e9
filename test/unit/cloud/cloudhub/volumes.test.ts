// Questions of the CSI driver: whose answers they take, and when they stop waiting.
import { expect, test } from "vitest";
import { ManualClock } from "../../../../base/time/manual-clock.ts";
import { VolumeRequests } from "../../../../cloud/cloudhub/volumes.ts";
import { newMessage } from "../../../../protocol/message/message.ts";

const answer = (parent: string) =>
  newMessage(1, { source: "cloudhub", group: "resource", operation: "response", resource: "default/volume/v", parent });

test("an edge that is silent for a minute is an error with the id of the request", async () => {
  const clock = new ManualClock(0);
  const requests = new VolumeRequests(clock);
  const waiting = requests.answerTo("r1", "n1");
  clock.advance(59_999);
  expect(requests.take("n2", answer("r1"))).toBe(false);
  clock.advance(1);
  await expect(waiting).rejects.toThrow("timeout to get response for message r1");
  expect(requests.take("n1", answer("r1"))).toBe(false);
  expect(clock.pending).toBe(0);
});

test("an id that is being waited for can't be asked with again", async () => {
  const requests = new VolumeRequests(new ManualClock(0));
  const first = requests.answerTo("r1", "n1");
  expect(() => requests.answerTo("r1", "n2")).toThrow("message r1 is being waited for already");
  requests.take("n1", answer("r1"));
  expect((await first).header.parent_msg_id).toBe("r1");
});
