// One edge: its link and lane, what it holds against what the API says, its devices, its log, and what can be done to it.
import { html, useRef, useState } from "/preact.js";
import { get } from "/api.js";
import { Action, clock, usePolled, Word } from "/parts.js";
import { Plot } from "/plot.js";
import { stateOf } from "/edges.js";

const LOOK_MS = 1000;
const POINTS = 300;

export function Edge({ node, about }) {
  const { error, value } = usePolled(() => get(`/api/edges/${encodeURIComponent(node)}`), LOOK_MS, [node]);
  const page = value?.page;
  const history = useRef({});
  if (page?.edge) remember(history.current, page.edge.twins);
  if (value && page === undefined) {
    return html`
      <section class="page">
        <p class="empty">there is no edge ${node} here</p>
      </section>
    `;
  }
  if (page === undefined) {
    return html`
      <section class="page">
        <p class="empty" role="status">${error || "loading …"}</p>
      </section>
    `;
  }
  const { cloud, edge } = page;
  return html`<section class="page edge">
    <header class="title"><h1>${node}</h1> <${Word} word=${
    stateOf(page)
  } /> <span class="dim" role="status">${error}</span></header>
    <div class="cards">
      <article><h2>link and lane</h2><dl>
        ${
    edge && html`
      <dt>connection</dt>
      <dd>${edge.isConnected ? `connected, ${edge.connections} so far` : edge.problem || "none"}</dd>
      <dt>faults</dt>
      <dd>${edge.faults.join(", ") || "none"}</dd>
      <dt>messages</dt>
      <dd>${edge.up} up, ${edge.down} down</dd>
    `
  }
        ${
    cloud
      ? html`<dt>in lane</dt><dd>${cloud.waiting}</dd><dt>unacknowledged</dt><dd>${cloud.unacked}${
        cloud.unacked > 0 ? `, the oldest for ${(cloud.oldest / 1000).toFixed(1)} s` : ""
      }</dd><dt>sync records</dt><dd>${cloud.records}</dd>${
        cloud.departure && html`
          <dt>${cloud.departure.what}</dt>
          <dd>${clock(cloud.departure.at)}: ${cloud.departure.reason}</dd>
        `
      }`
      : html`
        <dt>cloudcore</dt>
        <dd>can't be seen from here</dd>
      `
  }</dl></article>
      <${Faults} node=${node} about=${about} />
    </div>
    <${Holdings} node=${node} holdings=${page.holdings} />
    ${
    edge && edge.twins.length > 0 && html`<article><h2>devices</h2>${
      edge.twins.slice(0, 20).map((device) =>
        html`<${Device} key=${device.id} device=${device} history=${history.current} about=${about} />`
      )
    }</article>`
  }
    <article><h2>log</h2>${
    page.log.length === 0
      ? html`<p class="empty">nothing has been logged about it</p>`
      : html`<pre class="log" tabindex="0" role="log">${
        page.log.map(({ level, text, time }) => `${clock(time)} ${level.padEnd(5)} ${text}`).join("\n")
      }</pre>`
  }</article>
  </section>`;
}

const duration = (value) => ({ value, unit: "duration", hasDirection: true });
const rate = { value: "10", unit: "KB/s", isNumber: true, hasDirection: true };
const share = { value: "0.5", unit: "share", isNumber: true, hasDirection: true, hasFilter: true };

/** The faults that have a value, as the step `fault` has them. */
const faults = {
  latency: duration("200ms"),
  jitter: duration("50ms"),
  bandwidth: rate,
  slowReader: rate,
  slowWriter: rate,
  drop: share,
  duplicate: share,
  reorder: share,
  corrupt: share,
  cut: { value: "blackHole", unit: "how" },
  halfOpen: { value: "down", unit: "way" },
  natTimeout: { value: "10s", unit: "duration" },
};

