import { describe, expect, test } from "vitest";
import { Link } from "../../../../base/link/link.ts";
import { Random } from "../../../../base/random/random.ts";
import { ManualClock } from "../../../../base/time/manual-clock.ts";
import type { MessageSocket } from "../../../../base/transport/message-socket.ts";

function fakeSocket() {
  let receive: (text: string) => void = () => {};
  let ended: (reason: string) => void = () => {};
  const sent: string[] = [];
  const state = { open: true };
  const socket: MessageSocket = {
    send: (text) => sent.push(text),
    close() {
      state.open = false;
      ended("closed here");
    },
    pause() {},
    resume() {},
    get buffered() {
      return 0;
    },
    get isOpen() {
      return state.open;
    },
    onMessage: (listener) => receive = listener,
    onClose: (listener) => ended = listener,
  };
  return { socket, sent, arrives: (text: string) => receive(text) };
}

function linked(quality = {}) {
  const clock = new ManualClock();
  const link = new Link(clock, new Random(1), quality);
  const raw = fakeSocket();
  const socket = link.wrap(raw.socket);
  const received: string[] = [];
  socket.onMessage((text) => received.push(text));
  return { clock, link, raw, socket, received };
}

describe("a link", () => {
  test("passes messages at once where it is good", () => {
    const { raw, socket, received } = linked();
    socket.send("up");
    raw.arrives("down");
    expect(raw.sent).toEqual(["up"]);
    expect(received).toEqual(["down"]);
  });

  test("delays by its latency, and keeps the order whatever the jitter", () => {
    const { clock, raw, socket } = linked({ latency: 50, jitter: 40 });
    for (let i = 0; i < 20; i++) socket.send(String(i));
    clock.advance(9);
    expect(raw.sent).toEqual([]);
    clock.advance(200);
    expect(raw.sent).toEqual(Array.from({ length: 20 }, (_, i) => String(i)));
  });

  test("cut, it ends the connection and says so until it is healed", () => {
    const { link, socket } = linked();
    let reason = "";
    socket.onClose((why) => reason = why);
    link.cut();
    expect(reason).toBe("closed here");
    expect(link.isUp).toBe(false);
    link.heal();
    expect(link.isUp).toBe(true);
  });

  test("half-open, it swallows one direction and passes the other", () => {
    const { link, raw, socket, received } = linked();
    link.halfOpen("down");
    socket.send("up");
    raw.arrives("lost");
    link.heal();
    raw.arrives("again");
    expect(raw.sent).toEqual(["up"]);
    expect(received).toEqual(["again"]);
  });

  test("what is under way when the connection ends never arrives, and no timer is left", () => {
    const { clock, link, raw, socket } = linked({ latency: 50 });
    socket.send("late");
    link.cut();
    clock.advance(100);
    expect(raw.sent).toEqual([]);
    expect(clock.pending).toBe(0);
  });
});
