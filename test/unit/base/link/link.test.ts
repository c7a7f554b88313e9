import { describe, expect, test } from "vitest";
import { delayOf } from "../../../../base/link/faults.ts";
import { Link } from "../../../../base/link/link.ts";
import { hopOf } from "../../../../protocol/message/hops.ts";
import { Random } from "../../../../base/random/random.ts";
import { ManualClock } from "../../../../base/time/manual-clock.ts";
import type { MessageSocket } from "../../../../base/transport/message-socket.ts";

const noHop = hopOf({ header: { msg_id: "" }, route: {} }, { time: 0, hop: "edge.read", direction: "up", node: "" });

function fakeSocket() {
  let receive: (text: string) => void = () => {};
  let ended: (reason: string) => void = () => {};
  const sent: string[] = [];
  const parts: string[] = [];
  const state = { open: true, paused: false };
  const socket: MessageSocket = {
    send: (text) => sent.push(text),
    sendPart: (text, from, to) => parts.push(text.slice(from, to)),
    reset() {
      state.open = false;
      ended("reset here");
    },
    close(reason) {
      state.open = false;
      ended(reason ?? "closed here");
    },
    pause() {
      state.paused = true;
    },
    resume() {
      state.paused = false;
    },
    get buffered() {
      return 0;
    },
    get isOpen() {
      return state.open;
    },
    onMessage: (listener) => receive = listener,
    onClose: (listener) => ended = listener,
  };
  return { socket, sent, parts, state, arrives: (text: string) => receive(text) };
}

