// The control endpoint over real HTTP: who may use it, what it streams, and how it is bounded.
import { request } from "node:http";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ControlClient } from "../../base/control/client.ts";
import type { HopRecord } from "../../base/hop/hop.ts";
import { HopRing } from "../../base/hop/ring.ts";
import { silentLogger } from "../../base/log/logger.ts";
import { limits } from "../../protocol/limits.ts";
import { hopOf } from "../../protocol/message/hops.ts";
import { consoleFile } from "../../scenarios/console/console.ts";
import { LocalSource } from "../../scenarios/tap/local.ts";
import { serveTap, type TapServer } from "../../scenarios/tap/serve.ts";
import { hiddenRuns } from "../support/hidden-runs.ts";
import { until } from "../support/until.ts";

const ring = new HopRing(10_000_000);
let tap: TapServer;
let token: string;
let client: ControlClient;

const hop = (n: number, resource = "default/configmap/app", text = ""): HopRecord =>
  hopOf({ header: { msg_id: `m${n}` }, route: { operation: "update", resource } }, {
    time: n,
    hop: "hub.write",
    direction: "down",
    node: "gw-0",
    text,
  });

beforeAll(async () => {
  const source = new LocalSource({ gauges: () => ({ here: 1 }) });
  tap = await serveTap({
    what: "test",
    listen: { host: "127.0.0.1", port: 0, exact: false },
    ring,
    source,
    logger: silentLogger,
    runFolder: hiddenRuns,
    file: consoleFile,
  });
  token = new URL(tap.address).searchParams.get("token") ?? "";
  client = new ControlClient(tap.url, token);
});
afterAll(() => tap[Symbol.asyncDispose]());

/** A request with any headers, also those that fetch sets itself. */
function ask(path: string, headers: Record<string, string> = {}, method = "GET", body?: string) {
  return new Promise<{ status: number; text: string; headers: Record<string, unknown> }>((resolve, reject) => {
    const call = request({ host: "127.0.0.1", port: tap.port, path, method, headers, agent: false }, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (chunk) => text += chunk);
      response.on("end", () => resolve({ status: response.statusCode ?? 0, text, headers: response.headers }));
    });
    call.on("error", reject);
    call.end(body);
  });
}
const bearer = () => ({ authorization: `Bearer ${token}` });

describe("who may use it", () => {
  test("anybody may ask whether it is there, and nothing else", async () => {
    expect((await ask("/healthz")).status).toBe(200);
    for (const path of ["/", "/main.js", "/api/about", "/api/hops", "/nothing"]) {
      expect((await ask(path)).status).toBe(401);
      expect((await ask(path, { authorization: "Bearer wrong" })).status).toBe(401);
    }
    expect((await ask("/api/actions", {}, "POST", "{}")).status).toBe(401);
  });

  test("the token is taken as a header, from the address, and as the cookie that the page is given", async () => {
    expect((await ask("/api/about", bearer())).status).toBe(200);
    const page = await ask(`/?token=${token}`);
    expect(page.status).toBe(200);
    const [cookie = ""] = page.headers["set-cookie"] as string[];
    expect(cookie).toMatch(/; Path=\/; HttpOnly; SameSite=Strict$/);
    expect((await ask("/api/about", { cookie: `other=1; ${cookie.split(";")[0]}` })).status).toBe(200);
  });

  test("a foreign name that leads here is refused, whatever it brings", async () => {
    const { status, text } = await ask("/api/about", { ...bearer(), host: `evil.example:${tap.port}` });
    expect(status).toBe(421);
    expect(text).toMatch(/there is no evil\.example/);
    expect((await ask("/api/about", { ...bearer(), host: "127.0.0.1:1" })).status).toBe(421);
    expect((await ask("/api/about", { ...bearer(), host: `localhost:${tap.port}` })).status).toBe(200);
  });

  test("a page of another origin is refused, whatever it brings", async () => {
    expect((await ask("/api/about", { ...bearer(), origin: "http://evil.example" })).status).toBe(403);
    expect((await ask("/api/actions", { ...bearer(), origin: "null" }, "POST", "{}")).status).toBe(403);
    expect((await ask("/api/about", { ...bearer(), "sec-fetch-site": "cross-site" })).status).toBe(403);
    expect((await ask("/api/about", { ...bearer(), origin: `http://127.0.0.1:${tap.port}` })).status).toBe(200);
  });

  test("the page may load nothing from elsewhere, and no page may show it inside of itself", async () => {
    const policy = String((await ask("/", bearer())).headers["content-security-policy"]);
    expect(policy).toMatch(/default-src 'none'/);
    expect(policy).toMatch(/frame-ancestors 'none'/);
    expect(policy).not.toMatch(/unsafe|https?:|\*/);
  });

  test("files outside of the page's are not there", async () => {
    for (
      const path of [
        "/../package.json",
        "/page/main.js",
        "/node_modules/ws/index.js",
        "/%2e%2e/x",
        "/constructor",
        "/__proto__",
      ]
    ) {
      expect((await ask(path, bearer())).status).toBe(404);
    }
  });
});

