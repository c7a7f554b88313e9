import { Duplex, duplexPair } from "node:stream";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Link } from "../../../base/link/link.ts";
import { Random } from "../../../base/random/random.ts";
import { ManualClock } from "../../../base/time/manual-clock.ts";
import { copyBothWays, relay } from "../../../proxy/relay.ts";
import { behaviourLines, linesOf } from "../../support/captured.ts";
import { frameBytes, messageBytes } from "../../support/frame-bytes.ts";
import { hopOf } from "../../../protocol/message/hops.ts";
import { until } from "../../support/until.ts";

const request = Buffer.from("GET /p/gw-0/events HTTP/1.1\r\nUpgrade: websocket\r\nnode_id: gw-0\r\n\r\n");
const agreed = Buffer.from("HTTP/1.1 101 Switching Protocols\r\n\r\n");

const noHop = hopOf({ header: { msg_id: "" }, route: {} }, { time: 0, hop: "proxy.up", direction: "up", node: "" });

function relayed() {
  const clock = new ManualClock(0);
  const link = new Link(clock, new Random(1));
  const [edge, edgeSide] = duplexPair();
  const [cloud, cloudSide] = duplexPair();
  const seen: string[] = [];
  let ended: string | undefined;
  relay(edgeSide, cloudSide, {
    request: () => link,
    message: (way, payload, isDropped) => seen.push(`${isDropped ? "dropped " : ""}${way} ${payload.toString("utf8")}`),
    altered: (way, payload, how) => seen.push(`${how} ${way} ${payload.toString("utf8")}`),
    describe: (way, payload) => ({ ...noHop, direction: way, operation: payload.toString("utf8") }),
    unreadable: (way) => seen.push(`${way} is unreadable`),
    ended: (reason) => ended = reason,
  });
  const got = { edge: collect(edge), cloud: collect(cloud) };
  return { clock, link, edge, cloud, seen, got, ended: () => ended };
}

const silent = {
  message() {},
  altered() {},
  describe: () => undefined,
  unreadable() {},
  ended() {},
};

/** A side that takes what is written only when it is told to. */
class Full extends Duplex {
  bytes = 0;
  #written: (() => void) | undefined;
  override _read(): void {}
  override _write(chunk: Buffer, _: unknown, done: () => void): void {
    this.bytes += chunk.length;
    if (chunk.length < 1_000_000) return done();
    this.#written = done;
  }
  empty(): void {
    this.#written?.();
  }
}

function collect(stream: Duplex): { bytes: Buffer } {
  const found = { bytes: Buffer.alloc(0) };
  stream.on("data", (chunk: Buffer) => found.bytes = Buffer.concat([found.bytes, chunk]));
  stream.on("error", () => {});
  return found;
}

/** Both have greeted: from here on there are frames. */
async function greeted() {
  const all = relayed();
  all.edge.write(request);
  await until("the request has come", () => all.got.cloud.bytes.equals(request));
  all.cloud.write(agreed);
  await until("the answer has come", () => all.got.edge.bytes.equals(agreed));
  all.got.edge.bytes = all.got.cloud.bytes = Buffer.alloc(0);
  return all;
}

