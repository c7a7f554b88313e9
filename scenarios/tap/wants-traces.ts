// Whether traces are to be exported; apart from them, since most runs load nothing of OpenTelemetry.

/** Whether the environment names an endpoint (OpenTelemetry's own variables). */
export function wantsTraces(env: Readonly<Record<string, string | undefined>>): boolean {
  return env.OTEL_SDK_DISABLED !== "true" &&
    (env.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT ?? env.OTEL_EXPORTER_OTLP_ENDPOINT ?? "") !== "";
}
