// One message through its hops as a sequence diagram: the API, cloudcore's modules, the hub, the edge and its device as life lines.
import { html } from "/preact.js";

const lanes = [
  ["kube", "API server"],
  ["controller", "controllers"],
  ["hub", "CloudHub"],
  ["proxy", "proxy"],
  ["link", "link"],
  ["edge", "edge"],
  ["twin", "twin"],
  ["device", "device"],
];
const ROW = 30;
const TOP = 46;
const LEFT = 58;
const WIDTH = 122;

export function isDrop({ hop }) {
  return hop.endsWith(".drop") || hop === "hub.refuse";
}

/** `hops` in their order; more than can be drawn are cut off at the beginning. */
export function Sequence({ hops }) {
  const shown = hops.slice(-200);
  if (shown.length === 0) return html`<p class="empty">no hop of it is there any more</p>`;
  const used = lanes.filter(([part]) => shown.some(({ hop }) => hop.startsWith(`${part}.`)));
  const x = (part) => LEFT + (used.findIndex(([name]) => name === part) + 0.5) * WIDTH;
  const nodes = new Set(shown.map(({ node }) => node).filter((node) => node !== ""));
  const height = TOP + shown.length * ROW + 14;
  const width = LEFT + used.length * WIDTH + 20;
  const start = shown[0].time;
  const rows = shown.map((hop, i) => {
    const part = hop.hop.split(".")[0];
    const before = shown[i - 1]?.hop.split(".")[0];
    const y = TOP + (i + 0.6) * ROW;
    const to = x(part);
    const moves = before !== undefined && before !== part;
    const from = moves ? x(before) : to;
    const label = [hop.hop.split(".")[1], nodes.size > 1 ? hop.node : "", hop.operation, isDrop(hop) ? hop.outcome : ""]
      .filter((word) => word !== "")
      .join(" ");
    const isRight = to >= from;
    const anchor = moves ? "middle" : to > width - WIDTH && used.length > 1 ? "end" : "start";
    const at = moves ? (from + to) / 2 : to + (anchor === "end" ? -10 : 10);
    return html`<g key=${i} class=${isDrop(hop) ? "drop" : hop.direction}>
      <title>${`${hop.hop} ${hop.node} ${hop.operation} ${hop.resource} ${hop.outcome}`}</title>
      <text x="4" y=${y + 4} class="time">+${hop.time - start} ms</text>
      ${
      moves && html`
        <line x1=${from} y1=${y} x2=${to + (isRight ? -7 : 7)} y2=${y} class="arrow" />
        <path d=${`M${to} ${y} l${isRight ? -8 : 8} -4 v8 z`} class="head" />
      `
    }
      <circle cx=${to} cy=${y} r="4" />
      <text x=${at} y=${y - 5} text-anchor=${anchor}>${label.length > 60 ? `${label.slice(0, 59)}…` : label}</text>
    </g>`;
  });
  return html`
    <div class="sequence" tabindex="0" role="region" aria-label="sequence diagram">
      <svg width=${width} height=${height} role="img" aria-label=${`${shown.length} hops from ${shown[0].hop} to ${
        shown.at(-1).hop
      }`}>
          ${used.map(([part, name]) =>
            html`
              <g key=${part} class="lane">
                <text x=${x(part)} y="18" text-anchor="middle">${name}</text>
                <line x1=${x(part)} y1="28" x2=${x(part)} y2=${height - 6} />
              </g>
            `
          )}
          ${rows}
        </svg>
    </div>
  `;
}
