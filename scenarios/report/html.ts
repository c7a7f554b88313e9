// The run as one page that needs nothing else: verdicts, time lines, differences, messages, latencies, settings.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { describeHop } from "./hop-line.ts";
import { spoken } from "../files/duration.ts";
import type { Failure, InvariantResult, RunResult, ScenarioResult, StepResult } from "../model/result.ts";
import { type FlowPercentiles, flowPercentiles, percentiles } from "./percentiles.ts";
import { totalsLine } from "./terminal.ts";

/** Steps that disturb: they are marked on the time line. */
const faults: ReadonlySet<string> = new Set(["fault", "restart", "edge", "pods"]);
/** Flows the plot draws: those with most messages. More lines than that can't be distinguished. */
const PLOTTED = 8;

/** The whole page. `command` is how skep is called, for the line that repeats a failure. */
export function htmlReport(run: RunResult, command: string): string {
  const flows = flowPercentiles(run);
  const title = `skep: ${totalsLine(run)}`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="content-security-policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:">
<link rel="icon" href="data:,">
<title>${escape(title)}</title>
<style>${flows.length === 0 ? "" : plotFile("uPlot.min.css")}${style}</style>
</head>
<body>
<header>
<h1>${escape(totalsLine(run))}</h1>
<p class="dim">${escape(run.target)} · ${
    escape(new Date(run.startedAt).toISOString().slice(0, 19).replace("T", " "))
  } UTC</p>
</header>
<main>
<section id="scenarios">
${[...run.scenarios].sort((a, b) => order(a) - order(b)).map((scenario) => scenarioPart(scenario, command)).join("\n")}
${run.notRun.map((name) => `<p class="dim">not run: ${escape(name)}</p>`).join("\n")}
</section>
${latencyPart(flows)}
${settingsPart(run)}
</main>
</body>
</html>
`;
}

function order({ flaky, verdict }: ScenarioResult): number {
  return verdict === "failed" ? 0 : flaky ? 1 : 2;
}

function scenarioPart(scenario: ScenarioResult, command: string): string {
  const { flaky, name, reason, tags, took, verdict } = scenario;
  const word = flaky ? "flaky" : verdict;
  const facts = [
    `${scenario.file}`,
    `seed ${scenario.seed}`,
    `${scenario.messages} hops`,
    ...(scenario.tries > 1 ? [`${scenario.tries} tries`] : []),
    ...tags.map((tag) => `#${tag}`),
  ];
  return `<details class="scenario ${word}"${verdict === "failed" ? " open" : ""}>
<summary><span class="verdict">${word}</span><span class="name">${escape(name)}</span><span class="took">${
    spoken(took)
  }</span></summary>
<p class="dim">${facts.map(escape).join(" · ")}</p>
${reason === "" ? "" : `<p>${escape(reason)}</p>`}
${scenario.failures.map(failurePart).join("\n")}
${scenario.earlier.length === 0 ? "" : `<h3>on an earlier try</h3>${scenario.earlier.map(failurePart).join("\n")}`}
${timeLine(scenario)}
${scenario.shown.map(({ what, lines }) => `<h3>${escape(what)}</h3><pre>${escape(lines.join("\n"))}</pre>`).join("\n")}
${invariantsPart(scenario.invariants)}
${
    verdict === "failed"
      ? `<p>Repeat it: <code>${escape(`${command} run ${scenario.file} --seed ${scenario.seed}`)}</code></p>`
      : ""
  }
</details>`;
}

function failurePart({ details, hops, message, position }: Failure): string {
  const place = position === undefined
    ? ""
    : ` <span class="dim">${escape(`${position.file}:${position.line}`)}</span>`;
  return `<div class="failure"><p><strong>${escape(message)}</strong>${place}</p>
${details.length === 0 ? "" : `<pre>${escape(details.join("\n"))}</pre>`}
${
    hops.length === 0
      ? ""
      : `<h3>the last messages that had to do with it</h3><pre>${escape(hops.map(describeHop).join("\n"))}</pre>`
  }
</div>`;
}

