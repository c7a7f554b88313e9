import { expect, test } from "vitest";
import { type Logger, silentLogger } from "../../../../base/log/logger.ts";
import { ManualClock } from "../../../../base/time/manual-clock.ts";
import { SyncRecords } from "../../../../cloud/cloudhub/records/sync-records.ts";
import type { Caches } from "../../../../cloud/kube/caches.ts";
import { KubeApiError } from "../../../../cloud/kube/client.ts";
import type { Resource } from "../../../../cloud/kube/resource.ts";
import { SyncIndex } from "../../../../cloud/nodes/sync-index.ts";
import type { KubeObject } from "../../../../protocol/apis/kube-object.ts";
import { isJournal, recordsOf } from "../../../../protocol/apis/reliablesyncs.ts";

/** A call of the API: what is written, and where. */
interface Call {
  readonly method: string;
  readonly path: string;
  readonly body: KubeObject & { readonly status?: { readonly objectResourceVersion: string } };
}

/** Records whose calls of the API are answered as `answer` says; `found` is what the cache begins with, `shown` what it has by name. */
function recordsOn(
  answer: (call: Call) => Promise<unknown>,
  found: readonly KubeObject[] = [],
  oneByOne?: number,
  shown: ReadonlyMap<string, KubeObject> = new Map(),
) {
  const warned: unknown[] = [];
  const logger: Logger = { ...silentLogger, warn: (message, fields) => void warned.push({ message, ...fields }) };
  const informer = {
    subscribe: () => {},
    get: (_namespace: string, name: string) => shown.get(name),
    list: () => found,
  };
  const client = {
    call: (method: string, path: string, body: Call["body"]) => answer({ method, path, body }),
    patch: (ref: { readonly name: string }, _kind: string, body: Call["body"]) =>
      answer({ method: "PATCH", path: ref.name, body }),
    create: (_resource: unknown, body: Call["body"]) => answer({ method: "POST", path: "", body }),
  };
  const caches = { client, of: (resource: Resource) => ({ ...informer, resource }) } as unknown as Caches;
  const index = new SyncIndex(caches);
  const clock = new ManualClock(0);
  const records = new SyncRecords({ caches, index, clock, logger, ...(oneByOne === undefined ? {} : { oneByOne }) });
  return { clock, index, records, warned };
}

const refusalOf = (refusal: { readonly code: number; readonly details?: Record<string, unknown> }) =>
  new KubeApiError({ status: "Failure", message: "refused", reason: "", ...refusal });

/** Records in an API that refuses them, and what is said of that. */
function recordsIn(refusal: { readonly code: number; readonly details?: Record<string, unknown> }) {
  return recordsOn(() => Promise.reject(refusalOf(refusal)));
}

const object = (name: string): KubeObject => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name, namespace: "ns", uid: `uid-of-${name}`, resourceVersion: "7" },
});

test.each([
  { code: 403, details: { causes: [{ reason: "NamespaceTerminating" }] } },
  { code: 404, details: { kind: "namespaces", name: "ns" } },
])("where a namespace ends ($code) objects are delivered without a record, and without a warning", async (refusal) => {
  const { records, warned } = recordsIn(refusal);
  await records.ensure("gw-0", object("a"));
  expect(await records.acknowledge("gw-0", object("a"), "7")).toBe(false);
  expect(warned).toEqual([]);
});

test.each([{ code: 403 }, { code: 404, details: { kind: "objectsyncs" } }, { code: 422 }, { code: 400 }])(
  "where records are refused for another reason ($code) objects are delivered all the same, and that is said once",
  async (refusal) => {
    const { records, warned } = recordsIn(refusal);
    for (const name of ["a", "b", "c"]) await records.ensure("gw-0", object(name));
    expect(await records.acknowledge("gw-0", object("a"), "7")).toBe(false);
    expect(warned).toMatchObject([{ node: "gw-0", error: "refused" }]);
  },
);

test("where the API fails objects wait for their record", async () => {
  const { records } = recordsIn({ code: 500 });
  await expect(records.ensure("gw-0", object("a"))).rejects.toThrow("refused");
});

test("of versions that are acknowledged while the API is slow the last one is written, and those between are left out", async () => {
  const patched: string[] = [];
  const answers: (() => void)[] = [];
  const { records } = recordsOn(({ body }) => {
    patched.push(body.status?.objectResourceVersion ?? "");
    return new Promise<void>((resolve) => answers.push(resolve));
  });
  const acknowledge = (version: string) => records.acknowledge("gw-0", object("a"), version);
  const first = acknowledge("7");
  await turn();
  const written = [first, acknowledge("8"), acknowledge("9"), acknowledge("10")];
  answers[0]?.();
  await turn();
  answers[1]?.();
  expect(await Promise.all(written)).toEqual([true, false, false, true]);
  expect(patched).toEqual(["7", "10"]);
  expect(records.acknowledged("gw-0", { uid: "uid-of-a", namespace: "ns" })).toBe("10");
});