function linked(quality = {}, seed = 1) {
  const clock = new ManualClock();
  const link = new Link(clock, new Random(seed), quality);
  const raw = fakeSocket();
  const altered: string[] = [];
  const socket = link.wrap(raw.socket, {
    altered: (text, way, how) => altered.push(`${how} ${way} ${text}`),
    describe: (text, direction) => ({ ...noHop, direction, operation: text }),
  });
  const received: string[] = [];
  socket.onMessage((text) => received.push(text));
  return { altered, clock, link, raw, socket, received };
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
    link.put({ cut: "both" });
    expect(reason).toBe("closed here");
    expect(link.isUp).toBe(false);
    link.heal();
    expect(link.isUp).toBe(true);
  });

  test("half-open, it swallows one direction and passes the other", () => {
    const { link, raw, socket, received } = linked();
    link.put({ halfOpen: "down" });
    socket.send("up");
    raw.arrives("lost");
    link.heal();
    raw.arrives("again");
    expect(raw.sent).toEqual(["up"]);
    expect(received).toEqual(["again"]);
  });

  test("what its socket hands on after the end, since it was held up before, never arrives", () => {
    const { clock, raw, received, socket } = linked({ slowReader: 1000 });
    socket.close();
    raw.arrives("late");
    clock.advance(60_000);
    expect(received).toEqual([]);
    expect(clock.pending).toBe(0);
  });

  test("what is under way when the connection ends never arrives, and no timer is left", () => {
    const { clock, link, raw, socket } = linked({ latency: 50 });
    socket.send("late");
    link.put({ cut: "both" });
    clock.advance(100);
    expect(raw.sent).toEqual([]);
    expect(clock.pending).toBe(0);
  });

  test.each(
    [
      ["both", "closed here"],
      ["clean", "the link was cut"],
      ["reset", "reset here"],
    ] as const,
  )("cut by %s, the connection ends so", (how, wanted) => {
    const { link, socket } = linked();
    let reason = "";
    socket.onClose((why) => reason = why);
    link.put({ cut: how });
    expect(reason).toBe(wanted);
  });

  test("a black hole keeps the connection, lets nothing through, and gives everything in order when it is healed", () => {
    const { clock, link, raw, received, socket } = linked();
    link.put({ cut: "blackHole" });
    expect([link.isUp, link.isBlackHole]).toEqual([false, true]);
    socket.send("1");
    socket.send("2");
    raw.arrives("down");
    clock.advance(60_000);
    expect([raw.sent, received, raw.state.open]).toEqual([[], [], true]);
    link.heal();
    expect([raw.sent, received]).toEqual([["1", "2"], ["down"]]);
  });

  test("a bandwidth lets so many bytes a second through, whatever is sent at once", () => {
    const { clock, raw, socket } = linked({ bandwidth: 100 });
    for (let i = 0; i < 5; i++) socket.send("x".repeat(50));
    const after = [100, 500, 1000, 2500].map((ms, i, all) => {
      clock.advance(ms - (all[i - 1] ?? 0));
      return raw.sent.length;
    });
    expect(after).toEqual([0, 1, 2, 5]);
  });

  test("a slow reader holds its peer up, and takes what was sent in its own time; what its user pauses stays paused", () => {
    const { clock, link, raw, received, socket } = linked();
    link.setQuality("down", { slowReader: 10 });
    raw.arrives("0123456789");
    expect([raw.state.paused, received]).toEqual([true, []]);
    clock.advance(1000);
    expect([raw.state.paused, received]).toEqual([false, ["0123456789"]]);
    socket.pause();
    raw.arrives("0123456789");
    clock.advance(1000);
    expect([raw.state.paused, received.length]).toEqual([true, 2]);
    socket.resume();
    expect(raw.state.paused).toBe(false);
  });

  test("a slow writer sends a message in pieces, which are the message, and the next one after it", () => {
    const { clock, link, raw, socket } = linked();
    link.setQuality("up", { slowWriter: 100 });
    const text = "a message in pieces".repeat(5);
    socket.send(text);
    socket.send("z");
    clock.advance(500);
    expect(raw.parts.length).toBeGreaterThan(5);
    expect(text.startsWith(raw.parts.join(""))).toBe(true);
    clock.advance(1000);
    expect(raw.parts.join("")).toBe(text);
    expect(raw.sent).toEqual(["z"]);
  });

  test("drops, duplicates, reorders and corrupts the messages that a filter takes, and says so", () => {
    const { altered, link, raw, socket } = linked();
    const only = (word: string) => ({ matches: ({ operation }: { readonly operation: string }) => operation === word });
    link.put({ direction: "up", messages: { drop: 1, ...only("lost") } });
    link.put({ direction: "up", messages: { duplicate: 1, ...only("twice") } });
    link.put({ direction: "up", messages: { reorder: 1, ...only("late") } });
    link.put({ direction: "up", messages: { corrupt: 1, ...only("wrong") } });
    for (const text of ["late", "lost", "twice", "wrong", "good"]) socket.send(text);
    expect(raw.sent.slice(0, 3)).toEqual(["twice", "twice", "late"]);
    const wrong = raw.sent[3] ?? "";
    expect([...wrong].filter((letter, i) => letter !== "wrong"[i]).length).toBeLessThanOrEqual(1);
    expect(raw.sent.slice(4)).toEqual(["good"]);
    expect(altered.map((each) => each.split(" ")[0])).toEqual(["reordered", "duplicated", "corrupted"]);
  });

  test("a message that none overtakes goes on after a second", () => {
    const { clock, link, raw, socket } = linked();
    link.put({ direction: "up", messages: { reorder: 1 } });
    socket.send("alone");
    clock.advance(999);
    expect(raw.sent).toEqual([]);
    clock.advance(1);
    expect(raw.sent).toEqual(["alone"]);
    expect(clock.pending).toBe(0);
  });

  test("a connection that has been idle for longer than a NAT remembers is gone for both ends; a new one is not", () => {
    const { clock, link, raw, received, socket } = linked();
    link.put({ natTimeout: 1000 });
    clock.advance(900);
    socket.send("in time");
    clock.advance(1001);
    socket.send("too late");
    raw.arrives("too late");
    expect([raw.sent, received, raw.state.open]).toEqual([["in time"], [], true]);
    const again = fakeSocket();
    link.wrap(again.socket).send("new");
    expect(again.sent).toEqual(["new"]);
  });

  test.each(["uniform", "normal", "exponential"] as const)("%s jitter has the mean that it should", (distribution) => {
    const random = new Random(1);
    const delays = Array.from({ length: 20_000 }, () => delayOf({ latency: 100, jitter: 20, distribution }, random));
    const mean = delays.reduce((sum, each) => sum + each, 0) / delays.length;
    expect(mean).toBeCloseTo(distribution === "exponential" ? 120 : 100, 0);
    expect(Math.min(...delays)).toBeGreaterThanOrEqual(0);
  });

  test("the same seed does the same to the same messages", () => {
    const fate = (seed: number) => {
      const { link, raw, socket } = linked({}, seed);
      link.put({ direction: "up", messages: { drop: 0.3, duplicate: 0.3, reorder: 0.3, corrupt: 0.3 } });
      for (let i = 0; i < 200; i++) socket.send(`message ${i}`);
      return raw.sent;
    };
    expect(fate(7)).toEqual(fate(7));
    expect(fate(7)).not.toEqual(fate(8));
  });

  test("what waited for a narrow line goes on when the line is wide again", () => {
    const { clock, link, raw, socket } = linked();
    link.setQuality("up", { bandwidth: 1 });
    for (let i = 0; i < 5; i++) socket.send("x".repeat(100));
    clock.advance(1000);
    expect(raw.sent).toEqual([]);
    link.setQuality("up", {});
    expect(raw.sent).toHaveLength(5);
    socket.send("next");
    expect(raw.sent).toHaveLength(6);
    expect(clock.pending).toBe(0);
  });

  test("what waited for a narrow line goes on as the next narrow one lets it", () => {
    const { clock, link, raw, socket } = linked({ bandwidth: 100 });
    const narrow = link.put({ direction: "up", quality: { bandwidth: 1 } });
    for (let i = 0; i < 4; i++) socket.send("x".repeat(100));
    clock.advance(1000);
    narrow();
    const after = [999, 1, 1000, 2000].map((ms) => {
      clock.advance(ms);
      return raw.sent.length;
    });
    expect(after).toEqual([0, 1, 2, 4]);
    socket.send("x".repeat(100));
    clock.advance(1000);
    expect(raw.sent).toHaveLength(5);
    expect(clock.pending).toBe(0);
  });

  test("a line that is wider again keeps its latency, and no widening makes anything later", () => {
    const { clock, link, raw, socket } = linked({ latency: 1000 });
    const narrow = link.put({ direction: "up", quality: { bandwidth: 1 } });
    socket.send("x".repeat(100));
    clock.advance(10_000);
    narrow();
    clock.advance(999);
    expect(raw.sent).toHaveLength(0);
    clock.advance(1);
    expect(raw.sent).toHaveLength(1);
    link.setQuality("up", { bandwidth: 10 });
    socket.send("x".repeat(1000));
    socket.send("x".repeat(1000));
    clock.advance(99_000);
    link.setQuality("up", { bandwidth: 11 });
    clock.advance(1000);
    expect(raw.sent).toHaveLength(2);
    socket.send("x".repeat(1000));
    clock.advance(91_000);
    expect(raw.sent).toHaveLength(3);
    clock.advance(91_000);
    expect(raw.sent).toHaveLength(4);
  });

  test("of two NATs that forget, either does", () => {
    const { clock, link, raw, socket } = linked();
    link.put({ natTimeout: 1000 });
    clock.advance(900);
    link.put({ natTimeout: 500 });
    clock.advance(200);
    socket.send("too late for the first");
    expect(raw.sent).toEqual([]);
  });

  test("a NAT forgets from when it begins to, however long a connection was idle before", () => {
    const { clock, link, raw, socket } = linked();
    clock.advance(60_000);
    link.put({ natTimeout: 1000 });
    socket.send("in time");
    expect(raw.sent).toEqual(["in time"]);
  });

  test("each fault ends by itself, and of two that say the same the later one holds until it ends", () => {
    const { link } = linked({ latency: 5 });
    const slow = link.put({ quality: { latency: 100, jitter: 10 } });
    const slower = link.put({ direction: "up", quality: { latency: 300 } });
    const cut = link.put({ cut: "both" });
    const hole = link.put({ cut: "blackHole" });
    const half = link.put({ halfOpen: "up" });
    const nat = link.put({ natTimeout: 1000 });
    link.put({ natTimeout: 5000 });
    const looked = [...link.faults];
    hole();
    slower();
    half();
    nat();
    nat();
    const later = [...link.faults];
    cut();
    slow();
    expect([looked, later, link.isUp, link.faults]).toEqual([
      [
        "a black hole",
        "connections forgotten after 1000 ms idle",
        "half-open up",
        "300 ms up ± 10 ms",
        "100 ms down ± 10 ms",
      ],
      ["cut", "connections forgotten after 5000 ms idle", "100 ms up ± 10 ms", "100 ms down ± 10 ms"],
      true,
      ["connections forgotten after 5000 ms idle", "5 ms up", "5 ms down"],
    ]);
    link.heal();
    expect(link.faults).toEqual(["5 ms up", "5 ms down"]);
  });

  test("a fault that comes and goes leaves another alone, ends with a heal, and leaves no timer", () => {
    const { clock, link } = linked();
    link.put({ direction: "down", quality: { latency: 50 } });
    const end = link.put({ cut: "reset", flap: { bad: 100, good: 400 } });
    const seen = [0, 99, 1, 399, 1, 100].map((ms) => {
      clock.advance(ms);
      return link.faults.join(", ");
    });
    const [bad, good] = ["cut, 50 ms down", "50 ms down"];
    expect(seen).toEqual([bad, bad, good, good, bad, good]);
    end();
    expect([link.faults, clock.pending]).toEqual([[good], 0]);
    link.put({ cut: "both", flap: { bad: 100, good: 400 } });
    clock.advance(100);
    link.heal();
    expect([link.faults, clock.pending]).toEqual([[], 0]);
  });

  test("says in words what is wrong with it", () => {
    const { link } = linked();
    link.setQuality("down", { latency: 50, jitter: 5, distribution: "normal", bandwidth: 64 * 1024 });
    link.put({ direction: "up", messages: { drop: 0.25, where: 'operation == "keepalive"' } });
    link.put({ natTimeout: 30_000 });
    expect(link.faults).toEqual([
      "connections forgotten after 30000 ms idle",
      '25 % dropped up of operation == "keepalive"',
      "50 ms down ± 5 ms (normal)",
      "64 KB/s down",
    ]);
  });
});