function timeLine({ steps }: ScenarioResult): string {
  if (steps.length === 0) return "";
  const end = Math.max(1, ...steps.map(({ began, took }) => began + took));
  return `<ol class="line">${steps.map((step) => stepRow(step, end)).join("")}</ol>`;
}

function stepRow({ began, kind, line, name, took, verdict }: StepResult, end: number): string {
  const left = (began / end * 100).toFixed(2);
  const width = Math.max(0.5, took / end * 100).toFixed(2);
  const what = faults.has(kind) ? "fault" : verdict;
  return `<li><span class="step" title="line ${line}">${faults.has(kind) ? "⚡ " : ""}${
    escape(name)
  }</span><span class="track"><i class="${what}" style="margin-left:min(${left}%,99%);width:min(${width}%,calc(100% - ${left}%))"></i></span><span class="took">${
    spoken(took)
  }</span></li>`;
}

function invariantsPart(invariants: readonly InvariantResult[]): string {
  if (invariants.length === 0) return "";
  const sign = { held: "✓", broken: "✗", "not judged": "–" } as const;
  return `<h3>invariants</h3><ul class="invariants">${
    invariants.map(({ details, name, verdict }) =>
      `<li class="${verdict === "not judged" ? "skipped" : verdict}">${sign[verdict]} ${escape(name)}${
        verdict === "held" ? "" : ` <span class="dim">${verdict}</span>`
      }${details.length === 0 ? "" : `<pre>${escape(details.join("\n"))}</pre>`}</li>`
    ).join("")
  }</ul>`;
}

function latencyPart(flows: readonly FlowPercentiles[]): string {
  if (flows.length === 0) return "";
  const head = percentiles.map((percentile) => `<th>${percentile === 100 ? "max" : `p${percentile}`}</th>`).join("");
  const rows = flows.map(({ count, flow, values }) =>
    `<tr><td>${escape(flow)}</td><td>${count}</td>${values.map((ms) => `<td>${ms}</td>`).join("")}</tr>`
  );
  const plotted = [...flows].sort((a, b) => b.count - a.count).slice(0, PLOTTED);
  const data = JSON.stringify({ percentiles, flows: plotted }).replaceAll("<", "\\u003c");
  return `<section id="latencies">
<h2>Latencies</h2>
<p class="dim">Milliseconds: down until the edge acknowledged, up until the cloud answered. The plot has the ${plotted.length} busiest flows.</p>
<div id="plot"></div>
<div class="wide"><table><thead><tr><th>flow</th><th>messages</th>${head}</tr></thead><tbody>${
    rows.join("")
  }</tbody></table></div>
</section>
<script>${plotFile("uPlot.iife.min.js")}</script>
<script id="flows" type="application/json">${data}</script>
<script>${plotScript}</script>`;
}

function settingsPart(run: RunResult): string {
  const facts = {
    target: run.target,
    seed: run.seed,
    "time scale": run.timeScale,
    patience: run.patience,
    skep: run.versions.skep,
    runtime: run.versions.runtime,
    machine: run.versions.machine,
    took: spoken(run.took),
  };
  const rows = Object.entries(facts).map(([name, value]) => `<dt>${name}</dt><dd>${escape(String(value))}</dd>`);
  return `<section id="settings"><h2>Settings</h2><dl>${rows.join("")}</dl></section>`;
}

function escape(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}

/** A file of uPlot: it goes into the page, which loads nothing. */
function plotFile(name: string): string {
  const dist = dirname(createRequire(import.meta.url).resolve("uplot"));
  return readFileSync(join(dist, name), "utf8");
}

