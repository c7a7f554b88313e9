import { describe, expect, test } from "vitest";
import { Random } from "../../../../base/random/random.ts";
import { ageOf } from "../../../../cloud/apiserver/kinds/columns.ts";
import { Registry } from "../../../../cloud/apiserver/kinds/registry.ts";
import { Resources } from "../../../../cloud/apiserver/resources.ts";
import { Store } from "../../../../cloud/apiserver/storage/store.ts";
import { ManualClock } from "../../../../base/time/manual-clock.ts";
import { definitions } from "../../../../cloud/apiserver/controllers/definitions.ts";
import { serviceAccounts } from "../../../../cloud/apiserver/controllers/service-accounts.ts";
import { kubeedgeCrds } from "../../../../protocol/apis/crds.ts";
import { freezeStored } from "../../../support/frozen.ts";
import { Controlled } from "./controlled.ts";
import type { Kind } from "../../../../cloud/apiserver/kinds/kind.ts";

function server() {
  const resources = new Resources(new Store(), new Registry(), () => Date.parse("2026-01-01T00:00:00Z"), new Random(1));
  freezeStored(resources.store);
  new Controlled(resources, new ManualClock(), [definitions, serviceAccounts]);
  const kind = (group: string, version: string, plural: string) =>
    resources.registry.find(group, version, plural) as Kind;
  resources.create(kind("", "v1", "namespaces"), "", { metadata: { name: "default" } });
  for (const crd of kubeedgeCrds) {
    resources.create(kind("apiextensions.k8s.io", "v1", "customresourcedefinitions"), "", crd);
  }
  const pods = kind("", "v1", "pods");
  const configmaps = kind("", "v1", "configmaps");
  const devices = kind("devices.kubeedge.io", "v1beta1", "devices");
  return { resources, pods, configmaps, devices };
}

const podBody = (name: string, spec: Record<string, unknown> = {}) => ({
  metadata: { name },
  spec: { containers: [{ name: "c", image: "nginx" }], ...spec },
});
const at = (kind: Kind, name: string) => ({ kind, namespace: "default", name });

describe("creating", () => {
  test("gives an identity and defaults, and a name where one is to be generated", () => {
    const { resources, pods } = server();
    const { object: pod } = resources.create(
      pods,
      "default",
      { metadata: { generateName: "web-" }, spec: podBody("x").spec },
    );
    expect(pod.metadata.name).toMatch(/^web-[a-z0-9]{5}$/);
    expect(pod.metadata.uid).toMatch(/^[0-9a-f-]{36}$/);
    expect(pod).toMatchObject({
      status: { phase: "Pending" },
      spec: { restartPolicy: "Always", terminationGracePeriodSeconds: 30 },
    });
  });

  test("refuses what is there, what is wrong and what belongs elsewhere", () => {
    const { resources, pods, configmaps } = server();
    resources.create(configmaps, "default", { metadata: { name: "a" } });
    expect(() => resources.create(configmaps, "default", { metadata: { name: "a" } })).toThrow(
      'configmaps "a" already exists',
    );
    expect(() => resources.create(configmaps, "default", { metadata: { name: "A_b" } })).toThrow(
      "a lowercase RFC 1123 subdomain",
    );
    expect(() => resources.create(configmaps, "default", { metadata: { name: "b", namespace: "other" } }))
      .toThrow("does not match the namespace");
    expect(() => resources.create(configmaps, "nowhere", { metadata: { name: "b" } })).toThrow(
      'namespaces "nowhere" not found',
    );
    expect(() => resources.create(configmaps, "default", { metadata: { name: "b" }, data: { n: 1 } })).toThrow(
      "cannot unmarshal number",
    );
    expect(() => resources.create(pods, "default", { metadata: { name: "p" }, spec: {} })).toThrow(
      "spec.containers: Required value",
    );
  });

  test("a dry run leaves nothing behind", () => {
    const { resources, configmaps } = server();
    resources.create(configmaps, "default", { metadata: { name: "a" } }, { isDryRun: true });
    expect(() => resources.get(at(configmaps, "a"))).toThrow("not found");
  });

  test("a custom resource is checked by its schema and pruned", () => {
    const { resources, devices } = server();
    const device = { apiVersion: "devices.kubeedge.io/v1beta1", kind: "Device" };
    const { object: created } = resources.create(devices, "default", {
      ...device,
      metadata: { name: "d" },
      spec: { nodeName: "n", unknown: 1, protocol: { configData: { free: true } } },
    });
    expect(created.spec).toEqual({ nodeName: "n", protocol: { configData: { free: true } } });
    expect(() => resources.create(devices, "default", { ...device, metadata: { name: "e" }, spec: { nodeName: 5 } }))
      .toThrow("spec.nodeName in body must be of type string");
    expect(() =>
      resources.create(devices, "default", {
        ...device,
        metadata: { name: "e" },
        spec: { properties: [{ desired: {} }] },
      })
    ).toThrow("spec.properties[0].desired.value: Required value");
  });
});

