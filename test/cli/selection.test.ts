// Choosing scenarios and how they are run: list, check, init, --grep, --tag, --bail, --retries, --parallel.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Ajv } from "ajv";
import { afterAll, describe, expect, test } from "vitest";
import { parse } from "yaml";
import { parseTargets } from "../../scenarios/targets/description.ts";
import { Command, skep, workFolder } from "../support/command.ts";

const folder = workFolder();
afterAll(() => folder.remove());
const write = (name: string, text: string) => {
  writeFileSync(join(folder.path, name), text);
  return name;
};
const scenario = (name: string, steps: string, more = "") =>
  `skep: 1\nname: ${name}\nfleet: [{ cohort: gw, count: 1 }]\n${more}steps: ${steps}\n`;
const bad = "[{ expect: { at: edge/gw-0, match: { ready: false }, within: 50ms } }]";
const many = write(
  "many.yaml",
  [
    scenario("one holds", "[{ wait: 1ms }]", "tags: [fast, first]\n"),
    scenario("two fails", bad, "tags: [fast]\n"),
    scenario("three holds", "[{ wait: 1ms }]"),
  ].join("---\n"),
);
const report = () => JSON.parse(readFileSync(join(folder.path, "skep-report", "report.json"), "utf8"));
const names = () => report().scenarios.map(({ name }: { name: string }) => name);

test("list shows the scenarios of files, and of the library where none are named", async () => {
  const { code, out } = await skep(folder.path, "list", many);
  expect(code).toBe(0);
  expect(out.trim().split("\n")).toEqual([
    "many.yaml  one holds  [fast, first]",
    "many.yaml  two fails  [fast]",
    "many.yaml  three holds",
  ]);
  const some = await skep(folder.path, "list", "--tag", "fast", many);
  expect(some.out.trim().split("\n")).toHaveLength(2);
  const library = await skep(folder.path, "list", "--tag", "device", "--json");
  const rows = JSON.parse(library.out) as { tags: string[] }[];
  expect(rows.length).toBeGreaterThan(5);
  expect(rows.every(({ tags }) => tags.includes("device"))).toBe(true);
});

test("check reads without running, and tells of every wrong file", async () => {
  expect(await skep(folder.path, "check", many)).toMatchObject({ code: 0, out: "many.yaml: 3 scenarios\n" });
  write("wrong-1.yaml", "skep: 2\nname: x\nsteps: []\n");
  write("wrong-2.yaml", scenario("x", "[{ aply: {} }]"));
  const { code, err } = await skep(folder.path, "check", "wrong-1.yaml", many, "wrong-2.yaml");
  expect(code).toBe(2);
  expect(err).toContain("wrong-1.yaml:1:7: skep must be 1, found 2");
  expect(err).toContain('wrong-2.yaml:4:11: unknown step "aply"');
});

test("list and run tell of every file that holds no scenario; list ends with 2 for one, and shows the others", async () => {
  write("wrong-1.yaml", "skep: 2\nname: x\nsteps: []\n");
  write("wrong-2.yaml", scenario("x", "[{ aply: {} }]"));
  const some = await skep(folder.path, "list", "wrong-1.yaml", many);
  expect(some.code).toBe(2);
  expect(some.out.trim().split("\n")).toHaveLength(3);
  expect(some.err).toContain("wrong-1.yaml:1:7: skep must be 1, found 2");
  const none = await skep(folder.path, "run", "wrong-1.yaml", "wrong-2.yaml", "--port", "0");
  expect(none.code).toBe(2);
  expect(none.err).toContain("wrong-1.yaml:1:7: skep must be 1, found 2");
  expect(none.err).toContain('wrong-2.yaml:4:11: unknown step "aply"');
});

test("init writes a scenario that holds, with the schema for editors, and overwrites nothing", async () => {
  const { code, out } = await skep(folder.path, "init", "mine/first.yaml");
  expect(code).toBe(0);
  expect(out).toContain("skep run mine/first.yaml");
  const schema = /\$schema=(\S+)/.exec(readFileSync(join(folder.path, "mine", "first.yaml"), "utf8"))?.[1] ?? "";
  expect(existsSync(join(folder.path, "mine", schema))).toBe(true);
  expect((await skep(folder.path, "run", "mine/first.yaml", "--port", "0")).code).toBe(0);
  const again = await skep(folder.path, "init", "mine/first.yaml");
  expect(again).toMatchObject({ code: 2 });
  expect(again.err).toContain("is there already");
});

