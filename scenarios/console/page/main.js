// The console: its pages, chosen by the address' hash.
import { html, render, useEffect, useState } from "/preact.js";
import { get } from "/api.js";
import { Edge } from "/edge.js";
import { Edges } from "/edges.js";
import { Messages } from "/messages.js";
import { Objects } from "/objects.js";
import { Run } from "/run.js";

// The token has become a cookie: it need not stay in the address, where others see it.
if (location.search.includes("token=")) history.replaceState(null, "", `/${location.hash}`);

const pages = [["messages", "Messages"], ["edges", "Edges"], ["objects", "Objects"], ["run", "Run"]];

function usePlace() {
  const read = () => location.hash.replace(/^#\//, "").split("/").map(decodeURIComponent);
  const [place, setPlace] = useState(read);
  useEffect(() => {
    const changed = () => setPlace(read());
    globalThis.addEventListener("hashchange", changed);
    return () => globalThis.removeEventListener("hashchange", changed);
  }, []);
  return place;
}

function Console() {
  const [page = "", name, second] = usePlace();
  const [known, setKnown] = useState({ about: undefined, words: undefined, error: "" });
  useEffect(() => {
    Promise.all([get("/api/about"), get("/api/words")]).then(
      ([about, words]) => setKnown({ about, words, error: "" }),
      (error) => setKnown((before) => ({ ...before, error: error.message })),
    );
  }, []);
  const { about, error, words } = known;
  const is = page === "" ? "messages" : page;
  useEffect(() => {
    document.title = `${name ?? is} · skep`;
  }, [is, name]);
  return html`
    <header class="top"><a class="brand" href="#/messages"><img src="/favicon.svg" alt="" width="22" height="22" /> skep</a>
      <nav aria-label="pages">${pages.map(([path, title]) =>
        html`<a href=${`#/${path}`} aria-current=${is === path ? "page" : undefined}>${title}</a>`
      )}</nav>
      <span class="dim about">${about ? `skep ${about.what} ${about.version}` : ""}</span></header>
    <main tabindex="0">${error && html`<p class="problem" role="alert">${error}</p>`}
    ${is === "messages"
      ? html`<${Messages} words=${words} />`
      : is === "edges"
      ? name ? html`<${Edge} key=${name} node=${name} about=${about} />` : html`<${Edges} />`
      : is === "objects"
      ? html`<${Objects} words=${words} object=${name} edge=${second} />`
      : is === "run"
      ? html`<${Run} />`
      : html`<p class="empty">there is no page ${page}</p>`}</main>
  `;
}

const root = document.getElementById("console");
root.replaceChildren();
render(html`<${Console} />`, root);
