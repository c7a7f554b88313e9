// The queue of a node that acknowledges nothing: its pace, what takes whose place, its bound.
import { describe, expect, test } from "vitest";
import { ManualClock } from "../../../../base/time/manual-clock.ts";
import { PacedQueue } from "../../../../cloud/cloudhub/session/paced-queue.ts";
import { newMessage } from "../../../../protocol/message/message.ts";

function queueOf(messages = 100) {
  const clock = new ManualClock();
  const written: string[] = [];
  let buffered = 0;
  let room = 0;
  const queue = new PacedQueue({
    clock,
    buffered: () => buffered,
    write: ({ content, route }) => {
      written.push(`${route.operation} ${route.resource} ${content}`);
      buffered += 10;
    },
    hasRoom: () => room++,
    limits: { messages, buffered: 25 },
  });
  const offer = (operation: string, resource: string, content: unknown = "", group = "resource") =>
    queue.offer(newMessage(0, { source: "edgecontroller", group, operation, resource, content }));
  const drain = () => {
    buffered = 0;
    clock.advance(10);
  };
  return { clock, drain, offer, queue, room: () => room, written };
}

test("as much is written as the socket takes; the rest follows in order when that has been sent", () => {
  const { drain, offer, queue, written } = queueOf();
  for (let i = 0; i < 8; i++) offer("update", `default/service/${i}`);
  expect([written.length, queue.size]).toEqual([3, 5]);
  drain();
  expect([written.length, queue.size]).toEqual([6, 2]);
  drain();
  expect(written.map((text) => text.split("/")[2]?.trim())).toEqual(["0", "1", "2", "3", "4", "5", "6", "7"]);
  expect(queue.size).toBe(0);
});

describe("of what waits", () => {
  test("a newer message about an object takes the older one's place; an insert after it is an update", () => {
    const { drain, offer, written } = queueOf();
    for (let i = 0; i < 3; i++) offer("update", `default/pod/first-${i}`);
    offer("delete", "default/pod/a", "old");
    offer("update", "default/pod/b", 1);
    offer("insert", "default/pod/a", "new");
    offer("delete", "default/pod/b", 2);
    drain();
    expect(written.slice(3)).toEqual(["update default/pod/a new", "delete default/pod/b 2"]);
  });

  test("memberships and twins stand for themselves: each is a change", () => {
    const { drain, offer, written } = queueOf();
    for (let i = 0; i < 3; i++) offer("update", `default/pod/first-${i}`);
    offer("update", "membership", 1, "twin");
    offer("update", "membership", 2, "twin");
    drain();
    expect(written.slice(3)).toEqual(["update membership 1", "update membership 2"]);
  });
});

test("what is too much is dropped, and reported when half of the room is free again", () => {
  const { drain, offer, queue, room } = queueOf(4);
  const taken = Array.from({ length: 9 }, (_, i) => offer("update", `default/pod/${i}`));
  expect(taken.filter((was) => was)).toHaveLength(7);
  expect([queue.size, room()]).toEqual([4, 0]);
  drain();
  expect([queue.size, room()]).toEqual([1, 1]);
});

test("a queue that is stopped leaves no timer behind", () => {
  const { clock, offer, queue } = queueOf();
  for (let i = 0; i < 8; i++) offer("update", `default/pod/${i}`);
  queue.stop();
  expect([queue.size, clock.pending]).toEqual([0, 0]);
});
