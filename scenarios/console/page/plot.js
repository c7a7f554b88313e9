// A plot of values over time, by uPlot, in the colours of the page.
import { html, useEffect, useRef } from "/preact.js";
import uPlot from "/uplot.js";

const colours = ["--plot-1", "--plot-2", "--plot-3", "--plot-4"];

/** `series`: `{ name, points: [[ms, value], …] }`; marks are vertical lines at their times. */
export function Plot({ title, series, marks = [], height = 140 }) {
  const box = useRef(null);
  const plot = useRef(undefined);
  const drawn = useRef(marks);
  drawn.current = marks;
  const names = series.map(({ name }) => name).join();
  useEffect(() => {
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(name).trim();
    const axis = {
      stroke: colour("--dim"),
      grid: { stroke: colour("--line"), width: 1 },
      ticks: { stroke: colour("--line"), width: 1 },
    };
    plot.current = new uPlot(
      {
        width: box.current.clientWidth || 300,
        height,
        legend: { show: series.length > 1 },
        cursor: { show: true },
        axes: [axis, { ...axis, size: 60 }],
        series: [
          {},
          ...series.map(({ name }, i) => ({ label: name, stroke: colour(colours[i % colours.length]), width: 1.5 })),
        ],
        hooks: {
          draw: [(u) => {
            u.ctx.save();
            u.ctx.strokeStyle = colour("--fault");
            for (const { time } of drawn.current) {
              const x = u.valToPos(time / 1000, "x", true);
              if (x < u.bbox.left || x > u.bbox.left + u.bbox.width) continue;
              u.ctx.beginPath();
              u.ctx.moveTo(x, u.bbox.top);
              u.ctx.lineTo(x, u.bbox.top + u.bbox.height);
              u.ctx.stroke();
            }
            u.ctx.restore();
          }],
        },
      },
      dataOf(series),
      box.current,
    );
    const sized = () => plot.current?.setSize({ width: box.current?.clientWidth || 300, height });
    globalThis.addEventListener("resize", sized);
    return () => {
      globalThis.removeEventListener("resize", sized);
      plot.current?.destroy();
      plot.current = undefined;
    };
  }, [names, height]);
  useEffect(() => plot.current?.setData(dataOf(series)), [series]);
  const last = series.map(({ name, points }) => `${name} ${points.at(-1)?.[1] ?? "none"}`).join(", ");
  return html`
    <figure class="plot">
      <figcaption>${title}</figcaption>
      <div ref=${box} role="img" aria-label=${`${title}: ${last}`}></div>
    </figure>
  `;
}

/** uPlot's columns: all times, and each series' values there. */
function dataOf(series) {
  const times = [...new Set(series.flatMap(({ points }) => points.map(([time]) => time)))].sort((a, b) => a - b);
  const at = new Map(times.map((time, i) => [time, i]));
  return [
    times.map((time) => time / 1000),
    ...series.map(({ points }) => {
      const values = new Array(times.length).fill(null);
      for (const [time, value] of points) values[at.get(time)] = value;
      return values;
    }),
  ];
}
