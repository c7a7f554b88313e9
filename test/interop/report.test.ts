// The HTML report of a real run, opened in a real Chromium.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { skep, workFolder } from "../support/command.ts";

const executablePath = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find(existsSync);
const title = `the HTML report${executablePath === undefined ? " [needs chromium, which is not on this machine]" : ""}`;

describe.skipIf(executablePath === undefined)(title, () => {
  const folder = workFolder();
  const { chromium } = createRequire(import.meta.url)("playwright-core") as typeof import("playwright-core");
  let browser: Awaited<ReturnType<typeof chromium.launch>>;
  const page = join(folder.path, "rep", "report.html");

  beforeAll(async () => {
    mkdirSync(join(folder.path, "rep"));
    writeFileSync(
      join(folder.path, "bad.yaml"),
      `skep: 1
name: a pod <that> "never" is
fleet: [{ cohort: gw, count: 1 }]
steps:
  - fault: { edge: gw-0, latency: 5ms, for: 100ms }
  - apply: { apiVersion: v1, kind: Pod, metadata: { name: web }, spec: { nodeName: gw-0, containers: [{ name: c, image: "nginx:1" }] } }
  - expect: { at: kube, object: { apiVersion: v1, kind: Pod, name: web }, match: { status: { phase: Failed } }, within: 2s }
catch: [{ show: { at: edge/gw-0 } }]
---
skep: 1
name: holds
fleet: [{ cohort: gw, count: 1 }]
steps: [{ wait: 1ms }]
`,
    );
    const { code } = await skep(folder.path, "run", "bad.yaml", "--port", "0", "--report", "rep");
    expect(code).toBe(1);
    browser = await chromium.launch({ executablePath: executablePath as string, args: ["--no-sandbox"] });
  });
  afterAll(async () => {
    await browser?.close();
    folder.remove();
  });

  const views = [
    { name: "a wide screen", viewport: { width: 1200, height: 900 }, colorScheme: "light" },
    { name: "a phone in the dark", viewport: { width: 390, height: 844 }, colorScheme: "dark" },
  ] as const;

  test.each(views)("opens without an error, asks for nothing and fits on $name", async ({ colorScheme, viewport }) => {
    const context = await browser.newContext({ viewport, colorScheme });
    const tab = await context.newPage();
    const said: string[] = [];
    tab.on("console", (message) => said.push(`${message.type()}: ${message.text()}`));
    tab.on("pageerror", (error) => said.push(error.message));
    tab.on(
      "request",
      (request) => request.url().startsWith("file:") || request.url().startsWith("data:") || said.push(request.url()),
    );
    await tab.goto(pathToFileURL(page).href);
    expect(await tab.title()).toMatch(/^skep: 1 passed, 1 failed, 0 skipped/);
    const failed = tab.locator("details.failed");
    expect(await failed.locator(".name").innerText()).toBe('a pod <that> "never" is');
    expect(await failed.innerText()).toContain('status.phase: expected "Failed", found "Running"');
    expect(await failed.innerText()).toContain("--seed 1");
    expect(await failed.locator(".track i.fault").count()).toBe(1);
    expect(await tab.locator("#plot canvas").count()).toBe(1);
    expect(await tab.locator("#latencies tbody tr").count()).toBeGreaterThan(3);
    const overflow = await tab.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth");
    expect(overflow).toBe(0);
    expect((await tab.screenshot({ fullPage: true })).length).toBeGreaterThan(10_000);
    expect(said).toEqual([]);
    await context.close();
  });

  test("finds scenarios by their words and by their verdict", async () => {
    const tab = await (await browser.newContext()).newPage();
    await tab.goto(pathToFileURL(page).href);
    const shown = () => tab.locator(".scenario:visible .name").allInnerTexts();
    expect(await shown()).toHaveLength(2);
    await tab.fill("#find", "HOLDS");
    expect(await shown()).toEqual(["holds"]);
    expect(await tab.locator("#found").innerText()).toBe("1 of 2");
    await tab.fill("#find", "");
    await tab.click("button[data-verdict=failed]");
    expect(await shown()).toEqual(['a pod <that> "never" is']);
    await tab.context().close();
  });

  describe("of a load run", () => {
    const loadPage = join(folder.path, "load", "load.html");
    beforeAll(async () => {
      writeFileSync(
        join(folder.path, "load.yaml"),
        `skep: 1
name: pods & <more>
load:
  edges: 3
  phases: [{ rate: 8, for: 3s }, { name: cut, shape: storm, rate: 8, lost: 0.5, away: 100ms, for: 1s }]
  mix: { pods: { alive: 100ms } }
  thresholds: [pod.running p(99) < 60s, edges.ready > 5]
`,
      );
      const { code } = await skep(folder.path, "load", "load.yaml", "--report", "load", "--time-scale", "10");
      expect(code).toBe(99);
    });

    test.each(views)(
      "opens without an error, asks for nothing and fits on $name",
      async ({ colorScheme, viewport }) => {
        const context = await browser.newContext({ viewport, colorScheme });
        const tab = await context.newPage();
        const said: string[] = [];
        tab.on("console", (message) => said.push(`${message.type()}: ${message.text()}`));
        tab.on("pageerror", (error) => said.push(error.message));
        tab.on("request", (request) => /^(file|data):/.test(request.url()) || said.push(request.url()));
        await tab.goto(pathToFileURL(loadPage).href);
        expect(await tab.locator("h1").innerText()).toBe("pods & <more>: crossed: 1 of 2 thresholds");
        expect(await tab.locator("#thresholds li.crossed code").innerText()).toBe("edges.ready > 5");
        expect(await tab.locator("#time .plot canvas").count()).toBe(7);
        expect(await tab.locator("#distribution canvas").count()).toBe(1);
        expect(await tab.locator("#flows tbody tr").count()).toBeGreaterThan(5);
        expect(await tab.locator("#slowest tbody tr").count()).toBe(10);
        // The curve is drawn, not only its axes: some dots have its colour.
        const coloured = await tab.evaluate(`(() => {
        const canvas = document.querySelector("#plot-edges canvas");
        const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
        let count = 0;
        for (let i = 0; i < data.length; i += 4) if (data[i + 3] > 200 && Math.max(data[i], data[i + 1], data[i + 2]) - Math.min(data[i], data[i + 1], data[i + 2]) > 60) count++;
        return count;
      })()`);
        expect(coloured).toBeGreaterThan(50);
        const overflow = await tab.evaluate(
          "document.documentElement.scrollWidth - document.documentElement.clientWidth",
        );
        expect(overflow).toBe(0);
        expect(said).toEqual([]);
        await context.close();
      },
    );
  });

  test("says all the JSON report says of the verdicts", () => {
    const { scenarios } = JSON.parse(readFileSync(join(folder.path, "rep", "report.json"), "utf8"));
    expect(scenarios.map(({ verdict }: { verdict: string }) => verdict)).toEqual(["failed", "passed"]);
  });
});
