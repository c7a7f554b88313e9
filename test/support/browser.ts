// A real Chromium for tests of pages, where this machine has one, and what must hold of every page.
import { existsSync, mkdirSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

/** Undefined where there is none. */
export const chromiumPath = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find(
  existsSync,
);

/** At the end of a title, so that the skip has its reason. */
export const needsChromium = chromiumPath === undefined ? " [needs chromium, which is not on this machine]" : "";

const require = createRequire(import.meta.url);
type Playwright = typeof import("playwright-core");
export type Browser = Awaited<ReturnType<Playwright["chromium"]["launch"]>>;
export type Tab = Awaited<ReturnType<Browser["newPage"]>>;

export async function openBrowser(): Promise<Browser> {
  const { chromium } = require("playwright-core") as Playwright;
  return await chromium.launch({ executablePath: chromiumPath as string, args: ["--no-sandbox"] });
}

/** What the page complained about, and what it asked of other hosts; nothing where all is well. */
export function complaintsOf(tab: Tab): string[] {
  const said: string[] = [];
  tab.on("console", (message) => ["error", "warning"].includes(message.type()) && said.push(message.text()));
  tab.on("pageerror", (error) => said.push(error.message));
  tab.on("request", (request) => {
    const { hostname, protocol } = new URL(request.url());
    if (protocol !== "data:" && hostname !== "127.0.0.1") said.push(request.url());
  });
  return said;
}

/** Violations of accessibility rules (axe-core) that are serious or worse, each in a line. */
export async function axeFindings(tab: Tab): Promise<string[]> {
  // The page's policy forbids inline scripts, as it should: the rules are evaluated beside it.
  const { source } = require("axe-core") as { readonly source: string };
  await tab.evaluate(source);
  const { violations } = await tab.evaluate("axe.run()") as {
    violations: { id: string; impact: string; nodes: { html: string; failureSummary: string }[] }[];
  };
  return violations.filter(({ impact }) => impact === "serious" || impact === "critical").map(({ id, nodes }) =>
    `${id}: ${nodes[0]?.html} ${nodes[0]?.failureSummary}`
  );
}

/** Keeps a picture of the page, for people. */
export async function keepPicture(tab: Tab, name: string): Promise<void> {
  const folder = join("skep-report", "screenshots");
  mkdirSync(folder, { recursive: true });
  await tab.screenshot({ path: join(folder, `${name}.png`) });
}

/** How far the page is wider than the window, in pixels: 0 where it fits. */
export async function overflowOf(tab: Tab): Promise<number> {
  return await tab.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") as number;
}
