// The numbers of a load run while it goes on, for Prometheus.
import { createServer } from "node:http";
import { Gauge, Registry } from "prom-client";
import { closeServer, listen } from "../../base/transport/listen.ts";
import { type GaugeName, gaugeNames } from "./metrics.ts";
import type { Sample } from "./recorder.ts";

/** Serves the last sample under /metrics. */
export class LoadMetrics implements AsyncDisposable {
  readonly #registry = new Registry();
  readonly #gauges = new Map<GaugeName, Gauge>();
  readonly #flows: Gauge<"flow" | "quantile">;
  readonly #errors: Gauge;
  readonly #server = createServer((request, response) => {
    if (request.url?.split("?")[0] !== "/metrics") return void response.writeHead(404).end("404: there is /metrics\n");
    this.#registry.metrics().then(
      (text) => response.writeHead(200, { "content-type": this.#registry.contentType }).end(text),
      () => response.writeHead(500).end(),
    );
  });

  constructor() {
    const registers = [this.#registry];
    for (const [name, help] of Object.entries(gaugeNames)) {
      this.#gauges.set(
        name as GaugeName,
        new Gauge({ name: `skep_load_${name.replaceAll(".", "_")}`, help, registers }),
      );
    }
    this.#flows = new Gauge({
      name: "skep_load_flow_milliseconds",
      help: "How long the operations of the last second took, by flow and percentile",
      labelNames: ["flow", "quantile"],
      registers,
    });
    this.#errors = new Gauge({
      name: "skep_load_errors",
      help: "Errors and lost operations of the last second",
      registers,
    });
  }

  /** Resolves with the port. Rejects with ListenError. */
  async start(host: string, port: number): Promise<number> {
    return await listen(this.#server, { host, port, exact: port !== 0 });
  }

  show({ errors, flows, gauges }: Sample): void {
    for (const [name, gauge] of this.#gauges) if (gauges[name] !== undefined) gauge.set(gauges[name]);
    this.#flows.reset();
    for (const [flow, { p50, p99 }] of Object.entries(flows)) {
      this.#flows.set({ flow, quantile: "0.5" }, p50);
      this.#flows.set({ flow, quantile: "0.99" }, p99);
    }
    this.#errors.set(errors);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await closeServer(this.#server);
  }
}
