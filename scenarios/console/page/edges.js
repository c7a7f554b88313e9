// The table of edges: searched, sorted and paged where the edges are, so that ten thousand cost no more than ten.
import { html, useEffect, useRef, useState } from "/preact.js";
import { get } from "/api.js";
import { VirtualTable, Word } from "/parts.js";

const columns = [
  { name: "edge", sort: "node" },
  { name: "state", sort: "state" },
  { name: "in lane", sort: "waiting", class: "number" },
  { name: "unacked", sort: "unacked", class: "number" },
  { name: "oldest", sort: "oldest", class: "number" },
  { name: "objects", sort: "objects", class: "number" },
  { name: "pods", sort: "pods", class: "number" },
  { name: "devices", sort: "devices", class: "number" },
  { name: "connections", sort: "connections", class: "number" },
  { name: "problem", class: "wide" },
];
const LOOK_MS = 2000;

export function stateOf({ cloud, edge }) {
  if (edge?.isRunning === false) return "stopped";
  if (!(edge?.isConnected ?? cloud?.isConnected ?? false)) return "away";
  return (edge?.isReady ?? true) && (cloud?.isReady ?? true) ? "ready" : "connected";
}

export function Edges() {
  const [search, setSearch] = useState("");
  const [sort, setSort] = useState("node");
  const [page, setPage] = useState({ total: 0, from: 0, rows: [], error: "" });
  const window_ = useRef({ from: 0, count: 60 });
  const look = async () => {
    const { from, count } = window_.current;
    try {
      const { rows, total } = await get("/api/edges", { search, sort, from, count });
      setPage({ total, from, rows, error: "" });
    } catch (error) {
      setPage((before) => ({ ...before, error: error.message }));
    }
  };
  useEffect(() => {
    window_.current = { from: 0, count: 60 };
    look();
    const timer = setInterval(look, LOOK_MS);
    return () => clearInterval(timer);
  }, [search, sort]);
  const seen = (from, count) => {
    const is = window_.current;
    const isThere = from >= is.from && from + count <= is.from + is.count;
    if (isThere) return;
    window_.current = { from: Math.max(0, from - 30), count: count + 60 };
    look();
  };
  const rowAt = (i) => {
    const row = page.rows[i - page.from];
    if (row === undefined) return undefined;
    const { cloud, edge, node } = row;
    const number = (value) => value === undefined ? "–" : String(value);
    return {
      key: node,
      cells: [
        html`<a href=${`#/edges/${encodeURIComponent(node)}`}>${node}</a>`,
        html`<${Word} word=${stateOf(row)} />`,
        number(cloud?.waiting),
        number(cloud?.unacked),
        cloud === undefined ? "–" : cloud.unacked === 0 ? "" : `${(cloud.oldest / 1000).toFixed(1)} s`,
        number(edge?.objects ?? cloud?.records),
        number(edge?.pods),
        number(edge?.devices),
        number(edge?.connections),
        edge?.problem || (cloud?.isConnected === false ? cloud.departure?.reason ?? "" : ""),
      ],
    };
  };
  return html`
    <section class="page edges">
      <div
        class="bar"><label>search <input type="search" value=${search} onInput=${(event) =>
          setSearch(event.target.value)} placeholder="name or state" /></label>
          <span class="dim" role="status">${page.error || `${page.total} edges`}</span></div>
      <${VirtualTable} label="edges" columns=${columns} total=${page.total} rowAt=${rowAt} seen=${seen} sort=${sort}
        onSort=${setSort}
        pick=${(node) => location.hash = `#/edges/${encodeURIComponent(node)}`} />
    </section>
  `;
}
