// The live list of messages, their filter, and one of them through all its hops.
import { html, useEffect, useMemo, useRef, useState } from "/preact.js";
import { follow, get, problemOf } from "/api.js";
import { changes, contentOf } from "/change.js";
import { clock, kilobytes, VirtualTable } from "/parts.js";
import { isDrop, Sequence } from "/sequence.js";

/** Rows kept, and hops a second that are asked for. */
const ROWS = 2000;
const RATE = 250;
const DRAW_MS = 200;
const WIRE = 'hop == "hub.write" || hop == "hub.read" || hop.startsWith("proxy.")';
const DROPS = 'hop.endsWith(".drop") || hop == "hub.refuse"';

const columns = [
  { name: "time", class: "mono" },
  { name: "hop" },
  { name: "edge" },
  { name: "operation" },
  { name: "resource", class: "wide" },
  { name: "version", class: "number" },
  { name: "size", class: "number" },
  { name: "outcome", class: "wide" },
];

export function Messages({ words }) {
  const [filter, setFilter] = useState("");
  const [typed, setTyped] = useState("");
  const [problem, setProblem] = useState("");
  const [scope, setScope] = useState("wire");
  const [isPaused, setPaused] = useState(false);
  const [picked, setPicked] = useState(undefined);
  const [stream, setStream] = useState({ error: "", state: { oneOf: 1, seen: 0, skipped: 0, lost: 0 } });
  const rows = useRef([]);
  const counter = useRef(0);
  const paused = useRef(false);
  const [, draw] = useState(0);
  paused.current = isPaused;

  useEffect(() => {
    const scopes = { all: "true", wire: `${WIRE} || ${DROPS}`, drops: DROPS };
    const where = filter === "" ? scopes[scope] : `(${scopes[scope]}) && (${filter})`;
    rows.current = [];
    const take = (hop) => {
      if (paused.current) return;
      rows.current.push({ ...hop, number: counter.current++ });
      if (rows.current.length > ROWS) rows.current = rows.current.slice(-ROWS);
    };
    const end = follow({ where, last: 300, rate: RATE }, {
      opened: () => rows.current = [],
      take,
      state: (state) => setStream((before) => ({ ...before, state })),
      failed: (error) => setStream((before) => ({ ...before, error })),
    });
    const timer = setInterval(() => paused.current || draw((n) => n + 1), DRAW_MS);
    return () => {
      end();
      clearInterval(timer);
    };
  }, [filter, scope]);

  const apply = async (text) => {
    const why = text === "" ? "" : await problemOf(text);
    setProblem(why);
    if (why === "") setFilter(text);
  };
  const list = rows.current;
  const rowAt = (i) => {
    const hop = list[i];
    return hop && {
      key: hop.number,
      class: isDrop(hop) ? "drop" : hop.direction,
      cells: [
        clock(hop.time),
        hop.hop,
        hop.node,
        hop.operation,
        hop.resource,
        hop.version,
        hop.size === 0 ? "" : kilobytes(hop.size),
        hop.outcome === "sent" ? "" : hop.outcome,
      ],
    };
  };
  const hop = list.find(({ number }) => number === picked) ?? undefined;
  const { error, state } = stream;
  return html`<section class="page messages">
    <form class="bar" onSubmit=${(event) => {
    event.preventDefault();
    apply(typed);
  }}>
      <${Filter} words=${words} value=${typed} onInput=${setTyped} apply=${apply} />
      <label>show <select value=${scope} onChange=${(event) => setScope(event.target.value)}>
        <option value="wire">messages</option>
        <option value="all">all hops</option>
        <option value="drops">only what was not sent</option>
      </select></label>
      <button type="button" aria-pressed=${isPaused} onClick=${() => setPaused(!isPaused)}>${
    isPaused ? "go on" : "pause"
  }</button>
    </form>
    ${problem !== "" && html`<p class="problem" role="alert">${problem}</p>`}
    <p class="dim" role="status">${error || (isPaused ? "paused" : "live")} · ${state.seen} hops in the last second${
    state.oneOf > 1 ? ` · a sample: one message of ${state.oneOf}` : ""
  }${state.skipped > 0 ? ` · ${state.skipped} left out: this page reads too slowly` : ""}${
    state.lost > 0 ? ` · ${state.lost} older hops have fallen out of the memory` : ""
  }</p>
    <div class=${hop ? "split" : ""}>
      <${VirtualTable} label="messages" columns=${columns} total=${list.length} rowAt=${rowAt} pick=${setPicked} picked=${picked} atEnd=${!isPaused} />
      ${hop && html`<${Message} key=${hop.number} hop=${hop} close=${() => setPicked(undefined)} />`}
    </div>
  </section>`;
}

