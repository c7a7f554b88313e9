// A control endpoint with many edges and many messages, as a large fleet has them.
import { hiddenRuns } from "./hidden-runs.ts";
import { expect } from "vitest";
import { HopRing } from "../../base/hop/ring.ts";
import { silentLogger } from "../../base/log/logger.ts";
import { limits } from "../../protocol/limits.ts";
import { hopOf } from "../../protocol/message/hops.ts";
import { consoleFile } from "../../scenarios/console/console.ts";
import { LocalSource } from "../../scenarios/tap/local.ts";
import { serveTap } from "../../scenarios/tap/serve.ts";
import type { EdgeRow } from "../../scenarios/tap/source.ts";
import { type Browser, complaintsOf, keepPicture } from "./browser.ts";

class ManyEdges extends LocalSource {
  readonly #rows: EdgeRow[];

  constructor(count: number) {
    super({ gauges: () => ({ edges: count }) });
    this.#rows = Array.from({ length: count }, (_, i) => ({
      node: `edge-${i}`,
      edge: {
        node: `edge-${i}`,
        isRunning: true,
        isConnected: i % 100 !== 7,
        isReady: true,
        problem: i % 100 === 7 ? "the link is cut" : "",
        objects: i % 13,
        pods: i % 5,
        devices: 1,
        connections: 1,
        up: i,
        down: i,
      },
    }));
  }

  override edges(): Promise<EdgeRow[]> {
    return Promise.resolve(this.#rows);
  }
}

/** `edges` in the table; `rate` messages a second, each with three hops, from `begin` on. */
export async function busyConsole(edges: number, rate: number) {
  const ring = new HopRing(limits.hopBytes);
  const tap = await serveTap({
    what: "test",
    listen: { host: "127.0.0.1", port: 0, exact: false },
    ring,
    source: new ManyEdges(edges),
    logger: silentLogger,
    runFolder: hiddenRuns,
    file: consoleFile,
  });
  let n = 0;
  let timer: NodeJS.Timeout | undefined;
  const push = () => {
    for (let i = 0; i < rate / 50; i++) {
      const node = `edge-${n++ % edges}`;
      const message = {
        header: { msg_id: `m${n}`, resourceversion: String(n) },
        route: {
          operation: "update",
          resource: `default/configmap/app-${n % 100}`,
          source: "edgecontroller",
          group: "resource",
        },
      };
      const text = JSON.stringify({
        ...message,
        content: { metadata: { name: "app" }, data: { n, text: "x".repeat(500) } },
      });
      for (const hop of ["hub.enqueue", "hub.write", "hub.ack"] as const) {
        ring.push(
          hopOf(message, {
            time: Date.now(),
            hop,
            direction: "down",
            node,
            size: text.length,
            text: hop === "hub.write" ? text : "",
          }),
        );
      }
    }
  };
  return {
    address: tap.address,
    sent: () => n,
    begin: () => timer ??= setInterval(push, 20),
    async stop() {
      clearInterval(timer);
      await tap[Symbol.asyncDispose]();
    },
  };
}

/**
 * Looks at it for so long: the list goes on and answers to a click, and it says that it samples;
 * the table of 10,000 edges is searched, sorted and scrolled to its end.
 */
export async function watchBusyConsole(browser: Browser, ms: number): Promise<void> {
  const busy = await busyConsole(10_000, 1000);
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
  const tab = await context.newPage();
  const said = complaintsOf(tab);
  try {
    busy.begin();
    await tab.goto(busy.address);
    await tab.locator(".table tbody tr:not(.space)").first().waitFor();
    await new Promise((resolve) => setTimeout(resolve, ms));
    expect(await tab.locator(".page.messages > p[role=status]").innerText()).toMatch(/a sample: one message of \d+/);
    expect(busy.sent()).toBeGreaterThan(ms * 0.5);
    await tab.getByRole("button", { name: "pause" }).click();
    await tab.locator(".table tbody tr:not(.space)").last().click();
    await tab.getByLabel("message", { exact: true }).locator("svg circle").first().waitFor();
    await keepPicture(tab, "console with 1,000 messages a second");
    await tab.evaluate('location.hash = "#/edges"');
    await tab.getByText("10000 edges").waitFor();
    const box = tab.getByLabel("edges", { exact: true });
    await tab.getByRole("button", { name: "edge ↑" }).click();
    await tab.locator("tbody tr", { hasText: "edge-9999" }).first().waitFor();
    await box.evaluate((element) => element.scrollTop = element.scrollHeight);
    await tab.locator("tbody tr", { hasText: /^edge-0/ }).waitFor();
    expect(await tab.locator("tbody tr").count()).toBeLessThan(120);
    await tab.getByLabel("search").fill("away");
    await tab.getByText("100 edges").waitFor();
    await tab.locator("tbody tr", { hasText: "the link is cut" }).first().waitFor();
    await keepPicture(tab, "console with 10,000 edges");
    expect(said).toEqual([]);
  } finally {
    await context.close();
    await busy.stop();
  }
}
