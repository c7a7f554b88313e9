// What goes on: numbers and latencies over time, with faults, steps and phases as marks.
import { html, useMemo, useRef } from "/preact.js";
import { get } from "/api.js";
import { clock, usePolled } from "/parts.js";
import { Plot } from "/plot.js";

const LOOK_MS = 1000;
const POINTS = 600;
/** Gauges that only grow: their plot is the rate. */
const isCounter = (name) => /^(messages_|up$|down$|connections$|skep_.*_total)/.test(name);

export function Run() {
  const { error, value: run } = usePolled(() => get("/api/run"), LOOK_MS, []);
  const { value: gauges } = usePolled(() => get("/api/gauges"), LOOK_MS, []);
  const history = useRef({ series: {}, before: {} });
  const own = useMemo(() => {
    if (gauges !== undefined) remember(history.current, gauges);
    return { ...history.current.series };
  }, [gauges]);
  const given = run?.series ?? {};
  const hasGiven = Object.keys(given).length > 0;
  const all = hasGiven ? given : own;
  const marks = run?.marks ?? [];
  const plots = Object.entries(grouped(all));
  return html`<section class="page run">
    <header class="title"><h1>${run?.title ?? "run"}</h1><span class="dim" role="status">${error}</span></header>
    ${
    !hasGiven && gauges && html`<dl class="gauges">${
      Object.entries(gauges).map(([name, value]) =>
        html`
          <div key=${name}>
            <dt>${spoken(name)}</dt>
            <dd>${Math.round(value * 100) / 100}</dd>
          </div>
        `
      )
    }</dl>`
  }
    <div class="plots">${
    plots.map(([title, series]) => html`<${Plot} key=${title} title=${title} series=${series} marks=${marks} />`)
  }</div>
    ${plots.length === 0 && html`<p class="empty">nothing has been measured yet</p>`}
    ${
    marks.length > 0 && html`
      <article>
        <h2>faults, steps and phases</h2>
        <ol class="marks">${marks.slice(-100).toReversed().map(({ text, time }) =>
          html`<li><span class="mono">${clock(time)}</span> ${text}</li>`
        )}</ol>
      </article>
    `
  }
  </section>`;
}

/** Percentiles of one flow are one plot; everything else has its own. */
function grouped(series) {
  const found = {};
  for (const [name, points] of Object.entries(series)) {
    if (points.length < 2) continue;
    const [, flow, what] = /^(.*) (p\d+ ms)$/.exec(name) ?? [];
    const title = flow ?? spoken(name);
    (found[title] ??= []).push({ name: what ?? title, points });
  }
  return found;
}

function remember({ before, series }, gauges) {
  const now = Date.now();
  for (const [name, value] of Object.entries(gauges)) {
    const was = before[name];
    before[name] = { now, value };
    const isRate = isCounter(name);
    if (isRate && was === undefined) continue;
    const shown = isRate ? Math.max(0, value - was.value) * 1000 / Math.max(1, now - was.now) : value;
    const points = series[isRate ? `${name} a second` : name] ??= [];
    points.push([now, shown]);
    if (points.length > POINTS) points.shift();
  }
}

/** A gauge's name as words. */
function spoken(name) {
  return name.replaceAll("_", " ").replace(/([a-z])([A-Z])/g, (_, a, b) => `${a} ${b.toLowerCase()}`);
}
