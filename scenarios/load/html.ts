// A load run as one page that needs nothing else: what was asked, the verdict, thresholds, percentiles, time axes, what was slow.
import { spoken } from "../files/duration.ts";
import { escape, factsOf, page, tableOf } from "../report/page.ts";
import { inUnit, number, size, verdictLine } from "./lines.ts";
import { countNames, flowNames, type GaugeName, gaugeNames } from "./metrics.ts";
import { type FlowResult, type LoadResult, percentiles, type PhaseResult } from "./result.ts";

/** A plot over time: a line for each name, as its samples have it. */
interface TimePlot {
  readonly id: string;
  readonly title: string;
  readonly unit: string;
  readonly lines: readonly { readonly label: string; readonly values: readonly (number | null)[] }[];
}

export function loadHtml(result: LoadResult): string {
  const { errors, name, phases, plan, slowest, startedAt, target, verdict } = result;
  const plots = timePlots(result);
  const flows = result.flows.filter(({ count }) => count > 0);
  return page({
    title: `skep load: ${name}: ${verdictLine(result)}`,
    heading: `${name}: ${verdictLine(result)}`,
    verdict: verdict === "passed" ? "passed" : verdict === "crossed" ? "failed" : "skipped",
    facts: [target, `${new Date(startedAt).toISOString().slice(0, 19).replace("T", " ")} UTC`, `${result.edges} edges`],
    body: `${result.reasons.map((reason) => `<p><strong>${escape(reason)}</strong></p>`).join("\n")}
${thresholdsPart(result)}
<section id="asked"><h2>What was asked</h2><ul>${plan.map((line) => `<li>${escape(line)}</li>`).join("")}</ul></section>
<section id="flows"><h2>How long things took</h2>
<p class="dim">Milliseconds, of the judged time. Each is timed from when it was due, so that a late begin counts against the target.</p>
<div id="distribution" class="plot"></div>
${flowTable(flows)}
<dl>${flows.map(({ flow }) => `<dt>${escape(flow)}</dt><dd>${escape(flowNames[flow])}</dd>`).join("")}</dl></section>
<section id="time"><h2>Over time</h2>
<p class="dim">Seconds since the first phase began. Phases: ${
      phases.map(({ began, ended, name }) => `${escape(name)} (${began.toFixed(0)}–${ended.toFixed(0)} s)`).join(", ")
    }</p>
<div class="plots">${
      plots.map(({ id, title }) => `<div><h3>${escape(title)}</h3><div id="plot-${id}" class="plot"></div></div>`).join(
        "\n",
      )
    }</div></section>
${phases.length > 1 ? phasesPart(phases) : ""}
<section id="usage"><h2>Numbers</h2>${gaugeTable(result)}${countTable(result)}</section>
${
      slowest.length === 0 ? "" : `<section id="slowest"><h2>The slowest operations</h2>${
        tableOf(
          ["operation", "flow", "at", "took", "on its way"],
          slowest.map(({ at, flow, hops, took, what }) => [
            what,
            flow,
            `${at.toFixed(1)} s`,
            spoken(took),
            hops.map((hop) => `${hop.name} after ${Math.round(hop.at)} ms`).join(", "),
          ]),
        )
      }</section>`
    }
${
      errors.length === 0
        ? ""
        : `<section id="errors"><h2>Errors</h2>${
          tableOf(["reason", "count"], errors.map(({ count, reason }) => [reason, String(count)]))
        }</section>`
    }
<section id="settings"><h2>Settings</h2>${
      factsOf({
        profile: result.file,
        target,
        run: result.run,
        seed: result.seed,
        edges: result.edges,
        processes: result.processes,
        skep: result.versions.skep,
        runtime: result.versions.runtime,
        machine: result.versions.machine,
        took: spoken(result.took),
      })
    }</section>`,
    hasPlots: true,
    data: {
      load: {
        at: result.samples.map(({ at }) => at),
        phases: phases.map(({ began, ended, hasFault, isJudged, name }) => ({
          began,
          ended,
          hasFault,
          isJudged,
          name,
        })),
        plots,
        flows: flows.map(({ distribution, flow }) => ({ flow, distribution })),
      },
    },
    scripts: [plotScript],
  });
}

