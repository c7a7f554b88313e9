// Stores of edges in a file: what a process that was killed finds again.
import { statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { EdgeStore } from "../../../edge-sim/metamanager/store.ts";
import { StoreFile } from "../../../edge-sim/metamanager/store-file.ts";
import { workFolder } from "../../support/command.ts";

const folder = workFolder();
afterAll(() => folder.remove());

const object = (name: string, version = "1") => ({ metadata: { name, resourceVersion: version } });

test("each edge finds its own objects again, as they were last, without anybody having closed the file", async () => {
  const file = join(folder.path, "made", "edges.db");
  const rows = await StoreFile.open(file);
  const [a, b] = [new EdgeStore("a", rows), new EdgeStore("b", rows)];
  a.put("default/pod/p", object("p"));
  a.put("default/pod/p", object("p", "2"));
  a.put("default/pod/q", object("q"));
  a.delete("default/pod/q");
  b.put("default/pod/p", object("other"));
  const again = await StoreFile.open(file);
  expect([...new EdgeStore("a", again).entries()]).toEqual([["default/pod/p", object("p", "2")]]);
  expect(new EdgeStore("b", again).get("default/pod/p")).toEqual(object("other"));
  new EdgeStore("b", again).clear();
  expect([new EdgeStore("b", again).size, new EdgeStore("a", again).size]).toEqual([0, 1]);
  rows.close();
  again.close();
});

test("it is its owner's alone, for there may be secrets in it", async () => {
  const file = join(folder.path, "own.db");
  (await StoreFile.open(file)).close();
  expect(statSync(file).mode & 0o777).toBe(0o600);
});

test("a file that is no database is refused and stays as it is", async () => {
  const file = join(folder.path, "text.db");
  writeFileSync(file, "this is a text, and not a short one either; a database it is not. ".repeat(20));
  await expect(StoreFile.open(file)).rejects.toThrow(`edges can't keep their stores in ${file}`);
});
