// OpenTelemetry traces: a span for each message from its first hop to its last, exported over OTLP where an endpoint is configured.
import type { HopRecord } from "../../base/hop/hop.ts";
import type { HopRing } from "../../base/hop/ring.ts";
import { SkepError } from "../../base/error/skep-error.ts";
import { reasonOf } from "../../base/log/logger.ts";
import { version } from "../../base/version.ts";
import { isDrop } from "../../protocol/message/hops.ts";
import { objectOf } from "../../base/hop/about.ts";

/** The packages that traces need are not installed, or the endpoint is none. */
export class TracesError extends SkepError {
  readonly code = "SKEP_TRACES";
}

/** Exports until it is disposed, which writes what is left. */
export interface TraceExport extends AsyncDisposable {
  /** Spans handed over so far. */
  readonly count: number;
}

/** Messages that are followed at once; the oldest are exported as they are. */
const OPEN = 20_000;
/** Milliseconds after which a message without an end is exported as it is. */
const LONGEST_MS = 60_000;
const LOOK_MS = 5000;

/** Begins. The exporter reads its endpoint, headers and so on from OpenTelemetry's environment variables. Rejects with TracesError. */
export async function exportTraces(ring: HopRing, what: string): Promise<TraceExport> {
  const packages = await Promise.all([
    import("@opentelemetry/sdk-trace-base"),
    import("@opentelemetry/exporter-trace-otlp-http"),
    import("@opentelemetry/resources"),
  ]).catch((error) => {
    throw new TracesError(`traces are wanted (OTEL_EXPORTER_OTLP_ENDPOINT), and can't be made: ${reasonOf(error)}`);
  });
  const [{ BasicTracerProvider, BatchSpanProcessor }, { OTLPTraceExporter }, { resourceFromAttributes }] = packages;
  const provider = new BasicTracerProvider({
    resource: resourceFromAttributes({
      "service.name": process.env.OTEL_SERVICE_NAME ?? `skep-${what}`,
      "service.version": version,
    }),
    spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter())],
  });
  const tracer = provider.getTracer("skep", version);
  const open = new Map<string, HopRecord[]>();
  let count = 0;
  const close = (key: string) => {
    const hops = open.get(key) ?? [];
    open.delete(key);
    const [first] = hops;
    const last = hops.at(-1);
    if (first === undefined || last === undefined) return;
    count++;
    const span = tracer.startSpan(`${first.operation} ${objectOf(first.resource).kind}`, {
      startTime: first.time,
      attributes: {
        "messaging.system": "kubeedge",
        "messaging.message.id": first.id,
        "kubeedge.direction": first.direction,
        "kubeedge.node": last.node,
        "kubeedge.operation": first.operation,
        "kubeedge.resource": first.resource,
        "kubeedge.resource_version": first.version,
        "kubeedge.source": first.source,
      },
    });
    for (const { hop, outcome, time } of hops) span.addEvent(hop, outcome === "" ? {} : { outcome }, time);
    // 2: an error (SpanStatusCode of OpenTelemetry's API).
    if (isDrop(last.hop)) span.setStatus({ code: 2, message: last.outcome });
    span.end(last.time);
  };
  const stop = ring.listen((hop) => {
    if (
      hop.id === "" || hop.node === "" || hop.operation === "keepalive" ||
      hop.operation === "response" && hop.direction === "up"
    ) return;
    const key = `${hop.id} ${hop.node}`;
    const hops = open.get(key);
    if (hops === undefined) {
      open.set(key, [hop]);
      const [oldest] = open.keys();
      if (open.size > OPEN && oldest !== undefined) close(oldest);
    } else hops.push(hop);
    if (isDrop(hop.hop) || hop.hop === "hub.record" || hop.hop === "kube.write") close(key);
  });
  const timer = setInterval(() => {
    const before = Date.now() - LONGEST_MS;
    for (const [key, [first]] of open) {
      // In the order in which they began: the rest is younger.
      if ((first?.time ?? 0) > before) break;
      close(key);
    }
  }, LOOK_MS);
  timer.unref();
  return {
    get count() {
      return count;
    },
    async [Symbol.asyncDispose]() {
      stop();
      clearInterval(timer);
      for (const key of [...open.keys()]) close(key);
      await provider.shutdown();
    },
  };
}