describe("what it is sent", () => {
  test.each([
    ["a filter that is none", "/api/hops?where=nod%20%3D%3D%201", /fields are time/],
    ["a number that is none", "/api/hops?last=many", /last must be a whole number/],
    ["an object that is none", "/api/why?object=x&edge=e", /KIND\/NAMESPACE\/NAME/],
    ["no edge", "/api/why?object=cm/x", /edge=NAME is needed/],
    ["a column that is none", "/api/edges?sort=age", /sort is one of/],
  ])("%s is refused with what is needed", async (_what, path, reason) => {
    const { status, text } = await ask(path, bearer());
    expect(status).toBe(400);
    expect(text).toMatch(reason);
  });

  test("however often a bad filter comes, it takes no reader's place", async () => {
    for (let i = 0; i < 70; i++) expect((await ask("/api/hops?where=nod", bearer())).status).toBe(400);
    expect((await ask("/api/hops?follow=no", bearer())).status).toBe(200);
  });

  test("a body that is too long, or no JSON, is refused; so is an action where nothing can be acted on", async () => {
    const post = (body: string) => ask("/api/actions", bearer(), "POST", body);
    expect((await post("x".repeat(100_000))).status).toBe(400);
    expect((await post("{")).text).toMatch(/must be JSON/);
    expect((await post('{"fault":{}}')).text).toMatch(/nothing here that can be acted on/);
    expect((await ask("/api/about", bearer(), "DELETE")).status).toBe(405);
  });
});

describe("hops", () => {
  test("have so many readers at once and no more; one that goes makes room", async () => {
    const reader = () => {
      const call = request({ host: "127.0.0.1", port: tap.port, path: "/api/hops", headers: bearer(), agent: false });
      const answered = new Promise<number>((resolve) =>
        call.on("response", ({ statusCode = 0 }) => resolve(statusCode))
      );
      call.on("error", () => {});
      call.end();
      return { call, answered };
    };
    const readers = Array.from({ length: limits.controlStreams }, reader);
    expect(new Set(await Promise.all(readers.map(({ answered }) => answered)))).toEqual(new Set([200]));
    const refused = await ask("/api/hops", bearer());
    expect([refused.status, refused.text]).toEqual([
      503,
      expect.stringContaining(`${limits.controlStreams} readers are connected already`),
    ]);
    for (const { call } of readers) call.destroy();
    await until("there is room again", async () => (await ask("/api/hops?follow=no", bearer())).status === 200);
  });

  const read = async (query: Parameters<ControlClient["hops"]>[0]) => {
    const found: HopRecord[] = [];
    await client.hops({ ...query, follows: false }, (each) => found.push(each), AbortSignal.timeout(5000));
    return found;
  };

  test("of the past are the last that fit", async () => {
    for (let n = 0; n < 50; n++) ring.push(hop(n, n % 2 === 0 ? "default/pod/even" : "default/pod/odd"));
    expect((await read({ last: 3 })).map(({ time }) => time)).toEqual([47, 48, 49]);
    expect((await read({ last: 2, where: 'name == "even"' })).map(({ time }) => time)).toEqual([46, 48]);
  });

  test("come as they happen, until the reader goes", async () => {
    const found: HopRecord[] = [];
    const stop = new AbortController();
    const reading = client.hops({ where: 'name == "live"' }, (each) => found.push(each), stop.signal).catch(() => {});
    await until("the hop has come", () => {
      ring.push(hop(1, "default/pod/live"));
      return found.length > 0;
    });
    stop.abort();
    await reading;
  });

  test("have their secrets masked, unless they are to be revealed", async () => {
    ring.push(hop(7, "default/secret/s", '{"content":{"data":{"p":"aHVudGVy"}}}'));
    const where = 'kind == "secret"';
    expect((await read({ last: 1, where }))[0]?.text).toContain("(masked)");
    expect((await read({ last: 1, where, reveal: true }))[0]?.text).toContain("aHVudGVy");
  });

  test("are sampled for a page that asks for few, by message, and it is told so", async () => {
    const { promise, resolve } = Promise.withResolvers<string>();
    let text = "";
    const call = request({
      host: "127.0.0.1",
      port: tap.port,
      path: "/api/hops?rate=100&where=ns%3D%3D%22many%22",
      headers: { ...bearer(), accept: "text/event-stream" },
      agent: false,
    }, (response) => {
      response.setEncoding("utf8");
      response.on("data", (chunk) => {
        text += chunk;
        if (/"oneOf":(?!1,)/.test(text)) resolve(text);
        if (text.includes(": connected") && !text.includes("data:")) {
          for (let n = 0; n < 2000; n++) for (const _ of [1, 2]) ring.push(hop(n, "many/pod/p"));
        }
      });
    });
    call.end();
    const all = await promise;
    call.destroy();
    const ids = [...all.matchAll(/"id":"(m\d+)"/g)].map(([, id]) => id);
    expect(ids.length).toBeLessThan(1000);
    expect(ids.length).toBeGreaterThan(20);
    const counts = new Map<string | undefined, number>();
    for (const id of ids) counts.set(id, (counts.get(id) ?? 0) + 1);
    // Messages are shown with all their hops, but for the one at which the share became smaller.
    const halves = [...counts.values()].filter((count) => count === 1).length;
    expect(halves).toBeLessThanOrEqual(1);
    expect(all).toMatch(/event: state/);
  });
});

test("the other clock's offset is measured, and clocks of one machine have none", async () => {
  expect(await client.clockOffset()).toBe(0);
  const offset = await client.clockOffset(() => Date.now() - 60_000);
  expect(Math.abs(offset - 60_000)).toBeLessThan(1000);
});

test("an endpoint that is gone is told apart from one that refuses", async () => {
  await expect(new ControlClient(tap.url, "wrong").get("/api/about")).rejects.toThrow(/the token is needed.*HTTP 401/);
  await expect(new ControlClient("http://127.0.0.1:1", token).get("/api/about")).rejects.toThrow(
    /127\.0\.0\.1:1 does not answer/,
  );
});
