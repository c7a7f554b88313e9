// The run as one page that needs nothing else: verdicts, time lines, differences, messages, latencies, settings.
import { basename, dirname } from "node:path";
import { describeHop } from "./hop-line.ts";
import { spoken } from "../files/duration.ts";
import type { Failure, InvariantResult, RunResult, ScenarioResult, StepResult } from "../model/result.ts";
import { type FlowPercentiles, flowPercentiles, percentiles } from "./percentiles.ts";
import { escape, factsOf, page, tableOf } from "./page.ts";
import { totalsLine } from "./terminal.ts";

/** Steps that disturb: they are marked on the time line. */
const faults: ReadonlySet<string> = new Set(["fault", "restart", "edge", "pods"]);
/** Flows the plot draws: those with most messages. More lines than that can't be distinguished. */
const PLOTTED = 8;

/** The whole page. `command` is how skep is called, for the line that repeats a failure. */
export function htmlReport(run: RunResult, command: string): string {
  const flows = flowPercentiles(run);
  const hasFailed = run.scenarios.some(({ verdict }) => verdict === "failed");
  const hasRun = run.scenarios.some(({ verdict }) => verdict === "passed");
  return page({
    title: `skep: ${totalsLine(run)}`,
    heading: totalsLine(run),
    verdict: hasFailed ? "failed" : hasRun ? "passed" : "skipped",
    facts: [run.target, `${new Date(run.startedAt).toISOString().slice(0, 19).replace("T", " ")} UTC`],
    body: `${subjectsPart(run.scenarios)}
<section id="scenarios">
${findPart(run.scenarios)}
${[...run.scenarios].sort((a, b) => order(a) - order(b)).map((scenario) => scenarioPart(scenario, command)).join("\n")}
${run.notRun.map((name) => `<p class="dim">not run: ${escape(name)}</p>`).join("\n")}
</section>
${latencyPart(flows)}
${settingsPart(run)}`,
    hasPlots: flows.length > 0,
    ...(flows.length === 0 ? {} : { data: { flows: { percentiles, flows: busiest(flows) } } }),
    scripts: [...run.scenarios.length > 1 ? [findScript] : [], ...flows.length > 0 ? [plotScript] : []],
  });
}

/** Scenarios are sorted by the folder of their file, which is their subject. */
function subjectOf({ file }: Pick<ScenarioResult, "file">): string {
  return basename(dirname(file)) || ".";
}

const words = ["passed", "flaky", "failed", "skipped"] as const;
type Word = typeof words[number];

function wordOf({ flaky, verdict }: ScenarioResult): Word {
  return flaky ? "flaky" : verdict;
}

/** How many of each folder passed, failed, were skipped. */
function subjectsPart(scenarios: readonly ScenarioResult[]): string {
  const subjects = new Map<string, ScenarioResult[]>();
  for (const scenario of scenarios) {
    const subject = subjectOf(scenario);
    subjects.set(subject, [...subjects.get(subject) ?? [], scenario]);
  }
  if (subjects.size < 2) return "";
  const rows = [...subjects].map(([subject, all]) => {
    const counts = words.map((word) => all.filter((scenario) => wordOf(scenario) === word).length);
    return [subject, ...counts.map((count) => count === 0 ? "" : String(count))];
  });
  return `<section id="subjects"><h2>By subject</h2>${tableOf(["subject", ...words], rows)}</section>`;
}

/** What finds scenarios among many: by their words, by their verdict. */
function findPart(scenarios: readonly ScenarioResult[]): string {
  if (scenarios.length < 2) return "";
  const there = words.filter((word) => scenarios.some((scenario) => wordOf(scenario) === word));
  return `<div class="find"><input id="find" type="search" placeholder="find scenarios" aria-label="find scenarios">
${
    ["all", ...there].map((word, i) =>
      `<button type="button" data-verdict="${word}" aria-pressed="${i === 0}">${word}</button>`
    ).join("")
  } <span id="found" class="dim" role="status"></span></div>`;
}

function order({ flaky, verdict }: ScenarioResult): number {
  return verdict === "failed" ? 0 : flaky ? 1 : 2;
}

function scenarioPart(scenario: ScenarioResult, command: string): string {
  const { name, reason, tags, took, verdict } = scenario;
  const word = wordOf(scenario);
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
${recordingPart(scenario)}
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

function busiest(flows: readonly FlowPercentiles[]): FlowPercentiles[] {
  return [...flows].sort((a, b) => b.count - a.count).slice(0, PLOTTED);
}

function latencyPart(flows: readonly FlowPercentiles[]): string {
  if (flows.length === 0) return "";
  const head = percentiles.map((percentile) => percentile === 100 ? "max" : `p${percentile}`);
  const rows = flows.map(({ count, flow, values }) => [flow, String(count), ...values.map(String)]);
  return `<section id="latencies">
<h2>Latencies</h2>
<p class="dim">Milliseconds: down until the edge acknowledged, up until the cloud answered. The plot has the ${
    busiest(flows).length
  } busiest flows.</p>
<div id="plot"></div>
${tableOf(["flow", "messages", ...head], rows)}
</section>`;
}

function settingsPart(run: RunResult): string {
  return `<section id="settings"><h2>Settings</h2>${
    factsOf({
      target: run.target,
      seed: run.seed,
      "time scale": run.timeScale,
      patience: run.patience,
      skep: run.versions.skep,
      runtime: run.versions.runtime,
      machine: run.versions.machine,
      took: spoken(run.took),
    })
  }</section>`;
}

const findScript = `
const find = document.getElementById("find");
const all = [...document.querySelectorAll(".scenario")];
const buttons = [...document.querySelectorAll(".find button")];
let verdict = "all";
const show = () => {
  const wanted = find.value.toLowerCase().split(/\\s+/).filter((word) => word !== "");
  let count = 0;
  for (const scenario of all) {
    const parts = scenario.querySelectorAll("summary, summary + .dim, .failure");
    const text = [...parts].map((part) => part.textContent).join(" ").toLowerCase();
    const isWanted = (verdict === "all" || scenario.classList.contains(verdict)) && wanted.every((word) => text.includes(word));
    scenario.hidden = !isWanted;
    if (isWanted) count++;
  }
  document.getElementById("found").textContent = count === all.length ? "" : count + " of " + all.length;
};
find.addEventListener("input", show);
for (const button of buttons) {
  button.addEventListener("click", () => {
    verdict = button.dataset.verdict;
    for (const other of buttons) other.setAttribute("aria-pressed", String(other === button));
    show();
  });
}
`;

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

function recordingPart({ recording }: ScenarioResult): string {
  if (recording === undefined) return "";
  const href = recording.split("/").map(encodeURIComponent).join("/");
  return `<p>messages: <a href="${href}">${escape(recording)}</a> (<code>skep tap FILE</code> shows it)</p>`;
}
