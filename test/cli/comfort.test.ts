// What makes working with scenarios easy: parts of a suite, repetition, updates, watching, translations.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { Command, skep, workFolder } from "../support/command.ts";

const folder = workFolder();
afterAll(() => folder.remove());
const write = (name: string, text: string) => {
  mkdirSync(join(folder.path, name, ".."), { recursive: true });
  writeFileSync(join(folder.path, name), text);
  return name;
};
const read = (name: string) => readFileSync(join(folder.path, name), "utf8");
const run = (...args: string[]) => skep(folder.path, ...args);
const quick = (name: string, step = "wait: 1ms") =>
  `skep: 1\nname: ${name}\nfleet: [{ cohort: gw, count: 1 }]\nsteps:\n  - ${step}\n`;
const node = "expect: { at: kube, object: { apiVersion: v1, kind: Node, name: gw-0 }, within: 100ms, match:";

write("suite/b/bad.yaml", quick("is wrong", `${node} { kind: Pod } }`));
for (const name of ["one", "two", "three"]) write(`suite/a/${name}.yaml`, quick(name));
write("suite/a/manifest.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: m }\n");
const names = (out: string) =>
  [...out.matchAll(/^(?:passed|failed) +([a-z]+(?: [a-z]+)?) /gm)].map(([, name]) => name).sort();

describe("of a suite", () => {
  test(
    "a folder stands for the scenarios below it; --shard takes every n-th, and all parts together are all",
    async () => {
      const [one, two, all] = await Promise.all([
        run("run", "suite", "--shard", "1/2", "--report", "s1"),
        run("run", "suite", "--shard", "2/2", "--report", "s2"),
        run("list", "suite"),
      ]);
      expect(all.out.trim().split("\n")).toHaveLength(4);
      expect([...names(one.out), ...names(two.out)].sort()).toEqual(["is wrong", "one", "three", "two"]);
      expect(names(one.out)).toHaveLength(2);
      expect((await run("run", "suite/a/one.yaml", "--shard", "2/2")).err).toContain("this one is empty");
      expect((await run("run", "suite", "--shard", "3/2")).err).toContain("I/N is needed");
    },
    60_000,
  );

  test("--last-failed runs what failed before, --repeat says how often each has held", async () => {
    expect((await run("run", "suite", "--last-failed", "--report", "none")).err).toContain(
      "there is no report of a last run",
    );
    expect((await run("run", "suite", "--report", "last")).code).toBe(1);
    const again = await run("run", "suite", "--last-failed", "--repeat", "2", "--report", "last");
    expect(names(again.out)).toEqual(["is wrong", "is wrong"]);
    expect(again.out).toMatch(/^failed +0 of 2 {2}is wrong \(suite\/b\/bad\.yaml\)\n +2 times: expect kube/m);
    const fine = await run("run", "suite/a", "--repeat", "2", "--report", "last");
    expect(fine.out).toMatch(/^held +2 of 2 {2}one /m);
    expect((await run("run", "suite", "--last-failed", "--report", "last")).err).toContain(
      "nothing failed in the run of",
    );
  }, 60_000);

  test("--timeout is the longest time of each, and reports are in TAP, too", async () => {
    const slow = write("slow.yaml", quick("slow", "wait: 30s"));
    const { code, out } = await run("run", slow, "suite/a/one.yaml", "--timeout", "2s", "--report", "t");
    expect(code).toBe(1);
    expect(out).toContain("the scenario's 2s were over");
    expect(read("t/report.tap")).toMatch(
      /^TAP version 14\n1\.\.2\nnot ok 1 - slow\n {2}---\n {2}file: slow\.yaml\n[^]* {2}\.\.\.\nok 2 - one\n/,
    );
  }, 30_000);
});

test(
  "--update shows what was found, writes it where the scenario expects something else, and leaves all other text",
  async () => {
    const text = `skep: 1
name: to update
fleet: [{ cohort: gw, count: 1 }]
steps:
  - apply: { apiVersion: v1, kind: ConfigMap, metadata: { name: c }, data: { a: "1", b: "2" } }
  - expect: # a comment
      at: kube
      object: { apiVersion: v1, kind: ConfigMap, name: c }
      match: { data: { a: "9", b: { $matches: "^x" } } } # another
      within: 100ms
`;
    const file = write("update.yaml", text);
    const { code, out } = await run("run", file, "--update", "--report", "u");
    expect(code).toBe(1);
    expect(out).toContain('update.yaml:6 data.a\n  - "9"\n  + "1"\n');
    expect(out).toContain("update.yaml:6 data.b: not updated: it is a regular expression: change it by hand");
    expect(out).toContain("updated 1 expected values");
    expect(read("update.yaml")).toBe(text.replace('a: "9"', 'a: "1"'));
  },
  30_000,
);

test("--watch runs again what a saved file touches, and nothing else", async () => {
  const manifest = write("watched/m.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: m }\n");
  write("watched/uses.yaml", quick("uses a file", "apply: m.yaml"));
  write("watched/other.yaml", quick("other"));
  const command = new Command(folder.path, ["run", "watched", "--watch", "--report", "w"]);
  await command.says("2 passed, 0 failed");
  await command.says("watching");
  write(manifest, "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: m2 }\n");
  await command.says(/changed: watched\/m\.yaml\nskep: 1 scenario on/);
  await command.says("1 passed, 0 failed");
  write("watched/other.yaml", "skep: 1\nname: [\nsteps:\n");
  await command.says("other.yaml");
  expect((await command.interrupt()).code).toBe(130);
}, 60_000);

test("export writes a module that does the same, import chainsaw a scenario", async () => {
  const file = write("suite/c/exported.yaml", quick("as code", `${node} { kind: Node } }\n  - run: ./step.mjs`));
  write("suite/c/step.mjs", "export default ({ environment }) => environment.namespace;\n");
  const index = pathToFileURL(join(import.meta.dirname, "..", "..", "index.ts")).href;
  expect((await run("export", file, "-o", "code/scenario.ts", "--from", index)).out).toContain(
    "wrote code/scenario.ts",
  );
  write(
    "chainsaw/quick/chainsaw-test.yaml",
    "apiVersion: chainsaw.kyverno.io/v1alpha1\nkind: Test\nmetadata: { name: quick }\nspec:\n  steps:\n    - try:\n        - apply: { file: c.yaml }\n        - assert: { file: e.yaml }\n        - script: { content: 'test -e c.yaml && echo $NAMESPACE' }\n",
  );
  write(
    "chainsaw/quick/c.yaml",
    "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: c, labels: { l: m } }\ndata: { a: b, c: d }\n",
  );
  write("chainsaw/quick/e.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: { labels: { l: m } }\ndata: { c: d }\n");
  const imported = await run("import", "chainsaw", "chainsaw", "--out", "imported");
  expect(imported.code).toBe(0);
  expect(imported.out).toContain("1 test; all was translated");
  const { code, out } = await run("run", "code", "imported", "--allow-exec", "--report", "x");
  expect(names(out)).toEqual(["as code", "quick"]);
  expect(code).toBe(0);
  expect((await run("run", "imported", "--report", "x")).out).toContain("the embedded target has no exec");
  expect((await run("import", "chainsaw", "suite")).err).toContain("there is no chainsaw-test.yaml in this folder");
}, 60_000);
