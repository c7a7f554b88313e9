// Ten broken deliveries over real sockets: the true reason is named, with something to try.
import { expect, test } from "vitest";
import type { Why } from "../../scenarios/tap/why.ts";
import { breakDelivery, brokenDeliveries } from "../support/broken-deliveries.ts";
import { until } from "../support/until.ts";

test.each(brokenDeliveries)("$name: that is the answer", async (broken) => {
  const { client, stop } = await breakDelivery(broken);
  try {
    const ask = () => client.get<Why>("/api/why", { object: broken.object, edge: broken.edge });
    // What was sent a moment ago may still be under way.
    const why = await until(`the reason is "${broken.reason}"`, async () => {
      const found = await ask();
      if (found.reason !== broken.reason) throw new Error(`${found.reason}: ${found.answer}`);
      return found;
    });
    expect(why.answer).toMatch(broken.words);
    expect(why.next).not.toBe("");
    expect(why.evidence.length + why.hops.length).toBeGreaterThan(0);
  } finally {
    await stop();
  }
});
