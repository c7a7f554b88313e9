// Small parts that several pages share.
import { html, useEffect, useRef, useState } from "/preact.js";
import { act } from "/api.js";

/** Calls `ask` now and every `ms`; gives the last answer and what went wrong last. */
export function usePolled(ask, ms, keys) {
  const [state, setState] = useState({ value: undefined, error: "" });
  useEffect(() => {
    let isOver = false;
    let timer;
    const look = async () => {
      try {
        const value = await ask();
        if (!isOver) setState({ value, error: "" });
      } catch (error) {
        if (!isOver) setState((before) => ({ ...before, error: error.message }));
      }
      if (!isOver) timer = setTimeout(look, ms);
    };
    look();
    return () => {
      isOver = true;
      clearTimeout(timer);
    };
  }, keys);
  return state;
}

/** A step of a scenario as YAML in one line. */
export function stepText(step) {
  const [name, args] = Object.entries(step)[0];
  const value = (each) => {
    if (Array.isArray(each)) return `[${each.map(value).join(", ")}]`;
    if (typeof each === "object" && each !== null) {
      return `{ ${Object.entries(each).map(([key, inner]) => `${key}: ${value(inner)}`).join(", ")} }`;
    }
    return typeof each === "string" && /^[\w./-]+$/.test(each) ? each : JSON.stringify(each);
  };
  return `- ${name}: ${value(args)}`;
}

/** A button that takes an action, and shows the step that does the same. */
export function Action({ label, step, danger = false, done }) {
  const [state, setState] = useState("");
  const press = async () => {
    setState("…");
    try {
      await act(step);
      setState("done");
      done?.();
    } catch (error) {
      setState(error.message);
    }
  };
  return html`
    <div class="action">
      <button type="button" class=${danger ? "danger" : ""} onClick=${press}>${label}</button>
      <${Copied} text=${stepText(step)} />
      <span class="dim" role="status">${state}</span>
    </div>
  `;
}

/** A text in a line of code that a press copies. */
export function Copied({ text }) {
  const [isCopied, setCopied] = useState(false);
  const copy = async () => {
    await navigator.clipboard?.writeText(text).catch(() => {});
    setCopied(true);
    setTimeout(() => setCopied(false), 1200);
  };
  return html`<button type="button" class="code" title="copy this step" onClick=${copy}>${
    isCopied ? "copied" : text
  }</button>`;
}

/**
 * A table whose rows are drawn only where they are seen. `rowAt(i)` gives a row's cells, or undefined while it is not there;
 * `seen(from, count)` is told which rows are.
 */
export function VirtualTable(
  { label, columns, total, rowHeight = 28, rowAt, seen, pick, picked, sort, onSort, atEnd = false },
) {
  const box = useRef(null);
  const [view, setView] = useState({ top: 0, height: 600 });
  const measure = () => box.current && setView({ top: box.current.scrollTop, height: box.current.clientHeight });
  useEffect(() => {
    measure();
    globalThis.addEventListener("resize", measure);
    return () => globalThis.removeEventListener("resize", measure);
  }, []);
  // A list that grows at its end stays there while its end is seen.
  const wasAtEnd = useRef(true);
  useEffect(() => {
    if (atEnd && wasAtEnd.current && box.current) box.current.scrollTop = box.current.scrollHeight;
  }, [total, atEnd]);
  const scrolled = () => {
    // The last scrolling may be told when the page is another one already.
    if (box.current === null) return;
    const { clientHeight, scrollHeight, scrollTop } = box.current;
    wasAtEnd.current = scrollTop + clientHeight >= scrollHeight - 2 * rowHeight;
    measure();
  };
  // Where the list has become shorter, the place that was looked at may be beyond its end.
  const inView = Math.ceil(view.height / rowHeight);
  const from = Math.max(0, Math.min(Math.floor(view.top / rowHeight) - 10, total - inView));
  const count = Math.min(total - from, inView + 20);
  useEffect(() => seen?.(from, Math.max(0, count)), [from, count]);
  // Enter picks the row that has the focus, arrows move it.
  const keyed = (event, row) => {
    const { currentTarget: { nextElementSibling: next, previousElementSibling: before }, key } = event;
    const to = key === "ArrowDown" ? next : key === "ArrowUp" ? before : undefined;
    if (key === "Enter" && row !== undefined) pick?.(row.key);
    else if (to !== undefined) to?.focus();
    else return;
    event.preventDefault();
  };
  const rows = [];
  for (let i = from; i < from + count; i++) {
    const row = rowAt(i);
    rows.push(
      html`
        <tr key=${row?.key ?? i} aria-rowindex=${i + 2} class="${row?.class ??
          ""} ${row !== undefined && row.key === picked ? "picked" : ""}" tabindex=${pick ? 0 : undefined} onKeyDown=${(
          event,
        ) => event.target === event.currentTarget && keyed(event, row)}
          onClick=${() => row && pick?.(row.key)}>${columns.map(({ name }, at) =>
            html`<td class=${columns[at].class ?? ""} data-label=${name}>${row?.cells[at] ?? ""}</td>`
          )}</tr>
      `,
    );
  }
  return html`
    <div class="table" ref=${box} onScroll=${scrolled} tabindex="0" role="region" aria-label=${label}>
      <table aria-rowcount=${total + 1}>
        <thead>
          <tr>${columns.map(({ class: of = "", name, sort: by }) =>
            html`<th scope="col" class=${of} aria-sort=${
              sort === by && by ? "ascending" : sort === `-${by}` ? "descending" : "none"
            }>${
              by
                ? html`<button type="button" class="sort" onClick=${() => onSort(sort === by ? `-${by}` : by)}>${name}${
                  sort === by ? " ↑" : sort === `-${by}` ? " ↓" : ""
                }</button>`
                : name
            }</th>`
          )}</tr>
        </thead>
        <tbody>
            <tr class="space" aria-hidden="true"><td colspan=${columns.length} style=${{
              height: `${from * rowHeight}px`,
            }}></td></tr>
            ${rows}
            <tr class="space" aria-hidden="true"><td colspan=${columns.length} style=${{
              height: `${Math.max(0, total - from - count) * rowHeight}px`,
            }}></td></tr>
          </tbody>
      </table>
    </div>
  `;
}

/** A word in the colour of its meaning. */
export function Word({ word }) {
  return html`<span class="word ${word.replaceAll(" ", "-")}">${word}</span>`;
}

export function clock(time) {
  return new Date(time).toISOString().slice(11, 23);
}

export function kilobytes(bytes) {
  return bytes < 1024 ? `${bytes} B` : `${(bytes / 1024).toFixed(1)} KB`;
}
