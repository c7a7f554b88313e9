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

  test("says all the JSON report says of the verdicts", () => {
    const { scenarios } = JSON.parse(readFileSync(join(folder.path, "rep", "report.json"), "utf8"));
    expect(scenarios.map(({ verdict }: { verdict: string }) => verdict)).toEqual(["failed", "passed"]);
  });
});
