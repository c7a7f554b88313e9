import { expect, test } from "vitest";
import { type Logger, silentLogger } from "../../../../base/log/logger.ts";
import { SyncRecords } from "../../../../cloud/cloudhub/session/sync-records.ts";
import type { Caches } from "../../../../cloud/kube/caches.ts";
import { KubeApiError } from "../../../../cloud/kube/client.ts";
import type { KubeObject } from "../../../../protocol/apis/kube-object.ts";

/** Records in an API that refuses them, and what is said of that. */
function recordsIn(refusal: { readonly code: number; readonly details?: Record<string, unknown> }) {
  const warned: unknown[] = [];
  const logger: Logger = { ...silentLogger, warn: (message, fields) => void warned.push({ message, ...fields }) };
  const error = new KubeApiError({ status: "Failure", message: "refused", reason: "", ...refusal });
  const client = { create: () => Promise.reject(error), patch: () => Promise.reject(error) };
  const informer = { subscribe: () => {}, get: () => undefined, resource: {} };
  const records = new SyncRecords({ client, of: () => informer } as unknown as Caches, logger);
  return { records, warned };
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
  const client = {
    patch: (_ref: unknown, _kind: string, patch: { status: { objectResourceVersion: string } }) => {
      patched.push(patch.status.objectResourceVersion);
      return new Promise<void>((resolve) => answers.push(resolve));
    },
  };
  const informer = { subscribe: () => {}, get: () => undefined, resource: {} };
  const records = new SyncRecords({ client, of: () => informer } as unknown as Caches, silentLogger);
  const acknowledge = (version: string) => records.acknowledge("gw-0", object("a"), version);
  const turn = () => new Promise((resolve) => setImmediate(resolve));
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
