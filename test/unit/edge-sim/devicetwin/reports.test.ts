import { describe, expect, test } from "vitest";
import { silentLogger } from "../../../../base/log/logger.ts";
import { Random } from "../../../../base/random/random.ts";
import { ManualClock } from "../../../../base/time/manual-clock.ts";
import { TwinReports } from "../../../../edge-sim/devicetwin/reports.ts";
import type { EdgeHub } from "../../../../edge-sim/edgehub/edgehub.ts";
import { MessageLimit } from "../../../../edge-sim/edgehub/message-limit.ts";
import { edgecoreTimings } from "../../../../edge-sim/timings.ts";
import type { Message } from "../../../../protocol/message/message.ts";

type Values = Record<string, number>;

/** Reports whose edge may say one message a second, and a cloud that stores what arrives. */
function reportsOf(arrives: () => boolean = () => true, confirms: () => boolean = () => true) {
  const clock = new ManualClock();
  const cloud: Values = {};
  const written: Values[] = [];
  const limit = new MessageLimit({
    clock,
    logger: silentLogger,
    refill: 1000,
    write: (message) => {
      if (!arrives()) return;
      written.push(message.content as Values);
      Object.assign(cloud, message.content);
      if (confirms()) reports.confirmed(message.header.msg_id);
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
  return { clock, cloud, limit, report, reports, useUpLimit, written };
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

test("a report that is said again brings no older value back: what overtook it in part follows", () => {
  let [arrives, n] = [true, 0];
  const { clock, cloud, report, reports, written } = reportsOf(() => arrives, () => ++n > 1 || arrives);
  arrives = false;
  report({ a: 1, b: 1 });
  arrives = true;
  report({ a: 2 });
  expect(cloud).toEqual({ a: 2 });
  clock.advance(edgecoreTimings.confirm);
  reports.again();
  clock.advance(60_000);
  expect(written).toEqual([{ a: 2 }, { a: 1, b: 1 }, { a: 2 }]);
  expect(cloud).toEqual({ a: 2, b: 1 });
  written.length = 0;
  clock.advance(edgecoreTimings.confirm);
  reports.again();
  expect(written, "both are confirmed").toEqual([]);
});

test.each([...Array(20).keys()])(
  "whatever is lost on the way, the newest values arrive in the end (seed %i)",
  (seed) => {
    const random = new Random(seed);
    let losses = true;
    const lucky = () => !losses || random.integer(0, 2) > 0;
    const { clock, cloud, limit, report, reports } = reportsOf(lucky, lucky);
    const newest: Values = {};
    const names = ["a", "b", "c", "d"];
    for (let value = 1; value <= 200; value++) {
      const values = Object.fromEntries(names.filter(() => random.integer(0, 1) === 1).map((name) => [name, value]));
      if (Object.keys(values).length > 0) report(values);
      Object.assign(newest, values);
      if (random.integer(0, 3) === 0) clock.advance(random.integer(0, edgecoreTimings.confirm));
      if (random.integer(0, 9) === 0) limit.drop();
      if (random.integer(0, 2) === 0) reports.again();
    }
    losses = false;
    for (let i = 0; i < 20; i++) {
      clock.advance(edgecoreTimings.confirm);
      reports.again();
    }
    expect(cloud).toEqual(newest);
  },
);