function thresholdsPart({ thresholds, verdict }: LoadResult): string {
  if (thresholds.length === 0) return "";
  const rows = thresholds.map(({ found, text, unit, verdict: own }) =>
    `<li class="${
      own === "held" ? "passed" : own === "crossed" ? "crossed" : "skipped"
    }"><span class="verdict">${own}</span><code>${escape(text)}</code><span>${escape(inUnit(found, unit))}</span></li>`
  );
  const note = verdict === "none" ? `<p class="dim">The run has no verdict, so these numbers judge nothing.</p>` : "";
  return `<section id="thresholds"><h2>Thresholds</h2>${note}<ul class="thresholds">${rows.join("")}</ul></section>`;
}

function flowTable(flows: readonly FlowResult[]): string {
  const head = percentiles.map((percentile) => percentile === 100 ? "max" : `p${percentile}`);
  return tableOf(
    ["flow", "count", "mean", ...head],
    flows.map(({ count, flow, mean, values }) => [flow, String(count), number(mean), ...values.map(String)]),
  );
}

function phasesPart(phases: readonly PhaseResult[]): string {
  const parts = phases.filter(({ flows }) => flows.length > 0).map(({ flows, isJudged, name }) =>
    `<h3>${escape(name)}${isJudged ? "" : ", not judged"}</h3>${flowTable(flows)}`
  );
  return parts.length === 0 ? "" : `<section id="phases"><h2>Phase by phase</h2>${parts.join("\n")}</section>`;
}

function gaugeTable({ gauges }: LoadResult): string {
  const rows = (Object.keys(gaugeNames) as GaugeName[]).flatMap((name) => {
    const gauge = gauges[name];
    if (gauge === undefined) return [];
    const text = (value: number) => name.endsWith(".rss") ? size(value) : number(value);
    return [[name, text(gauge.min), text(gauge.mean), text(gauge.max), text(gauge.last), gaugeNames[name]]];
  });
  return tableOf(["gauge", "min", "mean", "max", "last", "what it is"], rows);
}

function countTable({ counts }: LoadResult): string {
  return tableOf(
    ["count", "number", "what it is"],
    (Object.keys(countNames) as (keyof typeof countNames)[]).map((
      name,
    ) => [name, String(counts[name]), countNames[name]]),
  );
}

/** The plots over time, those with nothing to show left out. */
function timePlots({ flows, samples }: LoadResult): TimePlot[] {
  const gauges = (names: readonly GaugeName[], factor = 1) =>
    names.flatMap((label) => {
      const values = samples.map(({ gauges }) => gauges[label] === undefined ? null : gauges[label] * factor);
      return values.every((value) => value === null) ? [] : [{ label, values }];
    });
  const latencies = flows.flatMap(({ flow }) => {
    const values = samples.map((sample) => sample.flows[flow]?.p99 ?? null);
    return flow === "generator.late" || values.every((value) => value === null) ? [] : [{ label: flow, values }];
  });
  const all: TimePlot[] = [
    { id: "latency", title: "Latency, p99 of each second", unit: "ms", lines: latencies },
    { id: "edges", title: "Edges", unit: "", lines: gauges(["edges", "edges.connected", "edges.ready"]) },
    {
      id: "messages",
      title: "Messages and operations a second",
      unit: "/s",
      lines: gauges(["messages.up", "messages.down", "operations"]),
    },
    {
      id: "errors",
      title: "Errors and lost operations",
      unit: "",
      lines: [{ label: "errors", values: samples.map(({ errors }) => errors) }],
    },
    { id: "lag", title: "The generator's own lag", unit: "ms", lines: gauges(["generator.lag"]) },
    { id: "memory", title: "Memory", unit: "MB", lines: gauges(["fleet.rss", "cloudcore.rss", "api.rss"], 1e-6) },
    {
      id: "processors",
      title: "Processors in use",
      unit: "",
      lines: gauges(["fleet.cpu", "cloudcore.cpu", "api.cpu", "generator.cpu"]),
    },
  ];
  return all.filter(({ lines }) => lines.length > 0);
}

