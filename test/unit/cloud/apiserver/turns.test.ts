import { expect, test } from "vitest";
import { Turns } from "../../../../cloud/apiserver/http/turns.ts";

/** Turns whose rounds come when the test says so, and the order in which requests begin. */
function setUp() {
  const planned: (() => void)[] = [];
  const turns = new Turns((run) => void planned.push(run));
  const begun: string[] = [];
  const ask = (client: string) => {
    const turn = turns.take(client);
    if (turn === undefined) begun.push(client);
    else void turn.then(() => begun.push(client));
  };
  const round = async () => {
    for (const run of planned.splice(0)) run();
    await Promise.resolve();
  };
  return { ask, begun, planned, round, turns };
}

test("who is alone never waits, a few at once neither", () => {
  const { ask, begun } = setUp();
  for (let i = 0; i < 16; i++) ask("one");
  expect(begun).toHaveLength(16);
});

test("a burst of one client does not keep another from its turn", async () => {
  const { ask, begun, planned, round } = setUp();
  for (let i = 0; i < 1000; i++) ask("burst");
  ask("other");
  await round();
  expect(begun.slice(16)).toContain("other");
  for (let i = 0; planned.length > 0 && i < 1000; i++) await round();
  expect(begun).toHaveLength(1001);
  expect(begun.indexOf("other")).toBeLessThan(20);
});

test("clients that all have much to ask have equal shares", async () => {
  const { ask, begun, round } = setUp();
  for (let i = 0; i < 100; i++) ask("first");
  for (const client of ["second", "third"]) for (let i = 0; i < 100; i++) ask(client);
  for (let i = 0; i < 6; i++) await round();
  const shares = ["second", "third"].map((client) => begun.filter((one) => one === client).length);
  expect(Math.abs((shares[0] as number) - (shares[1] as number))).toBeLessThanOrEqual(1);
  expect(shares[0]).toBeGreaterThan(28);
});

test("what one client may have waiting is bounded: more is refused with 429", () => {
  const { ask, turns } = setUp();
  for (let i = 0; i < 10_016; i++) ask("burst");
  expect(() => turns.take("burst")).toThrow(
    expect.objectContaining({ status: expect.objectContaining({ code: 429 }) }),
  );
  expect(() => turns.take("other")).not.toThrow();
});
