import { describe, expect, test } from "vitest";
import { Resends } from "../../../../cloud/cloudhub/session/resends.ts";

describe("an unacknowledged message", () => {
  test("is sent again after 5, 10, 20 and 40 s, then every 40 s", () => {
    const resends = new Resends(5000);
    expect([1, 2, 3, 4, 5, 20].map((attempts) => resends.waitAfter(attempts))).toEqual([
      5000,
      10_000,
      20_000,
      40_000,
      40_000,
      40_000,
    ]);
  });

  test("is sent again to an edge that says little", () => {
    const resends = new Resends(5000);
    const written = resends.wrote(undefined);
    for (let i = 0; i < 29; i++) resends.received();
    expect(resends.isPutOff(written)).toBe(false);
  });

  test("is not sent again to an edge that sends as fast as it may, but for a minute at most", () => {
    const resends = new Resends(5000);
    const written = resends.wrote(undefined);
    for (let i = 0; i < 30; i++) resends.received();
    const putOff = Array.from({ length: 13 }, () => resends.isPutOff(written));
    expect(putOff).toEqual([...Array(12).fill(true), false]);
    // Once it was sent again the waiting begins anew.
    const again = resends.wrote(written);
    for (let i = 0; i < 30; i++) resends.received();
    expect(resends.isPutOff(again)).toBe(true);
  });

  test("is sent again at once where the edge has acknowledged what was sent after it", () => {
    const resends = new Resends(5000);
    const written = resends.wrote(undefined);
    const later = resends.wrote(undefined);
    for (let i = 0; i < 30; i++) resends.received();
    expect(resends.isPutOff(written)).toBe(true);
    resends.acknowledged(later);
    expect(resends.isPutOff(written)).toBe(false);
  });
});
