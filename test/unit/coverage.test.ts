// The page of statements against tests: a row without a test, or with one that is not there, fails.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { coveragePage } from "../../scripts/coverage.ts";

let dir = "";
beforeAll(async () => void (dir = await mkdtemp(join(tmpdir(), "skep-coverage-"))));
afterAll(() => rm(dir, { recursive: true, force: true }));

const own = "test/unit/coverage.test.ts";
const row = (id: string, ...names: string[]) => ({
  id,
  statement: "s",
  tests: names.map((name) => ({ file: own, name })),
});

async function page(...rows: unknown[]): Promise<string> {
  const file = join(dir, "statements.json");
  await writeFile(file, JSON.stringify(rows));
  return await coveragePage([file]);
}

test("a row with its test is on the page", async () => {
  expect(await page(row("1-3.1.1", "a row with its test is on the page"))).toContain(
    "| 1 §3.1.1 | s | [a row with its test is on the page](../test/unit/coverage.test.ts) |",
  );
});

test("an empty cell, a test that is not there and a number that is there twice are refused, each by name", async () => {
  const rows = [
    row("1-3.1.1"),
    row("1-3.1.2", "nobody wrote " + "this"),
    row("1-3.1.2", "a row with its test is on the page"),
  ];
  await expect(page(...rows)).rejects.toThrow(
    /1-3\.1\.1 has no test; 1-3\.1\.2: there is no test .nobody wrote this. in .*; 1-3\.1\.2 is there twice/,
  );
});

test("a test with a table of cases is named without the places of their words", async () => {
  const found = await page({
    id: "1-3.1.1",
    statement: "s",
    tests: [
      { file: "test/wire/upstream.test.ts", name: "%s %s gets no answer" },
      { file: "test/wire/samples.test.ts", name: "%s" },
    ],
  });
  expect(found).toContain("[… gets no answer (table)](../test/wire/upstream.test.ts)");
  expect(found).toContain("[the table of samples](../test/wire/samples.test.ts)");
});
