// The console with 10,000 edges and 1,000 messages a second, for a minute.
import { afterAll, beforeAll, describe, test } from "vitest";
import { type Browser, chromiumPath, needsChromium, openBrowser } from "../support/browser.ts";
import { watchBusyConsole } from "../support/busy-console.ts";

describe.skipIf(chromiumPath === undefined)(`the console${needsChromium}`, () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await openBrowser();
  });
  afterAll(() => browser?.close());

  test("stays usable with 10,000 edges and 1,000 messages a second for a minute", async () => {
    await watchBusyConsole(browser, 60_000);
  }, 180_000);
});
