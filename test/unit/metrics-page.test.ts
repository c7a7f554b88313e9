// docs/metrics.md and the dashboard name only metrics that there are, and the dashboard shows all that are counted.
import { expect, test } from "vitest";
import { metricsAbout } from "../../cloud/monitor/monitor.ts";
import { read } from "../support/pages.ts";

const namesIn = (text: string) =>
  new Set([...text.matchAll(/\b(?:skep_|KubeEdge_|process_)\w+/g)].map(([name]) => name.replace(/_bucket$/, "")));

test("docs/metrics.md names only metrics that there are", () => {
  const names = namesIn(read("docs/metrics.md"));
  expect([...names].filter((name) => !Object.hasOwn(metricsAbout, name))).toEqual([]);
  expect(names.size).toBeGreaterThan(7);
});

test("the dashboard is JSON whose queries name every metric, and no other", () => {
  const { panels } = JSON.parse(read("docs/grafana-dashboard.json")) as { panels: { targets: { expr: string }[] }[] };
  const names = namesIn(panels.flatMap(({ targets }) => targets.map(({ expr }) => expr)).join("\n"));
  expect([...names].toSorted()).toEqual(Object.keys(metricsAbout).toSorted());
});
