// Health and metrics of a cloudcore over HTTP (KubeEdge's monitorServer): /metrics, /healthz, /readyz.
import { createServer } from "node:http";
import { Counter, Gauge, type Histogram, Registry } from "prom-client";
import { closeServer, listen, type ListenOptions } from "../../base/transport/listen.ts";
import { limits } from "../../protocol/limits.ts";

/** A count for each value of one label. */
export interface Labelled {
  readonly label: string;
  readonly values: ReadonlyMap<string, number>;
}

/** What the endpoints show, evaluated at each request. */
export interface Monitored {
  /** Numbers that go up and down, by name. */
  gauges(): Readonly<Record<string, number>>;
  /** Numbers that only grow, by name; with a label, by its values. */
  counters(): Readonly<Record<string, number | Labelled>>;
  /** How long things took; those of them that are named in `metricsAbout`. */
  histograms(): readonly Histogram[];
  /** Why it does not serve yet, or no longer; undefined where it does. */
  notReady(): string | undefined;
}

/** The help text of each metric; a metric without one would not be shown. */
export const metricsAbout: Readonly<Record<string, string>> = {
  KubeEdge_CloudHub_connected_nodes: "Edges connected now (KubeEdge's own name)",
  skep_hub_lane_messages: "Messages waiting in all lanes",
  skep_hub_lane_depth_max: "Messages waiting in the fullest lane",
  skep_hub_unacked_messages: "Messages sent and not acknowledged yet",
  skep_hub_unacked_age_seconds_max: "Age of the oldest of these",
  skep_hub_sent_total: "Messages sent to edges, each counted once",
  skep_hub_acked_total: "Messages that edges have acknowledged",
  skep_hub_resends_total: "Messages sent again for want of an acknowledgement",
  skep_hub_drops_total: "Messages for edges that were not sent, by reason",
  skep_hub_refusals_total: "Messages of edges that were not carried out, by reason",
  skep_hub_wait_seconds: "Time that messages for edges waited in their lanes until they were written",
  skep_hub_ack_seconds: "Time from a message's entering its lane until the edge acknowledged it",
  skep_hub_bytes_down_total: "Bytes of messages to edges",
  skep_hub_bytes_up_total: "Bytes of messages from edges",
  skep_bus_depth: "Messages waiting for the busiest module",
  process_resident_memory_bytes: "Resident memory",
  process_cpu_seconds_total: "Processor time, user and system",
};

/** Starts it; resolves with the port and a function that stops it. Rejects with ListenError. */
export async function serveMonitor(
  where: ListenOptions,
  monitored: Monitored,
): Promise<{ readonly port: number; stop(): Promise<void> }> {
  const server = createServer({ maxHeaderSize: limits.headers }, (request, response) => {
    const say = (status: number, text: string, type = "text/plain; charset=utf-8") =>
      response.writeHead(status, { "content-type": type }).end(text);
    // No URL parsing: what strangers send as a path need not be one.
    const [path = "/"] = (request.url ?? "/").split("?");
    if (request.method !== "GET" && request.method !== "HEAD") return say(405, "405: Method Not Allowed\n");
    if (path === "/healthz") return say(200, "ok\n");
    if (path === "/readyz") {
      const why = monitored.notReady();
      return why === undefined ? say(200, "ok\n") : say(503, `not ready: ${why}\n`);
    }
    if (path !== "/metrics") return say(404, "404: there are /metrics, /healthz and /readyz\n");
    const registry = registryOf(monitored);
    registry.metrics().then((text) => say(200, text, registry.contentType), () => say(500, "500\n"));
  });
  const port = await listen(server, where);
  return { port, stop: () => closeServer(server) };
}

/** A registry of this moment: what is counted is counted where it happens, and only handed over here. */
function registryOf(monitored: Monitored): Registry {
  const registry = new Registry();
  const { rss } = process.memoryUsage();
  const { user, system } = process.cpuUsage();
  const gauges = { ...monitored.gauges(), process_resident_memory_bytes: rss };
  const counters: Readonly<Record<string, number | Labelled>> = {
    ...monitored.counters(),
    process_cpu_seconds_total: (user + system) / 1e6,
  };
  const registers = [registry];
  for (const histogram of monitored.histograms()) registry.registerMetric(histogram);
  for (const [name, value] of Object.entries(gauges)) {
    new Gauge({ name, help: metricsAbout[name] ?? "", registers }).set(value);
  }
  for (const [name, value] of Object.entries(counters)) {
    const help = metricsAbout[name] ?? "";
    if (typeof value === "number") new Counter({ name, help, registers }).inc(value);
    else {
      const counter = new Counter({ name, help, registers, labelNames: [value.label] });
      for (const [of, count] of value.values) counter.inc({ [value.label]: of }, count);
    }
  }
  return registry;
}