test(
  "init also writes targets and a workflow, leaves those alone that are there, and leaves them out with --bare",
  async () => {
    const own = workFolder();
    const at = (name: string) => join(own.path, name);
    try {
      expect((await skep(own.path, "init", "bare.yaml", "--bare")).out).toBe(
        "wrote bare.yaml\nrun it with: skep run bare.yaml\n",
      );
      expect(existsSync(at("skep.yaml"))).toBe(false);
      expect((await skep(own.path, "init", "scenarios/a.yaml")).out).toContain(
        "wrote skep.yaml\nwrote .github/workflows/skep.yaml",
      );
      const targets = readFileSync(at("skep.yaml"), "utf8");
      expect(existsSync(at(/\$schema=(\S+)/.exec(targets)?.[1] ?? ""))).toBe(true);
      expect([...parseTargets(targets, "skep.yaml").targets.keys()]).toEqual(["process"]);
      const { jobs } = parse(readFileSync(at(".github/workflows/skep.yaml"), "utf8"));
      expect(jobs.skep.steps.map(({ run }: { readonly run?: string }) => run ?? "")).toContain(
        "npx skep run scenarios --retries 1 --record",
      );
      writeFileSync(at("skep.yaml"), "skep: 1\ntargets: { mine: {} }\n");
      expect((await skep(own.path, "init", "b.yaml")).out).toContain("skep.yaml is there already, and was left alone");
      expect(readFileSync(at("skep.yaml"), "utf8")).toContain("mine");
    } finally {
      own.remove();
    }
  },
  30_000,
);

describe("run", () => {
  test("takes what --grep and --tag mean, and refuses what means nothing", async () => {
    await skep(folder.path, "run", many, "--grep", "HOLDS", "--port", "0");
    expect(names()).toEqual(["one holds", "three holds"]);
    await skep(folder.path, "run", many, "--tag", "fast", "--tag", "first", "--port", "0");
    expect(names()).toEqual(["one holds"]);
    const nothing = await skep(folder.path, "run", many, "--grep", "nothing like it", "--port", "0");
    expect(nothing.code).toBe(2);
    expect(nothing.err).toContain("the tags are fast, first");
    expect((await skep(folder.path, "run", many, "--grep", "(", "--port", "0")).code).toBe(2);
  });

  test("begins nothing more after a failure with --bail, and says what had no turn", async () => {
    const { code } = await skep(folder.path, "run", many, "--bail", "--parallel", "1", "--port", "0");
    expect(code).toBe(1);
    expect(names()).toEqual(["one holds", "two fails"]);
    expect(report().notRun).toEqual(["three holds"]);
  });

  test("tries again with --retries: what holds then is flaky, in every report", async () => {
    write(
      "unsteady.mjs",
      `import { existsSync, writeFileSync } from "node:fs";
export default () => {
  const seen = ${JSON.stringify(join(folder.path, "seen"))};
  if (existsSync(seen)) return;
  writeFileSync(seen, "");
  throw new Error("not this time");
};
`,
    );
    write("unsteady.yaml", scenario("unsteady", "[{ run: ./unsteady.mjs }]"));
    const { code, out } = await skep(folder.path, "run", "unsteady.yaml", many, "--retries", "1", "--port", "0");
    expect(code).toBe(1);
    expect(out).toContain("unsteady — flaky: passed on try 2");
    expect(out).toMatch(/3 passed, 1 failed, 0 skipped, 1 of them flaky/);
    const [unsteady, , failing] = report().scenarios;
    expect(unsteady).toMatchObject({ verdict: "passed", flaky: true, tries: 2 });
    expect(unsteady.earlier[0].message).toContain("not this time");
    expect(failing).toMatchObject({ verdict: "failed", flaky: false, tries: 2 });
    expect(readFileSync(join(folder.path, "skep-report", "junit.xml"), "utf8")).toContain("<flakyFailure");
    expect(readFileSync(join(folder.path, "skep-report", "report.html"), "utf8")).toContain('class="scenario flaky"');
  });

  test("runs several at the same time with --parallel, where each has a world of its own", async () => {
    const slow = write("slow.yaml", [1, 2, 3].map((n) => scenario(`slow ${n}`, "[{ wait: 300ms }]")).join("---\n"));
    const { code } = await skep(folder.path, "run", slow, "--parallel", "3", "--port", "0");
    expect(code).toBe(0);
    const { scenarios, took } = report();
    const alone = scenarios.reduce((sum: number, s: { took: number }) => sum + s.took, 0);
    expect(took).toBeLessThan(alone);
    const refused = await skep(folder.path, "run", slow, "--parallel", "2", "--port", "12000");
    expect(refused.code).toBe(2);
    expect(refused.err).toContain("one block of ports is not enough");
  });

  test("keeps its verdict where GitHub's summary can't be written, and says so", async () => {
    const env = { GITHUB_ACTIONS: "true", GITHUB_STEP_SUMMARY: "/nonexistent/summary" };
    const { code, out } = await new Command(folder.path, ["run", many, "--port", "0"], env).ended();
    expect(code).toBe(1);
    expect(out).toContain("::error file=many.yaml,line=11,title=two fails");
    expect(out).toContain("::warning::skep: the job's summary could not be written");
  });

  test("writes a JSON report that its schema describes", async () => {
    await skep(folder.path, "run", many, "--port", "0");
    const schema = JSON.parse(
      readFileSync(new URL("../../scenarios/report/report.schema.json", import.meta.url), "utf8"),
    );
    const check = new Ajv({ strict: false }).compile(schema);
    check(report());
    expect(check.errors).toBeNull();
  });
});
