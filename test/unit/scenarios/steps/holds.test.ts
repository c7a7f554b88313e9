// How long `always` looks: for the time that is said, or for as much of KubeEdge's own as that is.
import { expect, test } from "vitest";
import { ManualClock } from "../../../../base/time/manual-clock.ts";
import type { StepContext } from "../../../../scenarios/model/context.ts";
import { alwaysStep } from "../../../../scenarios/steps/expectations.ts";

const settled = () => new Promise((resolve) => setImmediate(resolve));

/** Milliseconds after which it is content, or what it says. */
async function lookedFor(scaled: boolean, value = 1): Promise<number | string> {
  const clock = new ManualClock();
  const environment = { clock, timeScale: 10, metrics: () => Promise.resolve({ gauge: value }) };
  const context = { environment, signal: new AbortController().signal } as unknown as StepContext;
  let outcome: number | string | undefined;
  const began = clock.now();
  alwaysStep.run(context, { at: "metrics", match: { gauge: 1 }, for: "2s", scaled }).then(
    () => outcome = clock.now() - began,
    (error: Error) => outcome = error.message,
  );
  for (let i = 0; i < 1000 && outcome === undefined; i++) {
    await settled();
    clock.advance(10);
  }
  return outcome ?? "it did not end";
}

test("always looks for the time that is said; scaled, for that much of KubeEdge's own time", async () => {
  const whole = await lookedFor(false);
  const tenth = await lookedFor(true);
  expect(whole).toBeGreaterThanOrEqual(2000);
  expect(tenth).toBeGreaterThanOrEqual(200);
  expect(tenth).toBeLessThan(1000);
});

test("what isn't so ends it at once", async () => {
  expect(await lookedFor(true, 2)).toMatch(/^always: metrics — not after 0 ms/);
});
