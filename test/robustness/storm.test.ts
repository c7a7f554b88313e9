// One storm, a small one: everything changes while links, edges, cloudcore and API server fail; at its end the judge is content. `npm run soak` has fifty large ones.
import { cpSync, existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { Command, skep, workFolder } from "../support/command.ts";
import { root } from "../support/pages.ts";
import { stormScenario } from "../support/storm.ts";
import { until } from "../support/until.ts";

test("the same seed gives the same plan, another one another", () => {
  const size = { edges: 30, seconds: 5 };
  expect(stormScenario(1, size)).toBe(stormScenario(1, size));
  expect(stormScenario(1, size)).not.toBe(stormScenario(2, size));
});

test("nothing is lost in a storm over thirty edges, and a recording of it alone says the same", async () => {
  const folder = workFolder();
  writeFileSync(join(folder.path, "storm.yaml"), stormScenario(1, { edges: 30, seconds: 5 }));
  cpSync(join(root, "scenarios", "library", "models", "thermometer.yaml"), join(folder.path, "thermometer.yaml"));
  const run = new Command(folder.path, ["run", "storm.yaml", "--time-scale", "20", "--messages", "256MiB"]);
  const runs = join(folder.path, ".skep", "run");
  await until(
    "the run can be followed",
    () =>
      existsSync(runs) &&
      readdirSync(runs).some((name) => readFileSync(join(runs, name), "utf8").includes('"what":"run"')),
    30_000,
  );
  const recorded = skep(folder.path, "tap", "--last", "1000000", "-o", "flow.jsonl.gz");
  const { code, err, out } = await run.ended();
  expect(code, out + err).toBe(0);
  expect(out).toContain("1 passed, 0 failed, 0 skipped");
  // Every rule has been judged, those of its cloudcore's queues and sockets, too.
  expect(out).not.toContain("not judged");
  expect((await recorded).code).toBe(0);
  const judged = await skep(folder.path, "judge", "flow.jsonl.gz");
  expect(judged.out).not.toMatch(/broken|not judged/);
  expect(judged.code).toBe(0);
  folder.remove();
}, 180_000);
