// Health and metrics over HTTP.
import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { serveMonitor } from "../../cloud/monitor/monitor.ts";
import { resources } from "../../cloud/kube/resource.ts";
import { rawEdge } from "../support/raw-edge.ts";
import { addNode } from "../support/nodes.ts";
import { until } from "../support/until.ts";
import { anyPort, type Cloud, startCloud } from "../support/start.ts";

let cloud: Cloud;
beforeAll(async () => void (cloud = await startCloud({ monitor: true, config: { authorization: "on" } })));
afterAll(() => cloud.stop());

const ask = (path: string, init?: RequestInit) => fetch(`http://127.0.0.1:${cloud.core.monitorPort}${path}`, init);

async function metrics(): Promise<Record<string, number>> {
  const text = await (await ask("/metrics")).text();
  const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return Object.fromEntries(
    lines.map((line) => [line.slice(0, line.lastIndexOf(" ")), Number(line.split(" ").at(-1))]),
  );
}

describe("the monitor", () => {
  test("counts edges, lanes, messages, drops by reason and bytes, under names that Prometheus takes", async () => {
    expect((await metrics()).KubeEdge_CloudHub_connected_nodes).toBe(0);
    await addNode(cloud.kube, "m-0");
    const edge = await rawEdge(cloud, "m-0");
    await edge.expect("its Node", ({ route }) => route.resource === "null/node/m-0");
    edge.send({ operation: "query", resource: "default/secret/nobodys", content: null });
    await until("it was sent again", async () => ((await metrics()).skep_hub_resends_total ?? 0) > 0);
    const now = await metrics();
    expect(now.KubeEdge_CloudHub_connected_nodes).toBe(1);
    expect(now.skep_hub_unacked_messages).toBe(1);
    expect(now.skep_hub_unacked_age_seconds_max).toBeGreaterThan(0);
    expect(now.skep_hub_sent_total).toBe(1);
    expect(now.skep_hub_acked_total).toBe(0);
    expect(now.skep_hub_lane_messages).toBe(0);
    expect(now.skep_hub_bytes_down_total).toBeGreaterThan(100);
    expect(now.skep_hub_bytes_up_total).toBeGreaterThan(100);
    expect(now['skep_hub_refusals_total{reason="not allowed"}']).toBe(1);
    expect(now.process_resident_memory_bytes).toBeGreaterThan(1e6);
    edge.close();
    await until("the edge has gone", async () => (await metrics()).KubeEdge_CloudHub_connected_nodes === 0);
    await cloud.kube.patch({ resource: resources.nodes, name: "m-0" }, "merge", { metadata: { labels: { a: "b" } } });
    await until(
      "the drop is counted",
      async () => ((await metrics())['skep_hub_drops_total{reason="not connected"}'] ?? 0) > 0,
    );
    const text = await (await ask("/metrics")).text();
    for (const [, name] of text.matchAll(/^# TYPE (\S+)/gm)) {
      expect(text).toMatch(new RegExp(`^# HELP ${name} \\S`, "m"));
    }
  });

  test("is healthy as long as it lives, and ready while it serves edges", async () => {
    expect(await (await ask("/healthz")).text()).toBe("ok\n");
    expect((await ask("/readyz")).status).toBe(200);
    const unready = await serveMonitor(anyPort, {
      gauges: () => ({}),
      counters: () => ({}),
      histograms: () => [],
      notReady: () => "it has not started yet",
    });
    const answer = await fetch(`http://127.0.0.1:${unready.port}/readyz`);
    expect([answer.status, await answer.text()]).toEqual([503, "not ready: it has not started yet\n"]);
    await unready.stop();
  });

  test.each(["//", "http://[", "*", "/%", "/metrics?x=%zz"])(
    "path %s, which is no path, hurts nobody",
    async (path) => {
      const answer = await new Promise<string>((resolve) => {
        const socket = connect(cloud.core.monitorPort, "127.0.0.1", () => {
          socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
        });
        let said = "";
        socket.on("data", (chunk) => said += String(chunk));
        socket.on("close", () => resolve(said.split("\r\n")[0] ?? ""));
      });
      expect(answer).toMatch(/^HTTP\/1\.1 (404|400|200) /);
      expect((await ask("/healthz")).status).toBe(200);
    },
  );

  test("says what there is where something else is asked", async () => {
    const answer = await ask("/");
    expect([answer.status, await answer.text()]).toEqual([404, "404: there are /metrics, /healthz and /readyz\n"]);
    expect((await ask("/metrics", { method: "POST" })).status).toBe(405);
  });
});
