// The frame of every report: one page that needs nothing else, light and dark, wide and on a phone.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

/** What a page shows. All texts but `body` and `scripts` are escaped here. */
export interface Page {
  readonly title: string;
  readonly heading: string;
  /** Its colour. */
  readonly verdict: "passed" | "failed" | "skipped";
  /** Under the heading. */
  readonly facts: readonly string[];
  /** HTML. */
  readonly body: string;
  /** Whether there are plots. */
  readonly hasPlots: boolean;
  /** Data for the scripts, by the id of its element. */
  readonly data?: Readonly<Record<string, unknown>>;
  /** JavaScript, run in this order. */
  readonly scripts: readonly string[];
}

export function page({ body, data = {}, facts, hasPlots, heading, scripts, title, verdict }: Page): string {
  const all = [...hasPlots ? [plotFile("uPlot.iife.min.js")] : [], ...scripts];
  // Text inside a script element ends at its closing tag, wherever that stands.
  const json = (value: unknown) => JSON.stringify(value).replaceAll("<", "\\u003c");
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="content-security-policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:">
<link rel="icon" href="data:,">
<title>${escape(title)}</title>
<style>${hasPlots ? plotFile("uPlot.min.css") : ""}${style}</style>
</head>
<body>
<header>
<h1 class="${verdict}">${escape(heading)}</h1>
<p class="dim">${facts.map(escape).join(" · ")}</p>
</header>
<main>
${body}
</main>
${
    Object.entries(data).map(([id, value]) => `<script id="${id}" type="application/json">${json(value)}</script>`)
      .join(
        "\n",
      )
  }
${all.map((script) => `<script>${script}</script>`).join("\n")}
</body>
</html>
`;
}

/** Text in HTML, also in attributes. */
export function escape(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}

/** A table that scrolls by itself where it is too wide. Columns of numbers stand to the right. Cells are escaped. */
export function tableOf(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const isNumber = (cell: string) => /^[-−\d.,]*( ?(ms|s|kB|MB|GB|%|m \d+ s))?$/.test(cell);
  const isNumeric = head.map((_, i) => i > 0 && rows.every((row) => isNumber(row[i] ?? "")));
  const cells = (row: readonly string[], tag: string) =>
    row.map((cell, i) => `<${tag}${isNumeric[i] ? ' class="n"' : ""}>${escape(cell)}</${tag}>`).join("");
  return `<div class="wide"><table><thead><tr>${cells(head, "th")}</tr></thead><tbody>${
    rows.map((row) => `<tr>${cells(row, "td")}</tr>`).join("")
  }</tbody></table></div>`;
}

/** A list of terms. Values are escaped. */
export function factsOf(facts: Readonly<Record<string, unknown>>): string {
  const rows = Object.entries(facts).map(([name, value]) =>
    `<dt>${escape(name)}</dt><dd>${escape(String(value))}</dd>`
  );
  return `<dl>${rows.join("")}</dl>`;
}

/** A file of uPlot: it goes into the page, which loads nothing. */
function plotFile(name: string): string {
  const dist = dirname(createRequire(import.meta.url).resolve("uplot"));
  return readFileSync(join(dist, name), "utf8");
}

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
h1 { font-size: 1.4rem; margin: 0; } h1.passed { color: var(--passed); } h1.failed { color: var(--failed); } h1.skipped { color: var(--skipped); }
 h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; } h3 { font-size: .95rem; margin: 1rem 0 .25rem; }
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
th, td { border-bottom: 1px solid var(--line); padding: .3rem .5rem; text-align: left; white-space: nowrap; }
th.n, td.n { text-align: right; font-variant-numeric: tabular-nums; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1rem; margin: 0; } dt { color: var(--dim); } dd { margin: 0; overflow-wrap: anywhere; }
.find { display: flex; flex-wrap: wrap; gap: .4rem; align-items: center; margin: .75rem 0; }
.find input { flex: 1 1 12rem; } .find input, .find button { font: inherit; font-size: .875rem; color: var(--ink); background: var(--soft);
  border: 1px solid var(--line); border-radius: .375rem; padding: .25rem .6rem; } .find button[aria-pressed="true"] { background: var(--ink); color: var(--ground); }
.thresholds { list-style: none; margin: .5rem 0; padding: 0; } .thresholds li { display: flex; flex-wrap: wrap; gap: .25rem 1rem; padding: .25rem 0; border-bottom: 1px solid var(--line); }
.thresholds code { flex: 1 1 16rem; } li.crossed .verdict { color: var(--failed); }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(30rem, 100%), 1fr)); gap: 1rem; } .plots h3 { margin: .25rem 0; } .plot { min-width: 0; }
.u-legend { font-size: .75rem; } .u-title { font-size: .875rem; }
@media (max-width: 40rem) {
  body { padding: .5rem; } .line li { grid-template-columns: 1fr 4.5rem; } .track { grid-column: 1 / -1; grid-row: 2; }
}
`;
