// The console in a real Chromium: every page, a filter, a message followed, a fault that acts, ten true reasons, many edges and messages.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { KubeClient } from "../../cloud/kube/client.ts";
import { loadKubeConfig } from "../../cloud/kube/kubeconfig.ts";
import { resources } from "../../cloud/kube/resource.ts";
import { join } from "node:path";
import { breakDelivery, brokenDeliveries } from "../support/broken-deliveries.ts";
import {
  axeFindings,
  type Browser,
  chromiumPath,
  complaintsOf,
  keepPicture,
  needsChromium,
  openBrowser,
  overflowOf,
  type Tab,
} from "../support/browser.ts";
import { watchBusyConsole } from "../support/busy-console.ts";
import { Command, workFolder } from "../support/command.ts";
import { until } from "../support/until.ts";

describe.skipIf(chromiumPath === undefined)(`the console${needsChromium}`, () => {
  const folder = workFolder();
  let browser: Browser;
  let up: Command;
  let kube: KubeClient;
  let address: string;

  beforeAll(async () => {
    browser = await openBrowser();
    up = new Command(folder.path, ["up", "--edges", "3", "--port", "0"]);
    await up.says("ready", 60_000);
    [, address = ""] = /^console +(\S+)$/m.exec(up.out) ?? [];
    kube = new KubeClient(loadKubeConfig(join(folder.path, "skep-report", "kubeconfig")));
    const metadata = { name: "app", namespace: "default" };
    await kube.create(resources.configmaps, { apiVersion: "v1", kind: "ConfigMap", metadata, data: { level: "info" } });
    const volumes = [{ name: "c", configMap: { name: "app" } }];
    const spec = { nodeName: "edge-0", containers: [{ name: "c", image: "i" }], volumes };
    await kube.create(resources.pods, {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "web", namespace: "default" },
      spec,
    });
  });
  afterAll(async () => {
    await kube?.close();
    await up?.interrupt();
    await browser?.close();
    folder.remove();
  });

  const views = [
    { name: "on a wide screen", viewport: { width: 1280, height: 800 }, colorScheme: "light" },
    { name: "on a wide screen in the dark", viewport: { width: 1280, height: 800 }, colorScheme: "dark" },
    { name: "on a phone", viewport: { width: 390, height: 844 }, colorScheme: "light" },
  ] as const;
  const pages = [
    ["messages", ".table tbody tr:not(.space)"],
    ["edges", ".table tbody tr:not(.space)"],
    ["edges/edge-0", ".device canvas"],
    ["objects/configmap%2Fdefault%2Fapp/edge-1", ".why .answer"],
    ["run", ".plot canvas"],
  ] as const;

  test.each(views)(
    "shows every page $name: nothing is complained about, it fits, and axe finds nothing serious",
    async ({ name, ...view }) => {
      const context = await browser.newContext(view);
      const tab = await context.newPage();
      const said = complaintsOf(tab);
      await tab.goto(address);
      for (const [page, part] of pages) {
        await tab.evaluate(`location.hash = "#/${page}"`);
        await tab.locator(part).first().waitFor({ timeout: 30_000 });
        await keepPicture(tab, `console ${page.split("%")[0]?.replace("/", " ")} ${name}`);
        expect(await axeFindings(tab)).toEqual([]);
        expect(await overflowOf(tab)).toBe(0);
      }
      expect(said).toEqual([]);
      // The token does not stay in the address.
      expect(tab.url()).not.toContain("token");
      await context.close();
    },
  );

  test("completes and applies a filter, and follows a message through its hops to what changed", async () => {
    const tab = await browser.newPage();
    const said = complaintsOf(tab);
    await tab.goto(address);
    await tab.locator(".table tbody tr:not(.space)").first().waitFor();
    const input = tab.getByLabel("filter");
    await input.pressSequentially("ki");
    await tab.getByRole("option", { name: /^kind / }).waitFor();
    await tab.keyboard.press("Tab");
    expect(await input.inputValue()).toBe("kind ");
    await input.pressSequentially('== "configmap" && node == "edge-0"');
    await tab.keyboard.press("Enter");
    await until(
      "the pod's configmap is there",
      async () => (await tab.locator("tr", { hasText: "default/configmap/app" }).count()) > 1,
      30_000,
    );
    await kube.patch({ resource: resources.configmaps, namespace: "default", name: "app" }, "merge", {
      data: { level: "debug" },
    });
    const row = tab.locator("tr", { hasText: "update" }).filter({ hasText: "default/configmap/app" });
    await row.first().click();
    const message = tab.getByLabel("message", { exact: true });
    await until("the whole way is drawn", async () => (await message.locator("svg circle").count()) >= 10);
    expect(await message.locator("svg .lane text").allTextContents()).toEqual([
      "API server",
      "controllers",
      "CloudHub",
      "edge",
    ]);
    expect(await message.locator(".changes").innerText()).toMatch(/data\.level "info" → "debug"/);
    expect(await message.locator("pre").innerText()).toContain('"level": "debug"');
    await keepPicture(tab, "console message followed");
    // The same by the keyboard alone.
    await message.getByRole("button", { name: "close" }).press("Enter");
    await row.first().focus();
    await tab.keyboard.press("ArrowDown");
    await tab.keyboard.press("Enter");
    await message.getByRole("heading", { name: /^response default\/configmap\/app/ }).waitFor();
    await message.getByRole("button", { name: "close" }).focus();
    await tab.keyboard.press("Escape");
    await message.waitFor({ state: "detached" });
    await row.first().click();
    await input.fill("nod == 1");
    await tab.keyboard.press("Enter");
    expect(await tab.getByRole("alert").innerText()).toMatch(/the fields are time/);
    // The refused filter is the browser's only complaint.
    expect(said.filter((line) => !line.includes("400"))).toEqual([]);
    await tab.close();
  });

  test("cuts an edge by a button that shows its step, and heals it: the edge goes, and comes back", async () => {
    const tab = await browser.newPage();
    await tab.goto(`${address}#/edges/edge-2`);
    await tab.getByText("- fault: { edge: edge-2, cut: both }").waitFor();
    await tab.getByRole("button", { name: "cut", exact: true }).click();
    await tab.locator(".title .word.away").waitFor({ timeout: 30_000 });
    expect(await tab.locator("dt", { hasText: "faults" }).locator("+ dd").innerText()).toBe("cut");
    await keepPicture(tab, "console edge cut");
    await tab.getByRole("button", { name: "heal", exact: true }).click();
    await tab.getByRole("button", { name: "restart", exact: true }).click();
    await tab.locator(".title .word.ready").waitFor({ timeout: 60_000 });
    await tab.getByLabel("fault").selectOption("duplicate");
    await tab.getByLabel("where").fill('kind == "pod"');
    await tab.getByText("- fault: { edge: edge-2, duplicate: 0.5, where:").waitFor();
    await tab.getByRole("button", { name: "put", exact: true }).click();
    await tab.locator("dt", { hasText: "faults" }).locator("+ dd", { hasText: "50 % duplicated up" }).waitFor();
    await keepPicture(tab, "console edge faults");
    await tab.getByLabel("fault").selectOption("latency");
    await tab.getByLabel("bad for").fill("50ms");
    await tab.getByLabel("good for").fill("50ms");
    await tab.getByLabel("ends after").fill("1s");
    await tab.getByRole("button", { name: "put", exact: true }).click();
    await tab.getByText("- fault: { edge: edge-2, latency: 200ms, flap: { bad: 50ms, good: 50ms }, for: 1s }")
      .waitFor();
    await tab.getByRole("button", { name: "heal", exact: true }).click();
    await tab.evaluate('location.hash = "#/run"');
    await tab.locator(".marks li", { hasText: '"cut":"both"' }).waitFor();
    await tab.close();
  });

  test("takes any step that is typed, of a whole cohort and of the API server, too", async () => {
    const tab = await browser.newPage();
    await tab.goto(`${address}#/edges/edge-2`);
    const step = tab.getByLabel("any step");
    await step.fill('{"fault": {"cohort"');
    await tab.getByText("this is no JSON yet").waitFor();
    await step.fill('{"nonsense": 1}');
    await tab.getByText(/^one of fault, apiserver, .*, and no other beside it$/).waitFor();
    const take = async (text: string) => {
      await step.fill(text);
      await tab.getByRole("button", { name: "do it", exact: true }).click();
    };
    await take('{"fault": {"cohort": "edge", "latency": "100ms", "jitter": "20ms", "distribution": "normal"}}');
    await tab.getByText("done", { exact: true }).waitFor();
    const faults = tab.locator("dt", { hasText: "faults" }).locator("+ dd");
    await faults.filter({ hasText: "100" }).waitFor();
    await keepPicture(tab, "console any step");
    await take('{"apiserver": {"latency": "many"}}');
    await tab.getByText(/apiserver\/latency must match/).waitFor();
    await take('{"fault": {"cohort": "edge", "heal": true}}');
    await faults.filter({ hasText: "none" }).waitFor();
    await tab.close();
  });

  test("reports a device's value by a button: the value is at the edge and in the API", async () => {
    const tab = await browser.newPage();
    await tab.goto(`${address}#/edges/edge-1`);
    const device = tab.locator(".device").first();
    await device.getByLabel("property").selectOption("temperature");
    await device.getByRole("textbox", { name: "value" }).fill("77.5");
    await device.getByRole("button", { name: "report", exact: true }).click();
    await device.getByText("done").waitFor();
    const status = { resource: resources.devicestatuses, namespace: "default", name: "edge-1-thermometer-0" };
    await until(
      "the value is in the DeviceStatus",
      async () => JSON.stringify(await kube.find(status)).includes("77.5"),
      30_000,
    );
    await tab.close();
  });

  test.each(brokenDeliveries)("names the true reason where $name", async (broken) => {
    const { address: at, stop } = await breakDelivery(broken);
    const tab: Tab = await browser.newPage();
    try {
      await tab.goto(`${at}#/objects/${encodeURIComponent(broken.object)}/${broken.edge}`);
      const answer = tab.locator(".why .answer");
      await until(`it says ${broken.words}`, async () => {
        await answer.waitFor();
        const text = await answer.innerText();
        if (broken.words.test(text)) return true;
        // What was sent a moment ago may still be under way.
        await tab.getByRole("button", { name: "ask", exact: true }).click();
        throw new Error(text);
      }, 20_000);
    } finally {
      await tab.close();
      await stop();
    }
  });

  test("stays usable with 10,000 edges and 1,000 messages a second, and says that it samples", async () => {
    await watchBusyConsole(browser, 5000);
  });
});