/** An input that completes the word under the cursor: fields, hops, kinds. */
function Filter({ words, value, onInput, apply }) {
  const [choice, setChoice] = useState(0);
  const [isOpen, setOpen] = useState(false);
  const input = useRef(null);
  const [, start = "", word = ""] = /^(.*?)([\w.]*)$/s.exec(value) ?? [];
  const isQuoted = (start.match(/"/g) ?? []).length % 2 === 1;
  const options = useMemo(() => {
    if (!words || word === "") return [];
    const fields = Object.entries(words.fields).map(([name, about]) => ({ name, about }));
    const values = [
      ...Object.entries(words.hops).map(([name, about]) => ({ name, about })),
      ...words.kinds.map((name) => ({ name, about: "kind" })),
    ];
    return (isQuoted ? values : fields).filter(({ name }) => name.startsWith(word) && name !== word).slice(0, 8);
  }, [words, word, isQuoted]);
  const take = (name) => {
    onInput(`${start}${name}${isQuoted ? '"' : " "}`);
    setChoice(0);
    input.current?.focus();
  };
  const isShown = isOpen && options.length > 0;
  const keyed = (event) => {
    if (!isShown) return;
    const move = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
    if (move !== 0) setChoice((choice + move + options.length) % options.length);
    else if (event.key === "Tab") take(options[choice]?.name ?? options[0].name);
    else if (event.key === "Escape") setOpen(false);
    else return;
    event.preventDefault();
  };
  return html`
    <div class="filter">
      <label for="filter">filter</label>
      <input id="filter" ref=${input} type="text" value=${value} spellcheck="false" autocomplete="off" role="combobox"
        aria-expanded=${isShown}
        aria-controls="completions" aria-autocomplete="list" aria-activedescendant=${isShown
          ? `completion-${choice}`
          : undefined}
        placeholder='kind == "configmap" && node == "edge-0"' onKeyDown=${keyed}
        onInput=${(event) => {
          setOpen(true);
          setChoice(0);
          onInput(event.target.value);
          if (event.target.value === "") apply("");
        }} onBlur=${() => setTimeout(() => setOpen(false), 150)} />
      <ul id="completions" role="listbox" aria-label="completions" hidden=${!isShown}>${options.map((
        { about, name },
        i,
      ) =>
        html`<li id=${`completion-${i}`} role="option" aria-selected=${i === choice} onMouseDown=${() =>
          take(name)}><b>${name}</b> ${about}</li>`
      )}</ul>
    </div>
  `;
}

/** One message: its hops, its body, and what changed since the object's previous version. */
function Message({ hop, close }) {
  const [found, setFound] = useState({ hops: [hop], unseen: "", error: "" });
  const [before, setBefore] = useState(undefined);
  useEffect(() => {
    const ofMessage = () => get("/api/chain", { id: hop.id, ...(hop.node === "" ? {} : { edge: hop.node }) });
    const [first, second, third] = hop.resource.split("/");
    const object = first === "device" ? `device/${second}/${third}` : `${second}/${first}/${third}`;
    const history = () => get("/api/history", { object, ...(hop.node === "" ? {} : { edge: hop.node }) });
    (hop.id === "" ? history() : ofMessage()).then(
      ({ hops, unseen }) => setFound({ hops: hops.length === 0 ? [hop] : hops, unseen, error: "" }),
      (error) => setFound({ hops: [hop], unseen: "", error: error.message }),
    );
    history().then(({ hops }) => {
      const earlier = hops.filter((each) =>
        each.text !== "" && each.id !== hop.id && each.direction === hop.direction && each.time <= hop.time &&
        each.operation !== "query"
      );
      setBefore(earlier.at(-1));
    }, () => {});
  }, [hop.number]);
  const text = hop.text || found.hops.find((each) => each.id === hop.id && each.text !== "")?.text || "";
  const content = text === "" ? undefined : contentOf(text);
  const changed = before === undefined || content === undefined ? [] : changes(contentOf(before.text), content)
    .filter(({ path }) => !path.startsWith("metadata.managedFields"));
  return html`<article class="message" aria-label="message" onKeyDown=${(event) => event.key === "Escape" && close()}>
    <header><h2>${hop.operation} ${hop.resource}</h2><button type="button" onClick=${close}>close</button></header>
    <dl>
      <dt>id</dt><dd class="mono">${hop.id || "none: this hop has no message"}</dd>
      ${
    hop.parent && html`
      <dt>answers</dt>
      <dd class="mono">${hop.parent}</dd>
    `
  }
      <dt>edge</dt><dd>${
    hop.node ? html`<a href=${`#/edges/${encodeURIComponent(hop.node)}`}>${hop.node}</a>` : "none yet"
  }</dd>
      ${
    hop.outcome && hop.outcome !== "sent" && html`
      <dt>outcome</dt>
      <dd>${hop.outcome}</dd>
    `
  }
    </dl>
    ${found.error && html`<p class="problem">${found.error}</p>`}
    <h3>hops</h3>
    <${Sequence} hops=${found.hops} />
      ${found.unseen && html`<p class="dim">${found.unseen}</p>`}
    ${
    changed.length > 0 && html`
      <h3>changed since ${before.version ? `version ${before.version}` : clock(before.time)}</h3>
      <ul class="changes">${changed.slice(0, 50).map(({ after, before: was, path }) =>
        html`<li><span class="mono">${path}</span> ${
          was === undefined
            ? html`<ins>${short(after)}</ins>`
            : after === undefined
            ? html`<del>${short(was)}</del>`
            : html`<del>${short(was)}</del> → <ins>${short(after)}</ins>`
        }</li>`
      )}</ul>
    `
  }
    ${
    content !== undefined && html`
      <h3>content</h3>
      <pre tabindex="0">${JSON.stringify(content, null, 2)}</pre>
    `
  }
  </article>`;
}

function short(value) {
  const text = JSON.stringify(value) ?? "nothing";
  return text.length > 200 ? `${text.slice(0, 199)}…` : text;
}