const turn = () => new Promise((resolve) => setImmediate(resolve));

/** An API that writes down the calls, and holds creations of records back until `open`. */
function heldApi() {
  const calls: string[] = [];
  const opened = Promise.withResolvers<void>();
  const pages: KubeObject[] = [];
  const answer = async ({ body, method, path }: Call) => {
    if (method === "POST" && isJournal(body)) {
      pages.push(body);
      calls.push(`page of ${recordsOf(body).map(({ spec }) => spec?.objectName).join(", ")}`);
      return;
    }
    if (method === "POST") await opened.promise;
    const what = method === "POST" ? body.spec as { readonly objectName?: string } : {};
    calls.push(
      path.includes("skep-journal")
        ? "page removed"
        : `${method} ${what.objectName ?? /uid-of-\w+/.exec(path)?.[0]} ${body.status?.objectResourceVersion ?? ""}`
          .trim(),
    );
  };
  return { answer, calls, open: opened.resolve, pages };
}

const names = ["a", "b", "c"];
const journaled = async (api: ReturnType<typeof heldApi>) => {
  const all = recordsOn(api.answer, [], 0);
  await Promise.all(names.map((name) => all.records.ensure("gw-0", object(name))));
  return all;
};
const recorded = (name: string) => ({ uid: `uid-of-${name}`, namespace: "ns" });

test("many records at the same time stand in one page of the journal before any is created, and the page goes when all are", async () => {
  const api = heldApi();
  const { index, records } = await journaled(api);
  expect(api.calls).toEqual(["page of a, b, c"]);
  expect(names.map((name) => records.acknowledged("gw-0", recorded(name)))).toEqual(["0", "0", "0"]);
  expect(index.holders("uid-of-b")).toEqual(["gw-0"]);
  api.open();
  await records.settled();
  expect(api.calls).toEqual(["page of a, b, c", "POST a", "POST b", "POST c", "page removed"]);
});

test("a record that was acknowledged before it is created gets its latest version with it", async () => {
  const api = heldApi();
  const { index, records } = await journaled(api);
  const written = ["7", "8", "9"].map((version) => records.acknowledge("gw-0", object("a"), version));
  expect(index.of("gw-0").map(({ version }) => version)).toEqual(["9", "0", "0"]);
  api.open();
  await records.settled();
  expect(api.calls.filter((call) => call.startsWith("PATCH"))).toEqual(["PATCH uid-of-a 9"]);
  expect(await Promise.all(written)).toEqual([false, false, true]);
});

test("a record whose object the node has deleted before it is created never is", async () => {
  const api = heldApi();
  // Sixteen are written at the same time: the last ones wait.
  const all = recordsOn(api.answer, [], 0);
  const many = Array.from({ length: 20 }, (_, i) => `o${i}`);
  await Promise.all(many.map((name) => all.records.ensure("gw-0", object(name))));
  expect(await all.records.remove("gw-0", recorded("o19"))).toBe(true);
  expect(all.records.acknowledged("gw-0", recorded("o19"))).toBeUndefined();
  expect(all.index.holds("gw-0", "uid-of-o19")).toBe(false);
  api.open();
  await all.records.settled();
  expect(api.calls.filter((call) => call.startsWith("POST"))).toEqual(many.slice(0, 19).map((name) => `POST ${name}`));
  expect(api.calls.at(-1)).toBe("page removed");
});

test("a record that can't be created for now is tried again, with the version that came meanwhile", async () => {
  const calls: string[] = [];
  let isDown = true;
  const { clock, records } = recordsOn(
    ({ body, method }) => {
      if (method === "POST" && isJournal(body)) return Promise.resolve();
      calls.push(`${method} ${body?.status?.objectResourceVersion ?? ""}`.trim());
      return isDown ? Promise.reject(refusalOf({ code: 503 })) : Promise.resolve();
    },
    [],
    0,
  );
  await records.ensure("gw-0", object("a"));
  await turn();
  const written = records.acknowledge("gw-0", object("a"), "7");
  isDown = false;
  clock.advance(1000);
  await records.settled();
  expect(await written).toBe(true);
  expect(calls).toEqual(["POST", "POST", "DELETE", "PATCH 7"]);
});

