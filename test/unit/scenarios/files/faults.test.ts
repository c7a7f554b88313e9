// Faults as files write them: what they do to links, and how they end.
import { describe, expect, test } from "vitest";
import { Link } from "../../../../base/link/link.ts";
import { Random } from "../../../../base/random/random.ts";
import { ManualClock } from "../../../../base/time/manual-clock.ts";
import { type FaultWords, putFault } from "../../../../scenarios/files/faults.ts";

function world() {
  const clock = new ManualClock(0);
  const links = [new Link(clock, new Random(1), { latency: 5 }), new Link(clock, new Random(2))] as const;
  const run = new AbortController();
  return { clock, links, run, put: (words: FaultWords) => putFault(links, words, clock, run.signal) };
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

describe("a fault with `for`", () => {
  test("ends alone: what others have put before and after it stays", async () => {
    const { clock, links: [first, second], put } = world();
    put({ halfOpen: "up" });
    const over = put({ cut: "both", for: "1s" });
    put({ latency: "80ms", for: "3s" });
    put({ drop: 0.5, direction: "down", where: 'operation == "insert"' });
    clock.advance(1000);
    await over;
    const dropped = '50 % dropped down of operation == "insert"';
    expect(first.faults).toEqual(["half-open up", "80 ms up", dropped, "80 ms down"]);
    clock.advance(2000);
    await settled();
    expect(first.faults).toEqual(["half-open up", "5 ms up", dropped, "5 ms down"]);
    expect(second.faults).toEqual(["half-open up", dropped]);
    put({ heal: true });
    expect([first.faults, second.faults]).toEqual([["5 ms up", "5 ms down"], []]);
  });

  test("ends with the run, and rejects with its reason", async () => {
    const { clock, links: [, link], put, run } = world();
    const over = put({ cut: "reset", flap: { bad: "100ms", good: "100ms" }, for: "1m" });
    run.abort(new Error("the run is over"));
    await expect(over).rejects.toThrow("the run is over");
    expect([link.faults, clock.pending]).toEqual([[], 0]);
  });
});

test("flapping without an end leaves no timer when the run is over", () => {
  const { clock, links: [, link], put, run } = world();
  expect(put({ bandwidth: 4, flap: { bad: "100ms", good: "400ms" } })).toBeUndefined();
  expect(link.faults).toEqual(["4 KB/s up", "4 KB/s down"]);
  clock.advance(100);
  expect(link.faults).toEqual([]);
  clock.advance(400);
  expect(link.faults).toHaveLength(2);
  run.abort();
  expect([link.faults, clock.pending]).toEqual([[], 0]);
});