const plotScript = `
const { percentiles, flows } = JSON.parse(document.getElementById("flows").textContent);
const place = document.getElementById("plot");
const ink = getComputedStyle(document.body).color;
const axis = { stroke: ink, grid: { stroke: "#8884", width: 1 }, ticks: { stroke: "#8884", width: 1 } };
const names = percentiles.map((p) => p === 100 ? "max" : "p" + p);
const plot = new uPlot({
  width: place.clientWidth,
  height: 280,
  scales: { x: { time: false }, y: { distr: 3 } },
  axes: [
    { ...axis, splits: () => percentiles.map((_, i) => i), values: () => names },
    { ...axis, values: (_, ticks) => ticks.map((ms) => ms === null ? "" : ms + " ms"), size: 70 },
  ],
  series: [
    { label: "percentile", value: (_, i) => i === null ? "" : names[i] },
    ...flows.map(({ flow }, i) => ({
      label: flow,
      stroke: "hsl(" + (i * 360 / flows.length) + " 65% 55%)",
      width: 2,
      value: (_, ms) => ms === null ? "" : Math.round(ms) + " ms",
    })),
  ],
}, [percentiles.map((_, i) => i), ...flows.map(({ values }) => values.map((ms) => Math.max(ms, 0.5)))], place);
addEventListener("resize", () => plot.setSize({ width: place.clientWidth, height: 280 }));
`;

const style = `
:root { color-scheme: light dark; --ground: #fff; --ink: #1c2128; --dim: #59636e; --line: #d1d9e0; --soft: #f6f8fa;
  --passed: #1a7f37; --failed: #cf222e; --skipped: #9a6700; --fault: #8250df; }
@media (prefers-color-scheme: dark) {
  :root { --ground: #0d1117; --ink: #e6edf3; --dim: #9198a1; --line: #30363d; --soft: #161b22;
    --passed: #3fb950; --failed: #f85149; --skipped: #d29922; --fault: #a371f7; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 70rem; padding: 1rem; background: var(--ground); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.4rem; margin: 0; } h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; } h3 { font-size: .95rem; margin: 1rem 0 .25rem; }
.dim { color: var(--dim); font-size: .875rem; overflow-wrap: anywhere; }
.scenario { border: 1px solid var(--line); border-radius: .5rem; margin: .5rem 0; padding: 0 .75rem; }
.scenario[open] { padding-bottom: .75rem; }
summary { cursor: pointer; display: flex; gap: .75rem; padding: .6rem 0; align-items: baseline; }
summary .name { flex: 1; min-width: 0; } .took { color: var(--dim); font-variant-numeric: tabular-nums; white-space: nowrap; }
.verdict { font-weight: 600; min-width: 4.2rem; }
.passed .verdict, .held { color: var(--passed); } .failed .verdict, .broken { color: var(--failed); }
.skipped .verdict, .flaky .verdict, li.skipped { color: var(--skipped); }
.failure { border-left: 3px solid var(--failed); padding-left: .75rem; margin: .5rem 0; }
pre { background: var(--soft); border-radius: .375rem; margin: .25rem 0; overflow-x: auto; padding: .5rem .75rem; font-size: .8125rem; }
code { background: var(--soft); border-radius: .25rem; padding: .1rem .3rem; overflow-wrap: anywhere; }
.line { list-style: none; margin: .5rem 0; padding: 0; font-size: .875rem; }
.line li { display: grid; grid-template-columns: minmax(0, 2fr) minmax(0, 3fr) 4.5rem; gap: .75rem; align-items: center; padding: .1rem 0; }
.step { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; } .line .took { text-align: right; }
.track { background: var(--soft); border-radius: .25rem; height: .7rem; overflow: hidden; }
.track i { display: block; height: 100%; background: var(--passed); border-radius: .25rem; }
.track i.failed { background: var(--failed); } .track i.skipped { background: var(--skipped); } .track i.fault { background: var(--fault); }
.invariants { list-style: none; margin: 0; padding: 0; font-size: .875rem; }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-size: .875rem; width: 100%; }
th, td { border-bottom: 1px solid var(--line); padding: .3rem .5rem; text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1rem; margin: 0; } dt { color: var(--dim); } dd { margin: 0; overflow-wrap: anywhere; }
@media (max-width: 40rem) {
  body { padding: .5rem; } .line li { grid-template-columns: 1fr 4.5rem; } .track { grid-column: 1 / -1; grid-row: 2; }
}
`;