test("a definition whose rule can't be compiled is refused with the rule's place", () => {
  const { resources } = server();
  const kind = resources.registry.find("apiextensions.k8s.io", "v1", "customresourcedefinitions") as Kind;
  const openAPIV3Schema = (rule: string) => ({
    type: "object",
    properties: { spec: { type: "object", "x-kubernetes-validations": [{ rule }] } },
  });
  const definition = (rule: string) => ({
    metadata: { name: "things.example.com" },
    spec: {
      group: "example.com",
      scope: "Namespaced",
      names: { plural: "things", kind: "Thing" },
      versions: [{ name: "v1", served: true, storage: true, schema: { openAPIV3Schema: openAPIV3Schema(rule) } }],
    },
  });
  expect(() => resources.create(kind, "", definition("self.a >"))).toThrow(
    /spec\.versions\[0\]\.schema\.openAPIV3Schema\.properties\[spec\]\.x-kubernetes-validations\[0\]\.rule: Invalid value: "self\.a >": compilation failed/,
  );
  expect(resources.create(kind, "", definition("self.a > 1")).object.metadata.name).toBe("things.example.com");
});

describe("changing", () => {
  test("a stale version is refused, a write that changes nothing keeps the version", () => {
    const { resources, configmaps } = server();
    const { object: made } = resources.create(configmaps, "default", { metadata: { name: "a" }, data: { x: "1" } });
    const { object: next } = resources.update(at(configmaps, "a"), { ...made, data: { x: "2" } }).stored;
    expect(() => resources.update(at(configmaps, "a"), { ...made, data: { x: "3" } }, "")).toThrow(
      "the object has been modified",
    );
    expect(resources.update(at(configmaps, "a"), next).stored.object.metadata.resourceVersion).toBe(
      next.metadata.resourceVersion,
    );
  });

  test("status is written through its subresource only", () => {
    const { resources, pods } = server();
    resources.create(pods, "default", podBody("p"));
    const { object: spec } = resources.patch(
      at(pods, "p"),
      "application/merge-patch+json",
      { status: { phase: "Failed" }, metadata: { labels: { a: "b" } } },
      "",
    );
    expect(spec).toMatchObject({ status: { phase: "Pending" }, metadata: { labels: { a: "b" } } });
    const { object: status } = resources.patch(
      at(pods, "p"),
      "application/strategic-merge-patch+json",
      { status: { phase: "Running" } },
      "status",
    );
    expect(status).toMatchObject({ status: { phase: "Running" } });
  });

  test("a status patch that names another uid is refused as kube-apiserver does", () => {
    const { resources, pods } = server();
    resources.create(pods, "default", podBody("p"));
    expect(() =>
      resources.patch(
        at(pods, "p"),
        "application/strategic-merge-patch+json",
        { metadata: { uid: "other" } },
        "status",
      )
    ).toThrow("field is immutable");
  });
});

