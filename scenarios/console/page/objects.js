// Where an object is: every edge with its version, and why it isn't where it isn't.
import { html, useEffect, useState } from "/preact.js";
import { get } from "/api.js";
import { clock, usePolled, Word } from "/parts.js";

const LOOK_MS = 2000;

export function Objects({ words, object, edge }) {
  const [kind, setKind] = useState("configmap");
  const [search, setSearch] = useState("");
  const { error, value } = usePolled(() => get("/api/objects", { kind, search }), LOOK_MS, [kind, search]);
  return html`
    <section class="page objects">
      <div class="bar">
        <label>kind <select value=${kind} onChange=${(event) =>
          setKind(event.target.value)}>${(words?.kinds ?? ["configmap"]).map((each) =>
            html`<option value=${each} selected=${each === kind}>${each}</option>`
          )}</select></label>
        <label>search <input type="search" value=${search} onInput=${(event) =>
          setSearch(event.target.value)} placeholder="namespace/name" /></label>
        <span class="dim" role="status">${error || `${value?.names.length ?? 0} shown`}</span>
      </div>
      <div class="split">
          <nav class="scroll list" aria-label="objects" tabindex="0"><ul>${(value?.names ?? []).map(
            ({ kind: of, name, namespace }) => {
              const text = [of, namespace, name].filter((word) => word !== "").join("/");
              return html`<li key=${text}><a class=${text === object ? "picked" : ""} href=${`#/objects/${
                encodeURIComponent(text)
              }`}>${namespace === "" ? name : `${namespace}/${name}`}</a></li>`;
            },
          )}${value?.names.length === 0 &&
            html`<li class="empty">there are none${search === "" ? "" : " of that name"}</li>`}</ul></nav>
          ${object === undefined
            ? html`<p class="empty">choose an object to see which edges have it</p>`
            : html`<${Where} key=${object} object=${object} edge=${edge} />`}
        </div>
    </section>
  `;
}

function Where({ object, edge }) {
  const { error, value } = usePolled(() => get("/api/where", { object }), LOOK_MS, [object]);
  const [asked, setAsked] = useState(edge ?? "");
  const [why, setWhy] = useState(undefined);
  const ask = async (node) => {
    setAsked(node);
    if (node === "") return setWhy(undefined);
    setWhy(
      await get("/api/why", { object, edge: node }).catch((problem) => ({
        answer: problem.message,
        evidence: [],
        hops: [],
        next: "",
      })),
    );
  };
  useEffect(() => {
    if (edge) ask(edge);
  }, [object, edge]);
  const found = value?.object;
  return html`<article class="where"><header><h2>${object}</h2></header>
    <p class="dim">${
    error || (value === undefined
      ? "loading …"
      : found === undefined
      ? value.hasCloud ? "the API has no such object" : "cloudcore can't be seen from here"
      : `version ${found.version}${found.nodeName ? `, bound to ${found.nodeName}` : ""}${
        found.isBeingDeleted ? ", being deleted" : ""
      }`)
  }</p>
    ${
    value?.watchProblem &&
    html`<p class="problem" role="alert">cloudcore can't follow this kind: ${value.watchProblem}</p>`
  }
    ${
    value && value.deliveries.length > 0 && html`
      <div class="scroll" tabindex="0" role="region" aria-label="edges that have it">
        <table>
          <thead>
            <tr>
              <th scope="col">edge</th>
              <th scope="col" class="number">acknowledged</th>
              <th scope="col" class="number">in its store</th>
              <th scope="col">state</th>
              <th scope="col">because</th>
            </tr>
          </thead>
          <tbody>${value.deliveries.map((delivery) => {
            const { cloud, edge: seen, node } = delivery;
            return html`
              <tr key=${node}>
                <td><a href=${`#/edges/${encodeURIComponent(node)}`}>${node}</a></td>
                <td class="number">${cloud?.acknowledged || "–"}</td>
                <td class="number">${seen?.held ?? "–"}</td>
                <td>
                  <${Word} word=${wordOf(delivery)} />
                </td>
                <td>${cloud?.reason ?? ""} <button type="button" class="link" onClick=${() =>
                  ask(node)}>why?</button></td>
              </tr>
            `;
          })}</tbody>
        </table>
      </div>
    `
  }
    ${
    value && value.deliveries.length === 0 && found &&
    html`<p>No edge should have it: no pod or device refers to it.</p>`
  }
    <form class="bar" onSubmit=${(event) => {
    event.preventDefault();
    ask(asked);
  }}><label>why is it not on <input value=${asked} onInput=${(event) =>
    setAsked(event.target.value)} placeholder="edge" /></label><button>ask</button></form>
    ${
    why && html`<div class="why" role="status"><p class="answer">${why.answer}</p>
      ${why.evidence.length > 0 && html`<ul>${why.evidence.map((line) => html`<li>${line}</li>`)}</ul>`}
      ${why.next && html`<p><b>Try:</b> ${why.next}</p>`}
      ${
      why.hops.length > 0 && html`
        <h3>the last that was seen</h3>
        <ol class="hops">${why.hops.map((hop) =>
          html`
            <li
              class=${hop.hop.endsWith(".drop") ? "drop" : ""}><span class="mono">${clock(hop.time)}</span> ${hop
                .hop} ${hop.node} ${hop.operation} ${hop.version && `v${hop.version}`} ${hop.outcome}</li>
          `
        )}</ol>
      `
    }</div>`
  }
  </article>`;
}

function wordOf({ cloud, edge }) {
  if (cloud === undefined) return edge?.held === undefined ? "missing" : "not seen";
  if (cloud.lane?.isInFlight) return "unacked";
  if (cloud.lane !== undefined) return "waiting";
  if (!cloud.isWanted) return "extra";
  if (edge !== undefined && edge.held === undefined) return "missing";
  if (cloud.isUpToDate) return "same";
  return cloud.acknowledged ? "stale" : "missing";
}