/** The step's arguments; fields that are empty say nothing. */
function faultOf({ bad, direction, edge, good, kind, length, value, where }) {
  const { hasDirection, hasFilter, isNumber } = faults[kind];
  return {
    edge,
    [kind]: isNumber ? Number(value) : value,
    ...(hasDirection && direction !== "both" ? { direction } : {}),
    ...(hasFilter && where !== "" ? { where } : {}),
    ...(bad !== "" || good !== "" ? { flap: { bad, good } } : {}),
    ...(length === "" ? {} : { for: length }),
  };
}

/** What a person may do, each with the step that does the same. */
function Faults({ node, about }) {
  const can = (name) => about?.actions.includes(name);
  const [kind, setKind] = useState("latency");
  const [value, setValue] = useState(faults.latency.value);
  const [direction, setDirection] = useState("both");
  const [where, setWhere] = useState("");
  const [bad, setBad] = useState("");
  const [good, setGood] = useState("");
  const [length, setLength] = useState("");
  const words = { bad, direction, edge: node, good, kind, length, value, where };
  const choose = (name) => {
    setKind(name);
    setValue(faults[name].value);
  };
  if (!about || about.actions.length === 0) return null;
  return html`<article><h2>do</h2>
    ${
    can("fault") && html`
      <${Action} label="cut" danger step=${{ fault: { edge: node, cut: "both" } }} />
      <${Action} label="half-open" danger step=${{ fault: { edge: node, halfOpen: "down" } }} />
      <div class="with">
        <label>fault <select value=${kind} onChange=${(event) => choose(event.target.value)}>
          ${Object.keys(faults).map((name) => html`<option key=${name} value=${name}>${name}</option>`)}
        </select></label>
        <label>${faults[kind].unit} <input value=${value} onInput=${(event) =>
          setValue(event.target.value)} size="6" /></label>
        ${faults[kind].hasDirection &&
          html`<label>direction <select value=${direction} onChange=${(event) => setDirection(event.target.value)}>
          ${["both", "up", "down"].map((name) => html`<option key=${name} value=${name}>${name}</option>`)}
        </select></label>`}
        ${faults[kind].hasFilter && html`<label>where <input value=${where} onInput=${(event) =>
          setWhere(event.target.value)} size="24" placeholder='kind == "pod"' /></label>`}
        ${[["bad for", bad, setBad, "always"], ["good for", good, setGood, ""], [
          "ends after",
          length,
          setLength,
          "heal",
        ]].map((
          [label, text, set, placeholder],
        ) =>
          html`
            <label
              key=${label}>${label} <input value=${text} onInput=${(event) =>
                set(event.target.value)} size="5" placeholder=${placeholder} /></label>
          `
        )}
        <${Action} label="put" danger step=${{ fault: faultOf(words) }} />
      </div>
      <${Action} label="heal" step=${{ fault: { edge: node, heal: true } }} />
    `
  }
    ${
    can("edge") && html`
      <${Action} label="restart" step=${{ edge: { restart: node } }} />
      <${Action} label="restart, store lost" danger step=${{ edge: { restart: node, store: "forget" } }} />
    `
  }
    ${can("restart") && html`<${Action} label="restart cloudcore" step=${{ restart: "cloudcore" }} />`}
    <${AnyStep} names=${about.actions} />
  </article>`;
}

/** Any other step that can be taken here, as JSON: of a cohort, of the API server, with more words than the form has. */
function AnyStep({ names }) {
  const [text, setText] = useState("");
  const { step, wrong } = stepIn(text, names);
  return html`<div class="with">
    <label>any step <input value=${text} onInput=${(event) =>
    setText(
      event.target.value,
    )} size="56" spellcheck="false" placeholder='{"fault": {"cohort": "edge", "latency": "200ms", "jitter": "50ms"}}' /></label>
    ${
    step === undefined
      ? html`<span class="dim" role="status">${wrong}</span>`
      : html`<${Action} key=${text} label="do it" danger step=${step} />`
  }
  </div>`;
}

