import { describe, expect, test } from "vitest";
import { silentLogger } from "../../../../base/log/logger.ts";
import { Random } from "../../../../base/random/random.ts";
import { ManualClock } from "../../../../base/time/manual-clock.ts";
import { TwinReports } from "../../../../edge-sim/devicetwin/reports.ts";
import type { EdgeHub } from "../../../../edge-sim/edgehub/edgehub.ts";
import { MessageLimit } from "../../../../edge-sim/edgehub/message-limit.ts";
import { edgecoreTimings } from "../../../../edge-sim/timings/timings.ts";
import type { Message } from "../../../../protocol/message/message.ts";

type Values = Record<string, number>;

/** Reports whose edge may say one message a second, and a cloud that stores what arrives. */
function reportsOf(arrives: () => boolean = () => true, confirms: () => boolean = () => true) {
  const clock = new ManualClock();
  const cloud: Values = {};
  const written: Values[] = [];
  /** Ids that the cloud has confirmed: they arrive when `answer` is called, as by the network. */
  const answers: string[] = [];
  const limit = new MessageLimit({
    clock,
    logger: silentLogger,
    refill: 1000,
    write: (message) => {
      if (!arrives()) return;
      written.push(message.content as Values);
      Object.assign(cloud, message.content);
      if (confirms()) answers.push(message.header.msg_id);
    },
  });
  const hub: Pick<EdgeHub, "send" | "holds" | "forget"> = {
    send: (message, replaced, takesPlace) => limit.send(message, replaced, takesPlace),
    holds: (message) => limit.holds(message),
    forget: (message) => limit.forget(message),
  };
  const reports = new TwinReports({ hub: hub as EdgeHub, clock, timings: edgecoreTimings });
  const report = (values: Values) => reports.report(Object.keys(values), "device/d/twin/edge_updated", values);
  const useUpLimit = () => {
    const lease = { route: { source: "edged", operation: "update" }, header: {} } as unknown as Message;
    for (let i = 0; i < 60; i++) limit.send(lease);
    written.length = 0;
  };
  const answer = () => {
    for (const id of answers.splice(0)) reports.confirmed(id);
  };
  return { answer, clock, cloud, limit, report, reports, useUpLimit, written };
}

describe("reports that wait for the message limit", () => {
  test("leave the newest value in the cloud, whichever subjects they share", () => {
    const { clock, cloud, report, useUpLimit, written } = reportsOf();
    useUpLimit();
    report({ a: 1, b: 1 });
    report({ a: 2 });
    report({ b: 3, a: 3 });
    clock.advance(60_000);
    expect(cloud).toEqual({ a: 3, b: 3 });
    expect(written, "what a newer one says is not said").toEqual([{ b: 3, a: 3 }]);
  });

  test("take the place of what they make needless, and stay behind what holds an older value", () => {
    const { clock, report, useUpLimit, written } = reportsOf();
    useUpLimit();
    report({ a: 1 });
    report({ b: 1, c: 1 });
    report({ a: 2 });
    report({ b: 2 });
    clock.advance(60_000);
    expect(written).toEqual([{ a: 2 }, { b: 1, c: 1 }, { b: 2 }]);
  });

  test("of what is forgotten are not said", () => {
    const { clock, report, reports, useUpLimit, written } = reportsOf();
    useUpLimit();
    report({ a: 1 });
    report({ b: 1 });
    reports.forget((subject) => subject === "a");
    clock.advance(60_000);
    expect(written).toEqual([{ b: 1 }]);
  });
});

describe("a report that is said again brings no older value back", () => {
  /** The cloud after all that is unconfirmed has been said again. */
  const settled = ({ answer, clock, cloud, reports }: ReturnType<typeof reportsOf>) => {
    for (let i = 0; i < 10; i++) {
      clock.advance(edgecoreTimings.confirm);
      reports.again();
      clock.advance(300_000);
      answer();
    }
    return cloud;
  };

  test("what overtook it in part follows", () => {
    let arrives = false;
    const all = reportsOf(() => arrives);
    all.report({ a: 1, b: 1 });
    arrives = true;
    all.report({ a: 2 });
    all.answer();
    expect(settled(all)).toEqual({ a: 2, b: 1 });
    expect(all.written).toEqual([{ a: 2 }, { a: 1, b: 1 }, { a: 2 }]);
  });

  test("also where one between the two is needless by now", () => {
    let arrives = false;
    const all = reportsOf(() => arrives);
    all.report({ a: 1, b: 1, c: 1 });
    all.report({ a: 2, b: 2 });
    arrives = true;
    all.report({ a: 3 });
    all.report({ b: 4 });
    all.answer();
    expect(settled(all)).toEqual({ a: 3, b: 4, c: 1 });
  });

  test("also where the newer one waits for the limit meanwhile", () => {
    let arrives = false;
    const all = reportsOf(() => arrives);
    all.report({ a: 1, b: 1 });
    arrives = true;
    all.useUpLimit();
    all.report({ a: 2 });
    all.reports.again();
    settled(all);
    all.report({ a: 3 });
    all.useUpLimit();
    all.report({ c: 1 });
    expect(settled(all)).toEqual({ a: 3, b: 1, c: 1 });
    expect(all.limit.held).toBe(0);
  });
});

test("reports that share a subject are confirmed by answers that take longer than a resend", () => {
  const { answer, clock, cloud, report, reports, written } = reportsOf();
  const period = edgecoreTimings.confirm;
  report({ a: 1, b: 1 });
  report({ a: 2 });
  // Answers are half a period late, each time.
  for (let i = 0; i < 20; i++) {
    clock.advance(period);
    reports.again();
    clock.advance(period / 2);
    answer();
    clock.advance(period / 2);
  }
  expect(cloud).toEqual({ a: 2, b: 1 });
  expect(written.length).toBeLessThanOrEqual(8);
  const before = written.length;
  clock.advance(10 * period);
  reports.again();
  expect(written.length, "nothing is sent any more").toBe(before);
});

test("whatever is lost on the way, the newest values arrive in the end", () => {
  for (let seed = 0; seed < 300; seed++) {
    const random = new Random(seed);
    let losses = true;
    const lucky = () => !losses || random.integer(0, 2) > 0;
    const { answer, clock, cloud, limit, report, reports } = reportsOf(lucky, lucky);
    const newest: Values = {};
    const names = ["a", "b", "c", "d"];
    for (let value = 1; value <= 100; value++) {
      const values = Object.fromEntries(names.filter(() => random.integer(0, 1) === 1).map((name) => [name, value]));
      if (Object.keys(values).length > 0) report(values);
      Object.assign(newest, values);
      if (random.integer(0, 3) === 0) clock.advance(random.integer(0, edgecoreTimings.confirm));
      if (random.integer(0, 1) === 0) answer();
      if (random.integer(0, 9) === 0) limit.drop();
      if (random.integer(0, 2) === 0) reports.again();
    }
    losses = false;
    for (let i = 0; i < 20; i++) {
      clock.advance(edgecoreTimings.confirm);
      reports.again();
      answer();
    }
    expect(cloud, `seed ${seed}`).toEqual(newest);
    expect(limit.held, `seed ${seed}`).toBe(0);
  }
});
