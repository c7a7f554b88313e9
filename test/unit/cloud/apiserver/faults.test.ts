// When an API server that fails on purpose answers, by a clock that the test moves.
import type { IncomingMessage, ServerResponse } from "node:http";
import { expect, test } from "vitest";
import { Random } from "../../../../base/random/random.ts";
import { ManualClock } from "../../../../base/time/manual-clock.ts";
import { type ApiFault, ApiFaults } from "../../../../cloud/apiserver/http/faults.ts";

const request = { method: "GET", headers: {} } as IncomingMessage;
const response = {} as ServerResponse;

/** All that has become due is done. */
const settled = () => new Promise((resolve) => setImmediate(resolve));

/** A read of pods meanwhile, and whether it has been let through. */
function asked(fault: ApiFault) {
  const clock = new ManualClock();
  const faults = new ApiFaults(clock, new Random(1));
  const heal = faults.add(fault);
  const state = { isThrough: false, clock, heal };
  void faults.before(request, response, "pods", false).then(() => state.isThrough = true);
  return state;
}

test("a request is carried out when its latency is over, and not before", async () => {
  const state = asked({ latency: 300 });
  state.clock.advance(299);
  await settled();
  expect(state.isThrough).toBe(false);
  state.clock.advance(1);
  await settled();
  expect(state.isThrough).toBe(true);
});

test("a request about other resources is not late", async () => {
  const state = asked({ latency: 300, resources: ["nodes"] });
  await settled();
  expect(state.isThrough).toBe(true);
});
