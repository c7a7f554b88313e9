import { describe, expect, test } from "vitest";
import { silentLogger } from "../../../../base/log/logger.ts";
import { ManualClock } from "../../../../base/time/manual-clock.ts";
import { Bus, BusError } from "../../../../cloud/beehive/bus.ts";
import { ModuleStartError, startModules } from "../../../../cloud/beehive/modules.ts";
import { newMessage, responseTo } from "../../../../protocol/message/message.ts";

const message = (operation = "update") => newMessage(1, { source: "a", group: "g", operation, resource: "r" });

function bus(capacity = 2) {
  const clock = new ManualClock();
  return { clock, bus: new Bus(clock, silentLogger, capacity) };
}

test("the whole interface of KubeEdge's message framework is there, also what our own modules don't call", () => {
  const { bus: b } = bus();
  const calls = [
    "addModule",
    "send",
    "receive",
    "sendSync",
    "sendResp",
    "sendToGroup",
    "sendToGroupSync",
    "cleanup",
  ] as const;
  for (const call of calls) expect(b[call], call).toBeTypeOf("function");
});

describe("send and receive", () => {
  test("keep the order, and make the sender wait while the channel is full", async () => {
    const { bus: b } = bus(1);
    b.addModule("m");
    const [one, two] = [message("1"), message("2")];
    await b.send("m", one);
    let sent = false;
    const second = b.send("m", two).then(() => sent = true);
    await Promise.resolve();
    expect(sent).toBe(false);
    expect(b.depth("m")).toBe(1);
    expect(await b.receive("m")).toBe(one);
    await second;
    expect(await b.receive("m")).toBe(two);
  });

  test("a module that was never there loses a message silently, but can't be received from", async () => {
    const { bus: b } = bus();
    await b.send("nobody", message());
    await expect(b.receive("nobody")).rejects.toThrow("message context nobody doesn't exist");
  });

  test("cleanup tells those that wait", async () => {
    const { bus: b } = bus();
    b.addModule("m");
    const waiting = b.receive("m");
    b.cleanup("m");
    await expect(waiting).rejects.toThrow("bad request module name(m)");
    await b.send("m", message());
  });
});

describe("sendSync", () => {
  test("gets the answer that names its message, also one that comes at once", async () => {
    const { bus: b, clock } = bus();
    b.addModule("m");
    const request = message();
    const answered = b.sendSync("m", request);
    const received = await b.receive("m");
    expect(received.header.sync).toBe(true);
    b.sendResp(responseTo(2, request, "OK"));
    expect((await answered).content).toBe("OK");
    expect(clock.pending).toBe(0);
  });

  test("gives up after its time, saying whether it was sending or waiting", async () => {
    const { bus: b, clock } = bus(1);
    b.addModule("m");
    const request = message();
    const waiting = b.sendSync("m", request, 100);
    const full = message();
    const sending = b.sendSync("m", full, 50);
    await Promise.resolve();
    clock.advance(50);
    await expect(sending).rejects.toThrow(`timeout to send message ${full.header.msg_id}`);
    clock.advance(50);
    await expect(waiting).rejects.toThrow(`timeout to get response for message ${request.header.msg_id}`);
    expect(b.depth("m")).toBe(1);
  });

  test("answers without a waiting request are dropped", () => {
    const { bus: b } = bus();
    b.sendResp(responseTo(2, message(), "OK"));
  });

  test("to a module that has stopped is an error at once", async () => {
    const { bus: b } = bus();
    b.addModule("m");
    b.cleanup("m");
    await expect(b.sendSync("m", message())).rejects.toThrow(BusError);
  });
});

describe("groups", () => {
  test("every member gets the message, in the order of two calls", async () => {
    const { bus: b } = bus(4);
    b.addModule("a", "g");
    b.addModule("b", "g");
    await b.sendToGroup("g", message("1"));
    await b.sendToGroup("g", message("2"));
    for (const name of ["a", "b"]) {
      expect((await b.receive(name)).route.operation).toBe("1");
      expect((await b.receive(name)).route.operation).toBe("2");
    }
  });

  test("a synchronous call waits for as many answers as there are members", async () => {
    const { bus: b, clock } = bus();
    b.addModule("a", "g");
    b.addModule("b", "g");
    const request = message();
    let done = false;
    const all = b.sendToGroupSync("g", request, 1000).then(() => done = true);
    await Promise.resolve();
    b.sendResp(responseTo(2, request, "a"));
    await Promise.resolve();
    expect(done).toBe(false);
    b.sendResp(responseTo(2, request, "b"));
    await all;
    const late = b.sendToGroupSync("g", message(), 100);
    await Promise.resolve();
    clock.advance(100);
    await expect(late).rejects.toThrow("several 2 timeout when send");
  });

  test("a group without members loses the message", async () => {
    const { bus: b } = bus();
    await b.sendToGroup("nobody", message());
    await b.sendToGroupSync("nobody", message());
  });
});

describe("modules", () => {
  const recorder = (log: string[], name: string, fails = false) => ({
    name,
    start: () => {
      log.push(`start ${name}`);
      return fails ? Promise.reject(new Error("no port")) : Promise.resolve();
    },
    stop: () => {
      log.push(`stop ${name}`);
      return Promise.resolve();
    },
  });

  test("start in order and stop in the opposite one", async () => {
    const { bus: b, clock } = bus();
    const log: string[] = [];
    const stop = await startModules(b, [recorder(log, "a"), recorder(log, "b")], clock, silentLogger);
    await stop();
    expect(log).toEqual(["start a", "start b", "stop b", "stop a"]);
    expect(clock.pending).toBe(0);
  });

  test("one that can't start is stopped, as those before it are, and says which it was", async () => {
    const { bus: b, clock } = bus();
    const log: string[] = [];
    const started = startModules(b, [recorder(log, "a"), recorder(log, "b", true)], clock, silentLogger);
    await expect(started).rejects.toThrow(ModuleStartError);
    await expect(started).rejects.toThrow("module b could not start: no port");
    expect(log).toEqual(["start a", "start b", "stop b", "stop a"]);
  });

  test("one that hangs while it stops does not hold up the others", async () => {
    const { bus: b, clock } = bus();
    const hangs = { name: "a", start: () => Promise.resolve(), stop: () => new Promise<void>(() => {}) };
    const stop = await startModules(b, [hangs], clock, silentLogger);
    const stopped = stop();
    await Promise.resolve();
    clock.advance(5000);
    await stopped;
  });

  test("a message that makes its module fail does not end the module", async () => {
    const { bus: b, clock } = bus();
    const got: string[] = [];
    const both = Promise.withResolvers<void>();
    const module = {
      ...recorder([], "m"),
      receive(m: { route: { operation?: string } }) {
        got.push(m.route.operation ?? "");
        if (got.length === 2) both.resolve();
        if (got.length === 1) throw new Error("boom");
      },
    };
    const stop = await startModules(b, [module], clock, silentLogger);
    await b.send("m", message("1"));
    await b.send("m", message("2"));
    await both.promise;
    expect(got).toEqual(["1", "2"]);
    await stop();
  });
});
