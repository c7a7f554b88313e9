import { describe, expect, test } from "vitest";
import { silentLogger } from "../../../../base/log/logger.ts";
import { fieldSelector, labelSelector } from "../../../../cloud/apiserver/storage/selectors.ts";
import { type KubeObject, textAt } from "../../../../protocol/apis/kube-object.ts";
import { Store } from "../../../../cloud/apiserver/storage/store.ts";

const object = (name: string, labels: Record<string, string> = {}) => ({ metadata: { name, namespace: "d", labels } });

describe("the store", () => {
  test("keeps what it stored, and tells the others, where a follower fails; the failure is logged", () => {
    const said: unknown[] = [];
    const store = new Store({}, { ...silentLogger, error: (message, fields) => said.push({ message, ...fields }) });
    store.watch("pods", () => {
      throw new TypeError("can't mix BigInt and other types");
    });
    const heard: string[] = [];
    store.watch("pods", (e) => heard.push(e.object.metadata.name));
    store.watchAll((table) => heard.push(table));
    expect(store.put("pods", object("a"))).toEqual(store.get("pods", "d/a"));
    expect(heard).toEqual(["a", "pods"]);
    expect(said).toMatchObject([{
      table: "pods",
      type: "ADDED",
      object: "d/a",
      error: "can't mix BigInt and other types",
    }]);
  });

  test("counts one revision for all tables and stamps objects with it", () => {
    const store = new Store();
    const a = store.put("pods", object("a"));
    const b = store.put("nodes", object("b"));
    expect(Number(b.metadata.resourceVersion)).toBe(Number(a.metadata.resourceVersion) + 1);
    expect(store.revision).toBe(Number(b.metadata.resourceVersion));
  });

  test("lists by key, by namespace, and as it was at a revision", () => {
    const store = new Store();
    store.put("pods", object("b"));
    store.put("pods", object("a"));
    const then = store.revision;
    store.put("pods", object("c"));
    store.put("pods", { ...object("a"), spec: 1 });
    store.remove("pods", object("b"));
    expect(store.list("pods").map((o) => o.metadata.name)).toEqual(["a", "c"]);
    expect(store.list("pods", "other")).toEqual([]);
    const old = store.listAt("pods", then);
    expect(old.map((o) => o.object.metadata.name)).toEqual(["a", "b"]);
    expect(old[0]?.object.spec).toBeUndefined();
  });

  test("tells watchers in order, and what was missed since a revision, until it is forgotten", () => {
    const store = new Store();
    const heard: string[] = [];
    const stop = store.watch("pods", (e) => heard.push(`${e.type} ${e.object.metadata.name}`));
    store.put("pods", object("a"));
    const then = store.revision;
    store.put("pods", object("a"));
    store.remove("pods", object("a"));
    stop();
    store.put("pods", object("z"));
    expect(heard).toEqual(["ADDED a", "MODIFIED a", "DELETED a"]);
    expect(store.since("pods", then)?.map((e) => e.type)).toEqual(["MODIFIED", "DELETED", "ADDED"]);
    store.compact();
    expect(store.since("pods", then)).toBeUndefined();
    expect(() => store.listAt("pods", then)).toThrow("too old");
  });
});

describe("label selectors", () => {
  const pod = object("p", { app: "web", tier: "2", empty: "" });
  test.each([
    ["", true],
    ["app=web", true],
    ["app==web,tier=2", true],
    ["app!=web", false],
    ["missing!=x", true],
    ["app", true],
    ["!app", false],
    ["!missing", true],
    ["app in (db, web)", true],
    ["app notin (db)", true],
    ["missing notin (a)", true],
    ["empty=", true],
    ["tier>1", true],
    ["tier<2", false],
  ])("%s: %s", (selector, expected) => {
    expect(labelSelector(selector)(pod)).toBe(expected);
  });
  test.each(["a=b=c", "in (a)", "a in b", "tier>x"])("%s is refused", (selector) => {
    expect(() => labelSelector(selector)(pod)).toThrow();
  });
});

describe("field selectors", () => {
  const pod = { metadata: { name: "p", namespace: "d" }, spec: { nodeName: "n1" }, status: { phase: "Running" } };
  const readers = {
    "spec.nodeName": (o: KubeObject) => textAt(o, "spec", "nodeName"),
    "status.phase": (o: KubeObject) => textAt(o, "status", "phase"),
  };
  test("find by the fields a kind allows", () => {
    expect(fieldSelector("spec.nodeName=n1,status.phase!=Pending", readers, true)(pod)).toBe(true);
    expect(fieldSelector("metadata.name=x", readers, true)(pod)).toBe(false);
    expect(() => fieldSelector("spec.other=1", readers, true)).toThrow("field label not supported: spec.other");
  });
});
