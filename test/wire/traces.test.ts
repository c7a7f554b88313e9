// Traces over OTLP to a collector by hand: a span for each message, with its id and its hops.
import { createServer } from "node:http";
import { expect, test } from "vitest";
import { HopRing } from "../../base/hop/ring.ts";
import { closeServer, listen } from "../../base/transport/listen.ts";
import { type HopName, hopOf } from "../../protocol/message/hops.ts";
import { exportTraces } from "../../scenarios/tap/traces.ts";
import { wantsTraces } from "../../scenarios/tap/wants-traces.ts";
import { anyPort } from "../support/start.ts";

interface Span {
  readonly name: string;
  readonly attributes: readonly { readonly key: string; readonly value: { readonly stringValue?: string } }[];
  readonly events: readonly { readonly name: string }[];
  readonly status: { readonly code?: number; readonly message?: string };
}

test("a message is one span with its id, its edge and its hops; one that was not sent has failed, with the reason", async () => {
  const spans: Span[] = [];
  const server = createServer((request, response) => {
    let text = "";
    request.on("data", (chunk) => text += chunk);
    request.on("end", () => {
      const { resourceSpans } = JSON.parse(text) as { resourceSpans: { scopeSpans: { spans: Span[] }[] }[] };
      spans.push(...resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap((scope) => scope.spans)));
      response.writeHead(200, { "content-type": "application/json" }).end("{}");
    });
  });
  const port = await listen(server, anyPort);
  const ring = new HopRing(1_000_000, { isOnDemand: true });
  const hop = (name: HopName, id: string, outcome = "") =>
    ring.on?.(hopOf({ header: { msg_id: id }, route: { operation: "update", resource: "default/configmap/app" } }, {
      time: Date.now(),
      hop: name,
      direction: "down",
      node: "gw-0",
      outcome,
    }));
  process.env.OTEL_EXPORTER_OTLP_ENDPOINT = `http://127.0.0.1:${port}`;
  try {
    expect(wantsTraces(process.env)).toBe(true);
    const traces = await exportTraces(ring, "test");
    for (const name of ["hub.enqueue", "hub.write", "hub.ack", "hub.record"] as const) hop(name, "m1");
    hop("hub.enqueue", "m2");
    hop("hub.drop", "m2", "the lane is full");
    hop("hub.enqueue", "m3");
    await traces[Symbol.asyncDispose]();
    expect(traces.count).toBe(3);
    expect(ring.on).toBeUndefined();
  } finally {
    delete process.env.OTEL_EXPORTER_OTLP_ENDPOINT;
    await closeServer(server);
  }
  const of = (id: string) =>
    spans.find(({ attributes }) =>
      attributes.some(({ key, value }) => key === "messaging.message.id" && value.stringValue === id)
    );
  expect(spans).toHaveLength(3);
  expect(of("m1")?.name).toBe("update configmap");
  expect(of("m1")?.events.map(({ name }) => name)).toEqual(["hub.enqueue", "hub.write", "hub.ack", "hub.record"]);
  expect(of("m2")?.status).toMatchObject({ code: 2, message: "the lane is full" });
  expect(of("m3")?.events).toHaveLength(1);
});

test("without an endpoint nothing is traced", () => {
  expect(wantsTraces({})).toBe(false);
  expect(wantsTraces({ OTEL_EXPORTER_OTLP_ENDPOINT: "http://x", OTEL_SDK_DISABLED: "true" })).toBe(false);
});