/** Writes in pieces of odd sizes. */
async function writeInPieces(stream: Duplex, bytes: Buffer, size: number): Promise<void> {
  for (let at = 0; at < bytes.length; at += size) {
    stream.write(bytes.subarray(at, at + size));
    if ((at / size) % 16 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
}

const capturedUp = [...linesOf("captured-v1.23.jsonl"), ...behaviourLines()].filter(({ dir, kind }) =>
  kind === "text" && dir === "edge>cloud"
)
  .map((line) => Buffer.from((line as unknown as { payload_b64?: string }).payload_b64 ?? "", "base64"));

describe("without a fault", () => {
  test.each([1, 7, 1000, 65_536])(
    "what a captured edge wrote comes out byte for byte, in pieces of %d, and is understood",
    async (size) => {
      const { cloud: _cloud, edge, got, seen } = await greeted();
      const messages = size === 1 ? capturedUp.slice(0, 5) : capturedUp;
      const bytes = Buffer.concat(messages.map((payload) => messageBytes(payload, true, 4096)));
      await writeInPieces(edge, bytes, size);
      await until("all has come", () => got.cloud.bytes.length === bytes.length);
      expect(got.cloud.bytes.equals(bytes)).toBe(true);
      expect(seen).toEqual(messages.map((payload) => `up ${payload.toString("utf8")}`));
    },
  );

  test("random frames and random bytes come out byte for byte in both directions, also what is no frame at all", async () => {
    const frame = fc.record({
      opcode: fc.constantFrom(0, 1, 2, 8, 9, 10, 3, 15),
      payload: fc.uint8Array({ maxLength: 300 }),
      isFinal: fc.boolean(),
      isMasked: fc.boolean(),
      isCompressed: fc.boolean(),
    });
    const stream = fc.array(
      fc.oneof(frame.map(frameBytes), fc.uint8Array({ maxLength: 50 }).map((bytes) => Buffer.from(bytes))),
      { maxLength: 12 },
    );
    await fc.assert(
      fc.asyncProperty(stream, stream, fc.integer({ min: 1, max: 100 }), async (up, down, size) => {
        const { cloud, edge, got } = await greeted();
        const [upward, downward] = [Buffer.concat(up), Buffer.concat(down)];
        await Promise.all([writeInPieces(edge, upward, size), writeInPieces(cloud, downward, size)]);
        // What is held back of a frame's head that never becomes whole has been copied all the same.
        await until(
          "all has come",
          () => got.cloud.bytes.length === upward.length && got.edge.bytes.length === downward.length,
        );
        expect(got.cloud.bytes.equals(upward)).toBe(true);
        expect(got.edge.bytes.equals(downward)).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  test("an answer that is no upgrade is passed on as it is, and what follows is not read as frames", async () => {
    const { cloud, edge, got, seen } = relayed();
    edge.write(request);
    const refusal = Buffer.from("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\nfull");
    cloud.write(refusal);
    await until("the refusal has come", () => got.edge.bytes.equals(refusal));
    expect(seen).toEqual([]);
  });

  test("a head that never ends is copied, and so is what was never HTTP", async () => {
    const { edge, got } = relayed();
    const noise = Buffer.alloc(40_000, "x");
    await writeInPieces(edge, noise, 1000);
    await until("all has come", () => got.cloud.bytes.length === noise.length);
    expect(got.cloud.bytes.equals(noise)).toBe(true);
  });
});

describe("with a fault", () => {
  test("latency holds whole messages, which come out byte for byte and in order", async () => {
    const { clock, edge, got, link, seen } = await greeted();
    link.setQuality("up", { latency: 100 });
    const bytes = Buffer.concat([..."abc"].map((text) => messageBytes(Buffer.from(text.repeat(5000)), true)));
    await writeInPieces(edge, bytes, 999);
    await until("something is held", () => clock.pending > 0);
    expect(got.cloud.bytes.length).toBe(0);
    await until("all has come", async () => {
      await clock.advance(100);
      return got.cloud.bytes.length === bytes.length;
    });
    expect(got.cloud.bytes.equals(bytes)).toBe(true);
    expect(seen.map((each) => each.slice(0, 4))).toEqual(["up a", "up b", "up c"]);
  });

  test("that begins and ends in the middle of messages loses no byte of any", async () => {
    const messages = fc.array(fc.uint8Array({ minLength: 1, maxLength: 400 }), { minLength: 2, maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(
        messages,
        fc.array(fc.nat(40), { maxLength: 8 }),
        fc.integer({ min: 1, max: 60 }),
        async (payloads, switches, size) => {
          const { clock, edge, got, link } = await greeted();
          const bytes = Buffer.concat(payloads.map((payload) => messageBytes(Buffer.from(payload), true, 50)));
          const at = new Set(switches);
          let isSlow = false;
          for (let from = 0, step = 0; from < bytes.length; from += size, step++) {
            if (at.has(step)) {
              isSlow = !isSlow;
              link.setQuality("up", isSlow ? { latency: 10 } : {});
            }
            edge.write(bytes.subarray(from, from + size));
            await new Promise((resolve) => setImmediate(resolve));
            if (step % 5 === 0) await clock.advance(3);
          }
          link.setQuality("up", {});
          await until("all has come", async () => {
            await clock.advance(20);
            return got.cloud.bytes.length === bytes.length;
          });
          expect(got.cloud.bytes.equals(bytes)).toBe(true);
        },
      ),
      { numRuns: 60 },
    );
  });

  test("a half-open link swallows one direction and lets the other through", async () => {
    const { cloud, edge, got, link, seen } = await greeted();
    link.put({ halfOpen: "up" });
    edge.write(messageBytes(Buffer.from("lost"), true));
    const down = messageBytes(Buffer.from("heard"), false);
    cloud.write(down);
    await until("the other direction has come", () => got.edge.bytes.equals(down) && seen.length === 2);
    expect(got.cloud.bytes.length).toBe(0);
    expect(seen.toSorted()).toEqual(["down heard", "dropped up lost"]);
  });

  test("messages are duplicated, dropped and corrupted by what they are; what is corrupted is as long as it was", async () => {
    const { edge, got, link, seen } = await greeted();
    link.put({ direction: "up", messages: { duplicate: 1, matches: ({ operation }) => operation === "twice" } });
    link.put({ direction: "up", messages: { drop: 1, matches: ({ operation }) => operation === "never" } });
    link.put({ direction: "up", messages: { corrupt: 1, matches: ({ operation }) => operation.startsWith("broken") } });
    const frames = ["twice", "never", "broken message", "whole"].map((text) => messageBytes(Buffer.from(text), true));
    for (const frame of frames) edge.write(frame);
    const [twice, , broken, whole] = frames as [Buffer, Buffer, Buffer, Buffer];
    const wanted = 2 * twice.length + broken.length + whole.length;
    await until("all has come", () => got.cloud.bytes.length === wanted);
    const at = 2 * twice.length;
    expect(got.cloud.bytes.subarray(0, at)).toEqual(Buffer.concat([twice, twice]));
    const differing = broken.filter((byte, i) => got.cloud.bytes[at + i] !== byte);
    expect(differing).toHaveLength(1);
    expect(got.cloud.bytes.subarray(at + broken.length)).toEqual(whole);
    expect(seen).toEqual([
      "duplicated up twice",
      "up twice",
      "up twice",
      "dropped up never",
      "corrupted up broken message",
      "up broken message",
      "up whole",
    ]);
  });

  test("a black hole lets nothing through, keeps the connection, and gives all when it is healed", async () => {
    const { cloud, edge, ended, got, link } = await greeted();
    link.put({ cut: "blackHole" });
    const [up, down] = [messageBytes(Buffer.from("up"), true), messageBytes(Buffer.from("down"), false)];
    edge.write(up);
    cloud.write(down);
    const second = relayed();
    second.link.put({ cut: "blackHole" });
    second.edge.write(request);
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
    expect([got.cloud.bytes.length, got.edge.bytes.length, second.got.cloud.bytes.length]).toEqual([0, 0, 0]);
    expect([ended(), second.ended()]).toEqual([undefined, undefined]);
    link.heal();
    second.link.heal();
    await until("both have come", () => got.cloud.bytes.equals(up) && got.edge.bytes.equals(down));
    await until("the edge that dialled into it is let go", () => second.ended());
  });

  test("an end doesn't overtake what was sent before it, however late that is", async () => {
    const { clock, cloud, edge, ended, got, link } = await greeted();
    let hasEnded = false;
    cloud.on("end", () => hasEnded = true);
    link.put({ quality: { latency: 500 } });
    const last = messageBytes(Buffer.from("last words"), true);
    edge.end(last);
    await until("it waits", () => clock.pending > 0);
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
    expect([got.cloud.bytes.length, hasEnded, ended()]).toEqual([0, false, undefined]);
    link.put({ cut: "blackHole" });
    clock.advance(500);
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
    expect([got.cloud.bytes.length, hasEnded]).toEqual([0, false]);
    link.heal();
    await until("it has come, and the end after it", () => hasEnded);
    expect(got.cloud.bytes).toEqual(last);
  });

  test("a byte of the text is corrupted where the last frame is empty, and the heads of frames stay as they are", async () => {
    const { edge, got, link, seen } = await greeted();
    link.put({ direction: "up", messages: { corrupt: 1 } });
    const [first, end] = [
      frameBytes({ opcode: 1, payload: Buffer.from("text"), isFinal: false, isMasked: true, isCompressed: false }),
      frameBytes({ opcode: 0, payload: Buffer.alloc(0), isFinal: true, isMasked: true, isCompressed: false }),
    ];
    const sent = Buffer.concat([first, end]);
    await writeInPieces(edge, sent, 3);
    await until("it has come", () => got.cloud.bytes.length === sent.length);
    const differing = [...sent.keys()].filter((i) => got.cloud.bytes[i] !== sent[i]);
    expect(differing).toHaveLength(1);
    expect(differing[0]).toBeGreaterThanOrEqual(first.length - 4);
    expect(differing[0]).toBeLessThan(first.length);
    expect(seen[0]).toBe("corrupted up text");
  });

  test("a sender that both the link and a full receiver hold up is read again only when neither does", async () => {
    const clock = new ManualClock(0);
    const link = new Link(clock, new Random(1));
    const [edge, edgeSide] = duplexPair();
    const cloudSide = new Full();
    relay(edgeSide, cloudSide, { ...silent, request: () => link });
    edge.write(request);
    await until("the request has come", () => cloudSide.bytes === request.length);
    cloudSide.push(agreed);
    await until("the edge is read", () => !edgeSide.isPaused());
    const message = messageBytes(Buffer.alloc(1_100_000, "x"), true);
    edge.write(message);
    await until("the receiver is full", () => cloudSide.writableLength > 1_000_000 && edgeSide.isPaused());
    link.put({ direction: "up", quality: { slowReader: 1000 } });
    link.heal();
    expect(edgeSide.isPaused()).toBe(true);
    cloudSide.empty();
    await until("it is read again", () => !edgeSide.isPaused());
    const slow = link.put({ direction: "up", quality: { slowReader: 1000 } });
    edge.write(messageBytes(Buffer.alloc(5000, "y"), true));
    await until("the link holds it up", () => edgeSide.isPaused());
    cloudSide.emit("drain");
    expect(edgeSide.isPaused()).toBe(true);
    slow();
    await until("it is read again", () => !edgeSide.isPaused());
  });

  test("a cut ends both connections with the reason, and a link that is cut takes no new one", async () => {
    const first = await greeted();
    first.link.put({ cut: "both" });
    await until("it has ended", () => first.ended());
    expect(first.ended()).toMatch(/a fault has cut the link/);
    const second = relayed();
    second.link.put({ cut: "both" });
    second.edge.write(request);
    await until("it has ended", () => second.ended());
    expect(second.got.cloud.bytes.length).toBe(0);
  });
});

test("the end of one side is the end of the other", async () => {
  const { cloud, edge, ended } = await greeted();
  edge.end();
  await until("the cloud is told", () => cloud.readableEnded);
  cloud.end();
  await until("it has ended", () => ended());
  expect(ended()).toMatch(/closed the connection/);
});

describe("what is copied and not looked at", () => {
  test("an answer arrives whole at an edge that takes it late, though the cloudcore has closed", async () => {
    const edge = new Full();
    const cloud = new Duplex({ allowHalfOpen: false, read() {}, write: (_chunk, _encoding, done) => done() });
    copyBothWays(edge, cloud);
    cloud.push(Buffer.alloc(1_000_000));
    cloud.push(null);
    await until("the cloudcore has closed", () => cloud.closed);
    expect(edge.destroyed).toBe(false);
    edge.empty();
    await until("the edge's connection has ended", () => edge.writableFinished);
    expect(edge.bytes).toBe(1_000_000);
  });
});
