// One storm, a small one: everything changes while links, edges, cloudcore and API server fail; at its end the judge is content. `npm run soak` has fifty large ones.
import { cpSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { Command, workFolder } from "../support/command.ts";
import { root } from "../support/pages.ts";
import { stormScenario } from "../support/storm.ts";

test("the same seed gives the same plan, another one another", () => {
  const size = { edges: 30, seconds: 5 };
  expect(stormScenario(1, size)).toBe(stormScenario(1, size));
  expect(stormScenario(1, size)).not.toBe(stormScenario(2, size));
});

test("nothing is lost in a storm over thirty edges", async () => {
  const folder = workFolder();
  writeFileSync(join(folder.path, "storm.yaml"), stormScenario(1, { edges: 30, seconds: 5 }));
  cpSync(join(root, "scenarios", "library", "models", "thermometer.yaml"), join(folder.path, "thermometer.yaml"));
  const run = new Command(folder.path, ["run", "storm.yaml", "--time-scale", "20", "--messages", "256MiB"]);
  const { code, err, out } = await run.ended();
  expect(code, out + err).toBe(0);
  expect(out).toContain("1 passed, 0 failed, 0 skipped");
  // Every rule has been judged, those of its cloudcore's queues and sockets, too.
  expect(out).not.toContain("not judged");
  folder.remove();
}, 180_000);
