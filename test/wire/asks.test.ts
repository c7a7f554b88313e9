// The steps that ask: what `ask` and `volume` give, and how they fail.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Session, start } from "../../index.ts";
import { until } from "../support/until.ts";

let session: Session & AsyncDisposable;
beforeAll(async () => {
  session = await start({
    fleet: [{ cohort: "gw", count: 1 }, { cohort: "old", count: 1, version: "v1.1" }],
    // An edge may ask here for what no pod of its own uses.
    cloudcore: { csi: true, authorization: "off" },
  });
  await session.apply({ apiVersion: "v1", kind: "ConfigMap", metadata: { name: "app" }, data: { a: "1" } });
});
afterAll(() => session[Symbol.asyncDispose]());

const path = (type: string, name: string) => `${session.namespace}/${type}/${name}`;
const query = (edge: string, name: string, more: object = {}) =>
  session.ask({ edge, operation: "query", resource: path("configmap", name), ...more });

describe("ask", () => {
  test("gives the answer's content, and acknowledges it as an edge does: it comes once", async () => {
    expect(await query("gw-0", "app", { match: { data: { a: "1" } } })).toMatchObject({ metadata: { name: "app" } });
    const of = (hop: string) => session.messages(`hop == "${hop}" && resource.endsWith("/configmap/app")`).length;
    await until("the answer is acknowledged", () => of("hub.ack"));
    // A busy machine may have had it written again before that, and not after.
    const written = of("hub.write");
    await session.wait("1200ms");
    expect(of("hub.write")).toBe(written);
  });

  test("fails with the difference where the answer is another one, also where null was wanted", async () => {
    await expect(query("gw-0", "app", { match: { data: { a: "2" } } })).rejects.toThrow(/the answer is another one/);
    await expect(query("gw-0", "app", { match: null })).rejects.toThrow(/the answer is another one/);
  });

  test("has an answer of any group: which devices an edge of v1.1 has", async () => {
    const asked = { edge: "old-0", source: "twin", group: "resource", operation: "get", resource: "membership/detail" };
    expect(await session.ask({ ...asked, match: { devices: [] } })).toMatchObject({ devices: [] });
    await expect(session.ask({ ...asked, answered: false, within: "500ms" })).rejects.toThrow("there is an answer");
  });

  test("without an answer fails, or holds where that was wanted, however long it is waited for", async () => {
    await expect(query("old-0", "missing", { within: "300ms" })).rejects.toThrow("there was no answer");
    await query("old-0", "missing", { answered: false, within: "300ms" });
    // Longer than the edge itself waits.
    await query("old-0", "missing", { answered: false, within: "8s" });
  }, 20_000);

  test.each([
    ["an edge that is not there", { edge: "nobody" }, /there is no edge nobody/],
    ["a match and no answer", { match: {}, answered: false }, /must NOT be valid/],
  ])("refuses %s", async (_what, args, message) => {
    await expect(query("gw-0", "app", args)).rejects.toThrow(message);
  });
});

describe("volume", () => {
  test("gives what the driver would get, and fails where it is refused, or was to be", async () => {
    const made = await session.volume({ create: "v", edge: "gw-0", capacity: 5 });
    expect(made).toEqual({ volume: { capacity_bytes: 5, volume_id: "v" } });
    await expect(session.volume({ publish: "w", edge: "gw-0" })).rejects.toThrow("publish w on gw-0: refused");
    await expect(session.volume({ delete: "v", edge: "gw-0", refused: true })).rejects.toThrow("not refused");
    expect(await session.volume({ create: "v", edge: "nobody", refused: true })).toContain("not connected");
  });
});