function stepIn(text, names) {
  const known = names.join(", ");
  if (text.trim() === "") return { wrong: `one of ${known}` };
  try {
    const step = JSON.parse(text);
    const [name, ...others] = Object.keys(step ?? {});
    return names.includes(name) && others.length === 0
      ? { step }
      : { wrong: `one of ${known}, and no other beside it` };
  } catch {
    return { wrong: "this is no JSON yet" };
  }
}

function Holdings({ node, holdings }) {
  const wrong = holdings.filter(({ state }) => state === "missing" || state === "stale" || state === "extra");
  const [isAll, setAll] = useState(false);
  const rows = (isAll || wrong.length === 0 ? holdings : wrong).slice(0, 500);
  return html`<article><h2>objects</h2>
    <p class="dim">${holdings.length} objects, ${
    wrong.length === 0 ? "none of them missing, stale or extra" : `${wrong.length} not as the API has them`
  }
    ${
    wrong.length > 0 && html`
      <label><input type="checkbox" checked=${isAll} onChange=${() => setAll(!isAll)} /> show all</label>
    `
  }</p>
    ${
    rows.length > 0 && html`
      <div class="scroll" tabindex="0" role="region" aria-label="objects of ${node}">
        <table>
          <thead>
            <tr>
              <th scope="col">object</th>
              <th scope="col" class="number">API</th>
              <th scope="col" class="number">edge</th>
              <th scope="col">state</th>
            </tr>
          </thead>
          <tbody>${rows.map(({ held, kind, name, namespace, state, wanted }) => {
            const object = [kind, namespace, name].filter((word) => word !== "").join("/");
            return html`
              <tr key=${object}>
                <td><a href=${`#/objects/${encodeURIComponent(object)}/${encodeURIComponent(node)}`}>${object}</a></td>
                <td class="number">${wanted ?? "–"}</td>
                <td class="number">${held ?? "–"}</td>
                <td>
                  <${Word} word=${state} />
                </td>
              </tr>
            `;
          })}</tbody>
        </table>
      </div>
    `
  }
  </article>`;
}

function Device({ device, history, about }) {
  const [property, setProperty] = useState(Object.keys(device.twin)[0] ?? "");
  const [value, setValue] = useState("");
  const series = Object.keys(device.twin).map((name) => ({ name, points: history[`${device.id} ${name}`] ?? [] }))
    .filter(({ points }) => points.length > 1);
  return html`<section class="device"><h3>${device.id} <span class="dim">${device.state}</span></h3>
    <table><thead><tr><th scope="col">property</th><th scope="col">desired</th><th scope="col">reported</th></tr></thead>
    <tbody>${
    Object.entries(device.twin).map(([name, { desired, value: reported }]) =>
      html`
        <tr key=${name}>
          <td>${name}</td>
          <td>${desired ?? "–"}</td>
          <td>${reported ?? "–"}</td>
        </tr>
      `
    )
  }</tbody></table>
    ${series.length > 0 && html`<${Plot} title="reported values" series=${series} height=${120} />`}
    ${
    about?.actions.includes("report") && property !== "" && html`
      <div class="with">
        <label>property <select value=${property} onChange=${(event) => setProperty(event.target.value)}>${Object.keys(
          device.twin,
        ).map((name) => html`<option value=${name} selected=${name === property}>${name}</option>`)}</select></label>
        <label>value <input value=${value} onInput=${(event) => setValue(event.target.value)} size="8" /></label>
        <${Action} label="report" step=${{ report: { device: device.id, [property]: value } }} />
      </div>
    `
  }
  </section>`;
}

function remember(history, twins) {
  const now = Date.now();
  for (const { id, twin } of twins) {
    for (const [name, { value }] of Object.entries(twin)) {
      const number = Number(value);
      if (value === undefined || value === "" || Number.isNaN(number)) continue;
      const points = history[`${id} ${name}`] ??= [];
      if (now - (points.at(-1)?.[0] ?? 0) < LOOK_MS / 2) continue;
      points.push([now, number]);
      if (points.length > POINTS) points.shift();
    }
  }
}