describe("deleting", () => {
  test("a pod on a node gets its grace, then goes when its node says so", () => {
    const { resources, pods } = server();
    resources.create(pods, "default", podBody("p", { nodeName: "n" }));
    const { object, removed } = resources.delete(at(pods, "p"), {});
    expect(removed).toBe(false);
    expect(object.metadata).toMatchObject({
      deletionTimestamp: "2026-01-01T00:00:30Z",
      deletionGracePeriodSeconds: 30,
    });
    const events: string[] = [];
    resources.store.watch("pods", (e) => events.push(`${e.type} ${e.object.metadata.deletionGracePeriodSeconds}`));
    expect(resources.delete(at(pods, "p"), { gracePeriodSeconds: 0 }).removed).toBe(true);
    expect(events).toEqual(["MODIFIED 0", "DELETED 0"]);
  });

  test("a grace beyond all numbers and times is kept as far as they go; one below zero is a second", () => {
    const { resources, pods } = server();
    resources.create(pods, "default", podBody("p", { nodeName: "n" }));
    const { object } = resources.delete(at(pods, "p"), { gracePeriodSeconds: 9223372036854775807n });
    expect(object.metadata).toMatchObject({
      deletionTimestamp: "9999-12-31T23:59:59Z",
      deletionGracePeriodSeconds: Number.MAX_SAFE_INTEGER,
    });
    expect(resources.delete(at(pods, "p"), { gracePeriodSeconds: -1 }).object.metadata).toMatchObject({
      deletionTimestamp: "2026-01-01T00:00:01Z",
      deletionGracePeriodSeconds: 1,
    });
  });

  test("a pod without a node goes at once", () => {
    const { resources, pods } = server();
    resources.create(pods, "default", podBody("p"));
    expect(resources.delete(at(pods, "p"), {}).removed).toBe(true);
  });

  test("a precondition that doesn't hold is refused", () => {
    const { resources, configmaps } = server();
    resources.create(configmaps, "default", { metadata: { name: "a" } });
    expect(() => resources.delete(at(configmaps, "a"), { preconditions: { uid: "other" } })).toThrow(
      "The object might have been deleted and then recreated",
    );
  });

  test("finalizers keep an object until they are removed", () => {
    const { resources, configmaps } = server();
    resources.create(configmaps, "default", { metadata: { name: "a", finalizers: ["x.example/hold"] } });
    expect(resources.delete(at(configmaps, "a"), {}).removed).toBe(false);
    resources.patch(at(configmaps, "a"), "application/merge-patch+json", { metadata: { finalizers: null } }, "");
    expect(() => resources.get(at(configmaps, "a"))).toThrow("not found");
  });
});

describe("listing", () => {
  test("pages hold together while objects change", () => {
    const { resources, configmaps } = server();
    for (const name of ["a", "b", "c", "d"]) resources.create(configmaps, "default", { metadata: { name } });
    const first = resources.page(configmaps, "default", new URLSearchParams({ limit: "2" }));
    expect(first.remaining).toBe(2);
    resources.delete(at(configmaps, "c"), {});
    const second = resources.page(
      configmaps,
      "default",
      new URLSearchParams({ limit: "2", continue: first.next ?? "" }),
    );
    expect([...first.items, ...second.items].map(({ object }) => object.metadata.name)).toEqual(["a", "b", "c", "d"]);
    expect(() => resources.page(configmaps, "default", new URLSearchParams({ continue: "rubbish" }))).toThrow(
      "continue key is not valid",
    );
  });
});

test.each([
  [0, "0s"],
  [119, "119s"],
  [120, "2m"],
  [185, "3m5s"],
  [3600 * 5, "5h"],
  [3600 * 7 + 60 * 5, "7h5m"],
  [86_400 * 3 + 3600, "3d1h"],
  [86_400 * 400, "400d"],
])("an age of %d s is shown as %s", (seconds, text) => {
  expect(ageOf(new Date(0).toISOString(), seconds * 1000)).toBe(text);
});

test("fields that a built-in type doesn't have are left out, as Go's decoder leaves them", () => {
  const { resources, pods } = server();
  const body = { ...podBody("p"), colour: "red", status: { hostIPs: [{ ip: "10.0.0.1", port: 1 }] } };
  const { object: made } = resources.create(pods, "default", {
    ...body,
    spec: { ...body.spec as object, nodename: "n" },
  });
  expect(made).not.toHaveProperty("colour");
  expect(made.spec).not.toHaveProperty("nodename");
  const patch = { spec: { nodename: "n" }, metadata: { colour: "red", labels: { colour: "red" } } };
  const { object: patched } = resources.patch(at(pods, "p"), "application/merge-patch+json", patch, "");
  expect(patched.metadata).not.toHaveProperty("colour");
  expect(patched.metadata.labels).toEqual({ colour: "red" });
  expect(patched.metadata.resourceVersion).not.toBe(made.metadata.resourceVersion);
});