test("a record that is reset while its creation fails has no version when it can be created", async () => {
  const calls: string[] = [];
  let create = (): Promise<unknown> => Promise.reject(refusalOf({ code: 503 }));
  const { clock, records } = recordsOn(
    ({ body, method }) => {
      if (method === "POST" && isJournal(body)) return Promise.resolve();
      if (method === "DELETE") return Promise.resolve();
      calls.push(`${method} ${body?.status?.objectResourceVersion ?? ""}`.trim());
      return method === "POST" ? create() : Promise.reject(refusalOf({ code: 404 }));
    },
    [],
    0,
  );
  await records.ensure("gw-0", object("a"));
  await turn();
  const written = records.acknowledge("gw-0", object("a"), "7");
  const held = Promise.withResolvers<unknown>();
  create = () => held.promise;
  clock.advance(1000);
  await turn();
  // The edge has lost its store while the record that says 7 is being created.
  const reset = records.reset("gw-0", object("a"));
  held.reject(refusalOf({ code: 503 }));
  await reset;
  await turn();
  create = () => Promise.resolve();
  clock.advance(1000);
  await records.settled();
  expect(await written).toBe(false);
  expect(calls).toEqual(["POST", "POST", "PATCH 0", "POST"]);
  expect(records.acknowledged("gw-0", recorded("a"))).toBe("0");
});

test("what is acknowledged while a record is reset stays; of one that is gone nothing is noted, and it is made again", async () => {
  const calls: string[] = [];
  let patch = (): Promise<unknown> => Promise.resolve();
  const shown = new Map<string, KubeObject>();
  const { records } = recordsOn(
    ({ body, method }) => {
      calls.push(`${method} ${body?.status?.objectResourceVersion ?? ""}`.trim());
      return method === "PATCH" ? patch() : Promise.resolve();
    },
    [],
    undefined,
    shown,
  );
  const name = "gw-0.uid-of-a";
  shown.set(name, { metadata: { name, namespace: "ns" }, status: { objectResourceVersion: "5" } });
  const held = Promise.withResolvers<unknown>();
  patch = () => held.promise;
  const reset = records.reset("gw-0", object("a"));
  await turn();
  patch = () => Promise.resolve();
  const written = records.acknowledge("gw-0", object("a"), "7");
  held.resolve(undefined);
  await reset;
  expect(await written).toBe(true);
  expect(records.acknowledged("gw-0", recorded("a"))).toBe("7");
  // Removed by another, as the watch has told already when the answer comes.
  patch = () => {
    shown.delete(name);
    return Promise.reject(refusalOf({ code: 404 }));
  };
  await records.reset("gw-0", object("a"));
  expect(records.acknowledged("gw-0", recorded("a"))).toBeUndefined();
  await records.ensure("gw-0", object("a"));
  expect(calls.filter((call) => call === "POST")).toHaveLength(1);
});

test("where the API refuses the journal each record is created by itself, and that is said once", async () => {
  const created: string[] = [];
  const { records, warned } = recordsOn(
    ({ body }) => {
      if (isJournal(body)) return Promise.reject(refusalOf({ code: 403 }));
      created.push(body.metadata.name);
      return Promise.resolve();
    },
    [],
    0,
  );
  await Promise.all(names.map((name) => records.ensure("gw-0", object(name))));
  expect(created).toEqual(names.map((name) => `gw-0.uid-of-${name}`));
  expect(warned).toHaveLength(1);
});

test("what a former cloudcore's journal stands for is created before anything else, and the journal removed", async () => {
  const former = heldApi();
  await journaled(former);
  const api = heldApi();
  api.open();
  const { index, records } = recordsOn(api.answer, former.pages);
  await records.recover();
  expect(api.calls).toEqual(["POST a", "POST b", "POST c", "page removed"]);
  expect(index.of("gw-0").map(({ name, kind, version }) => `${kind} ${name} ${version}`)).toEqual([
    "ConfigMap a 0",
    "ConfigMap b 0",
    "ConfigMap c 0",
  ]);
});

test("a record that the watch has shown before its creation was answered is as the cache has it, from then on", async () => {
  const shown = new Map<string, KubeObject>();
  const { records } = recordsOn(
    ({ body }) => {
      shown.set(body.metadata.name, body);
      return Promise.resolve(body);
    },
    [],
    undefined,
    shown,
  );
  const recorded = { uid: "uid-of-a", namespace: "ns" };
  await records.ensure("gw-0", object("a"));
  expect(records.acknowledged("gw-0", recorded)).toBe("0");
  // Another cloudcore, to which the node has moved, writes what the node has acknowledged there.
  const [[name, record] = []] = [...shown];
  shown.set(name as string, { ...record as KubeObject, status: { objectResourceVersion: "9" } });
  expect(records.acknowledged("gw-0", recorded)).toBe("9");
});
