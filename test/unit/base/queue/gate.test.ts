// Workers and waiting places.
import { expect, test } from "vitest";
import { Gate } from "../../../../base/queue/gate.ts";

const turn = () => new Promise((resolve) => setImmediate(resolve));

/** Work that ends when it is told to. */
function job() {
  const done = Promise.withResolvers<void>();
  const state = { hasBegun: false };
  return {
    state,
    end: done.resolve,
    work: () => {
      state.hasBegun = true;
      return done.promise;
    },
  };
}

test("as many run as there are workers, the rest in the order in which they came", async () => {
  const gate = new Gate(2, 10);
  const jobs = [job(), job(), job(), job()];
  for (const { work } of jobs) {
    await gate.room();
    void gate.run(work);
  }
  await turn();
  const begun = () => jobs.map(({ state }) => state.hasBegun);
  expect(begun()).toEqual([true, true, false, false]);
  jobs[1]?.end();
  await turn();
  expect(begun()).toEqual([true, true, true, false]);
  for (const { end } of jobs) end();
  await turn();
  expect([begun(), gate.size]).toEqual([[true, true, true, true], 0]);
});

test("who finds no room waits for it; work that fails gives its place back", async () => {
  const gate = new Gate(1, 1);
  const [first, second] = [job(), job()];
  for (const { work } of [first, second]) {
    await gate.room();
    void gate.run(work).catch(() => {});
  }
  let isIn = false;
  const third = gate.room().then(() => isIn = true);
  await turn();
  expect(isIn).toBe(false);
  first.end();
  await third;
  const failing = gate.run(() => Promise.reject(new Error("no")));
  second.end();
  await expect(failing).rejects.toThrow("no");
  await turn();
  expect(gate.size).toBe(0);
});