const plotScript = `
const { at, phases, plots, flows } = JSON.parse(document.getElementById("load").textContent);
const ink = getComputedStyle(document.body).color;
const axis = { stroke: ink, grid: { stroke: "#8884", width: 1 }, ticks: { stroke: "#8884", width: 1 } };
const HEIGHT = 220;
const made = [];
const colour = (i, of) => "hsl(" + (210 + i * 360 / of) % 360 + " 65% 55%)";
const short = (value) => value === null || value === undefined ? "" : Math.abs(value) >= 100 ? String(Math.round(value)) : String(Math.round(value * 100) / 100);
// The beginning of a fault is marked. What is not judged is shaded.
const bands = {
  hooks: {
    drawClear: [(u) => {
      const { ctx, bbox } = u;
      ctx.save();
      for (const { began, ended, hasFault, isJudged } of phases) {
        const from = Math.max(bbox.left, u.valToPos(began, "x", true));
        const to = Math.min(bbox.left + bbox.width, u.valToPos(ended, "x", true));
        if (to <= from) continue;
        ctx.fillStyle = isJudged ? "#8881" : "#8883";
        ctx.fillRect(from, bbox.top, to - from, bbox.height);
        ctx.fillStyle = hasFault ? "#cf222e" : "#8888";
        ctx.fillRect(from, bbox.top, hasFault ? 3 : 1, bbox.height);
      }
      ctx.restore();
    }],
  },
};
for (const { id, lines, unit } of plots) {
  const place = document.getElementById("plot-" + id);
  const text = (value) => value === null || value === undefined ? "" : short(value) + (unit === "" ? "" : " " + unit);
  made.push([place, new uPlot({
    width: place.clientWidth,
    height: HEIGHT,
    scales: { x: { time: false } },
    plugins: [bands],
    axes: [{ ...axis, values: (_, ticks) => ticks.map((s) => s + " s") }, { ...axis, size: 70, values: (_, ticks) => ticks.map(text) }],
    series: [{ label: "at", value: (_, s) => s === null ? "" : short(s) + " s" }, ...lines.map(({ label }, i) => ({
      label, stroke: colour(i, lines.length), width: 2, spanGaps: true, value: (_, value) => text(value),
    }))],
  }, [at, ...lines.map(({ values }) => values)], place)]);
}
if (flows.length > 0) {
  const place = document.getElementById("distribution");
  const steps = flows[0].distribution.map(([percentile]) => percentile);
  made.push([place, new uPlot({
    width: place.clientWidth,
    height: 280,
    scales: { x: { time: false }, y: { distr: 3 } },
    axes: [
      { ...axis, splits: () => steps.map((_, i) => i), values: () => steps.map((p) => p === 100 ? "max" : p === 0 ? "min" : "p" + p), rotate: place.clientWidth < 600 ? -60 : 0, size: place.clientWidth < 600 ? 60 : 40 },
      { ...axis, size: 80, values: (_, ticks) => ticks.map((ms) => ms === null ? "" : ms + " ms") },
    ],
    series: [{ label: "percentile", value: (_, i) => i === null ? "" : "p" + steps[i] }, ...flows.map(({ flow }, i) => ({
      label: flow, stroke: colour(i, flows.length), width: 2, value: (_, ms) => ms === null ? "" : Math.round(ms) + " ms",
    }))],
  }, [steps.map((_, i) => i), ...flows.map(({ distribution }) => distribution.map(([, ms]) => Math.max(ms, 0.5)))], place)]);
}
addEventListener("resize", () => {
  for (const [place, plot] of made) plot.setSize({ width: place.clientWidth, height: plot.height });
});
`;
