import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { readRunFile, readRunFiles, writeRunFile } from "../../../../base/control/run-file.ts";

const folder = await mkdtemp(join(tmpdir(), "skep-run-"));
afterAll(() => rm(folder, { recursive: true, force: true }));

const file = { pid: process.pid, what: "up", url: "http://127.0.0.1:1", token: "t", startedAt: 5, version: "1" };

test("a run can be found by its file, which only its user can read, until it is removed", async () => {
  const remove = await writeRunFile(file, folder);
  expect(await readRunFiles(folder)).toEqual([file]);
  expect(await readRunFile(process.pid, folder)).toEqual(file);
  if (process.platform !== "win32") expect((await stat(join(folder, `${process.pid}.json`))).mode & 0o777).toBe(0o600);
  remove();
  expect(await readRunFiles(folder)).toEqual([]);
  expect(existsSync(folder)).toBe(false);
});

test("files of processes that are gone are removed, and what is no file of a run is left alone", async () => {
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, "4194303.json"), JSON.stringify({ ...file, pid: 4_194_303 }));
  await writeFile(join(folder, "notes.txt"), "mine");
  expect(await readRunFiles(folder)).toEqual([]);
  expect(await readdir(folder)).toEqual(["notes.txt"]);
});

test("a folder that is not there has no runs", async () => {
  expect(await readRunFiles(join(folder, "none"))).toEqual([]);
  expect(await readRunFile(1, join(folder, "none"))).toBeUndefined();
});
