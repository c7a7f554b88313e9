import { describe, expect, onTestFinished, test } from "vitest";
import { ManualClock } from "../../../../base/time/manual-clock.ts";
import { switchable } from "../../../../cloud/apiserver/controllers/all.ts";
import { chosenControllers, controllerNames } from "../../../../cloud/apiserver/controllers/names.ts";
import { at, type KubeObject, listAt, textAt } from "../../../../protocol/apis/kube-object.ts";
import { secondsOf } from "../../../../protocol/apis/time.ts";
import { Controlled, server } from "./controlled.ts";

/** All controllers, nodes that are ready, and something that runs pods as kubelets do. */
function cluster(nodes = 3) {
  const clock = new ManualClock(Date.parse("2026-01-01T00:00:00Z"));
  const all = server(clock);
  const { create, kind, names, report, resources, store } = all;
  const controllers = switchable.filter(({ name }) => name !== "node-lifecycle");
  const controlled = new Controlled(resources, clock, controllers);
  onTestFinished(() => {
    controlled[Symbol.dispose]();
    expect(clock.pending).toBe(0);
  });
  const addNode = (name: string, spec: Record<string, unknown> = {}, labels: Record<string, string> = {}) =>
    create("nodes", {
      metadata: { name, labels },
      spec,
      status: { conditions: [{ type: "Ready", status: "True" }], allocatable: { pods: "100" } },
    });
  for (let i = 0; i < nodes; i++) addNode(`n${i}`);
  const pods = () => store.list("pods");
  const owned = (name: string) => pods().filter(({ metadata }) => metadata.ownerReferences?.[0]?.name === name);
  const labelled = (value: string) => pods().filter(({ metadata }) => metadata.labels?.app === value);
  const settle = () => controlled.settle();
  const pass = (ms: number) => {
    settle();
    clock.advance(ms);
    settle();
  };
  const isReady = (pod: KubeObject) => listAt(pod, "status", "conditions").some((c) => at(c, "type") === "Ready");
  let ips = 0;
  /** Kubelets start what is bound and remove what is being deleted, until nothing happens any more. */
  const run = (which: (pod: KubeObject) => boolean = () => true) => {
    for (let isBusy = true; isBusy;) {
      settle();
      isBusy = false;
      for (const pod of pods().filter(which)) {
        if (pod.metadata.deletionTimestamp !== undefined) {
          if ((pod.metadata.finalizers ?? []).length > 0) continue;
          resources.delete({ kind: kind("pods"), namespace: "default", name: pod.metadata.name }, {
            gracePeriodSeconds: 0,
          });
          isBusy = true;
        } else if (
          textAt(pod, "spec", "nodeName") !== "" && !isReady(pod) && textAt(pod, "status", "phase") === "Pending"
        ) {
          const ready = { type: "Ready", status: "True", lastTransitionTime: secondsOf(clock.now()) };
          report("pods", pod, {
            phase: "Running",
            podIP: `10.0.0.${++ips}`,
            podIPs: [{ ip: `10.0.0.${ips}` }],
            conditions: [ready],
          });
          isBusy = true;
        }
      }
    }
  };
  const finish = (pod: KubeObject, phase: "Succeeded" | "Failed") => {
    const state = { terminated: { exitCode: phase === "Failed" ? 1 : 0, finishedAt: secondsOf(clock.now()) } };
    report("pods", pod, { phase, containerStatuses: [{ name: "c", state }] });
    settle();
  };
  const get = (table: string, name: string) => store.get(table, `default/${name}`) as KubeObject;
  const patch = (table: string, name: string, change: object) => {
    const [plural = "", ...group] = table.split(".");
    const target = {
      kind: kind([plural, ...group].filter((word) => word !== "").join(".")),
      namespace: "default",
      name,
    };
    resources.patch(target, "application/merge-patch+json", change as never);
    settle();
  };
  const remove = (table: string, name: string, policy: "Background" | "Foreground" | "Orphan" = "Background") => {
    resources.delete({ kind: kind(table), namespace: "default", name }, { propagationPolicy: policy });
    settle();
  };
  const events = (reason: string) =>
    store.list("events").filter((event) => event.reason === reason).map(({ message }) => message);
  return {
    ...all,
    addNode,
    clock,
    events,
    finish,
    get,
    labelled,
    names,
    owned,
    pass,
    patch,
    pods,
    remove,
    run,
    settle,
  };
}

const template = (app: string, image = "i:1", more: Record<string, unknown> = {}) => ({
  metadata: { labels: { app } },
  spec: { containers: [{ name: "c", image }], ...more },
});
const workload = (name: string, spec: Record<string, unknown>) => ({
  metadata: { name },
  spec: { selector: { matchLabels: { app: name } }, template: template(name), ...spec },
});
const imageOf = (pod: KubeObject) => at(listAt(pod, "spec", "containers")[0], "image");
const conditionOf = (object: KubeObject, type: string) =>
  listAt(object, "status", "conditions").find((c) => at(c, "type") === type) as Record<string, unknown> | undefined;

describe("a ReplicaSet", () => {
  test("has as many pods as it asks for, and says how many are ready and available", () => {
    const { create, events, get, owned, patch, run, settle } = cluster();
    create("replicasets.apps", workload("web", { replicas: 3 }));
    settle();
    expect(owned("web").map((pod) => textAt(pod, "spec", "nodeName")).sort()).toEqual(["n0", "n1", "n2"]);
    expect(get("replicasets.apps", "web").status).toMatchObject({ replicas: 3, fullyLabeledReplicas: 3 });
    run();
    expect(get("replicasets.apps", "web").status).toMatchObject({
      readyReplicas: 3,
      availableReplicas: 3,
      observedGeneration: 1,
    });
    expect(events("SuccessfulCreate")).toHaveLength(3);
    patch("replicasets.apps", "web", { spec: { replicas: 1 } });
    run();
    expect(owned("web")).toHaveLength(1);
    expect(get("replicasets.apps", "web").status).toMatchObject({
      replicas: 1,
      readyReplicas: 1,
      observedGeneration: 2,
    });
  });

  test("deletes pods that are not ready first, and replaces what is deleted or has ended", () => {
    const { create, finish, owned, patch, remove, run, settle } = cluster();
    create("replicasets.apps", workload("web", { replicas: 3 }));
    settle();
    const [broken, ...fine] = owned("web").map(({ metadata }) => metadata.name);
    run(({ metadata }) => metadata.name !== broken);
    patch("replicasets.apps", "web", { spec: { replicas: 2 } });
    run();
    expect(owned("web").map(({ metadata }) => metadata.name).sort()).toEqual(fine.sort());
    remove("pods", fine[0] as string);
    run();
    expect(owned("web")).toHaveLength(2);
    finish(owned("web")[0] as KubeObject, "Failed");
    expect(owned("web").filter((pod) => textAt(pod, "status", "phase") !== "Failed")).toHaveLength(2);
  });

  test("adopts pods that it selects and lets go those whose labels change", () => {
    const { create, labelled, owned, patch, pods, run } = cluster();
    create("pods", { metadata: { name: "first", labels: { app: "web" } }, spec: template("web").spec });
    create("replicasets.apps", workload("web", { replicas: 2 }));
    run();
    expect(owned("web").map(({ metadata }) => metadata.name)).toContain("first");
    expect(owned("web")).toHaveLength(2);
    create("pods", { metadata: { name: "late", labels: { app: "web" } }, spec: template("web").spec });
    run();
    expect(labelled("web")).toHaveLength(2);
    patch("pods", owned("web")[0]?.metadata.name as string, { metadata: { labels: { app: "looked-at" } } });
    run();
    expect(owned("web")).toHaveLength(2);
    expect(pods()).toHaveLength(3);
    expect(labelled("looked-at")[0]?.metadata.ownerReferences ?? []).toEqual([]);
  });

  test("says why its pods can't be created, and goes on once they can", () => {
    const { create, get, kind, owned, pass, resources, settle } = cluster();
    create(
      "replicasets.apps",
      workload("web", { replicas: 1, template: template("web", "i", { serviceAccountName: "missing" }) }),
    );
    settle();
    const failure = conditionOf(get("replicasets.apps", "web"), "ReplicaFailure");
    expect(failure).toMatchObject({ status: "True", reason: "FailedCreate" });
    expect(failure?.message).toMatch(/serviceaccount "missing" not found/);
    resources.create(kind("serviceaccounts"), "default", { metadata: { name: "missing" } });
    pass(60_000);
    expect(owned("web")).toHaveLength(1);
    expect(conditionOf(get("replicasets.apps", "web"), "ReplicaFailure")).toBeUndefined();
  });
});

describe("a Deployment", () => {
  const sets = ({ store }: ReturnType<typeof cluster>) =>
    store.list("replicasets.apps").map((
      { metadata, spec },
    ) => [metadata.annotations?.["deployment.kubernetes.io/revision"], at(spec, "replicas")])
      .sort();

  test("rolls a new template out a few pods at a time and can go back, as kubectl rollout does", () => {
    const all = cluster();
    const { create, events, get, labelled, patch, pods, run, settle, store } = all;
    create("deployments.apps", workload("web", { replicas: 4 }));
    run();
    expect(sets(all)).toEqual([["1", 4]]);
    expect(get("deployments.apps", "web").status).toMatchObject({
      replicas: 4,
      updatedReplicas: 4,
      readyReplicas: 4,
      availableReplicas: 4,
    });
    expect(conditionOf(get("deployments.apps", "web"), "Progressing")).toMatchObject({
      status: "True",
      reason: "NewReplicaSetAvailable",
    });
    expect(conditionOf(get("deployments.apps", "web"), "Available")).toMatchObject({ status: "True" });
    patch("deployments.apps", "web", { spec: { template: template("web", "i:2") } });
    // A quarter more, a quarter fewer than four: never more than five pods or fewer than three that are available.
    settle();
    expect(sets(all)).toEqual([["1", 3], ["2", 2]]);
    expect(conditionOf(get("deployments.apps", "web"), "Progressing")).toMatchObject({ reason: "ReplicaSetUpdated" });
    let most = 0;
    const stop = store.watch(
      "pods",
      () => most = Math.max(most, labelled("web").filter((pod) => pod.metadata.deletionTimestamp === undefined).length),
    );
    run();
    stop();
    expect(most).toBeLessThanOrEqual(5);
    expect(sets(all)).toEqual([["1", 0], ["2", 4]]);
    expect(pods().map(imageOf)).toEqual(["i:2", "i:2", "i:2", "i:2"]);
    const old = store.list("replicasets.apps").find(({ metadata }) =>
      metadata.annotations?.["deployment.kubernetes.io/revision"] === "1"
    );
    patch("deployments.apps", "web", { spec: { template: template("web", "i:1") } });
    run();
    expect(sets(all)).toEqual([["2", 0], ["3", 4]]);
    expect(get("replicasets.apps", old?.metadata.name as string).metadata.annotations).toMatchObject({
      "deployment.kubernetes.io/revision-history": "1",
    });
    expect(get("deployments.apps", "web").metadata.annotations).toMatchObject({
      "deployment.kubernetes.io/revision": "3",
    });
    expect(events("ScalingReplicaSet")[0]).toMatch(/^Scaled (up|down) replica set web-\w+ from \d to \d$/);
  });

  test("is scaled, also while it rolls out or is paused, and keeps as much history as it is told", () => {
    const all = cluster();
    const { create, patch, pods, run } = all;
    create("deployments.apps", workload("web", { replicas: 2, revisionHistoryLimit: 1 }));
    run();
    patch("deployments.apps", "web", { spec: { replicas: 5 } });
    run();
    expect(pods()).toHaveLength(5);
    patch("deployments.apps", "web", { spec: { paused: true, template: template("web", "i:2") } });
    run();
    expect(sets(all)).toEqual([["1", 5]]);
    patch("deployments.apps", "web", { spec: { replicas: 3 } });
    run();
    expect(sets(all)).toEqual([["1", 3]]);
    patch("deployments.apps", "web", { spec: { paused: null } });
    patch("deployments.apps", "web", { spec: { replicas: 10 } });
    run();
    expect(sets(all)).toEqual([["1", 0], ["2", 10]]);
    for (const image of ["i:3", "i:4"]) {
      patch("deployments.apps", "web", { spec: { template: template("web", image) } });
      run();
    }
    expect(sets(all)).toEqual([["3", 0], ["4", 10]]);
  });

  test("that recreates its pods has none of both templates at once", () => {
    const { create, patch, pods, run, store } = cluster();
    create("deployments.apps", workload("web", { replicas: 2, strategy: { type: "Recreate" } }));
    run();
    const seen = new Set<string>();
    const stop = store.watch("pods", () => seen.add(JSON.stringify([...new Set(pods().map(imageOf))])));
    patch("deployments.apps", "web", { spec: { template: template("web", "i:2") } });
    run();
    stop();
    expect(pods().map(imageOf)).toEqual(["i:2", "i:2"]);
    expect([...seen]).not.toContain(JSON.stringify(["i:1", "i:2"]));
  });

  test("whose pods don't become ready says after its deadline that it does not progress", () => {
    const { create, get, pass } = cluster(0);
    create("deployments.apps", workload("web", { replicas: 1, progressDeadlineSeconds: 60 }));
    pass(30_000);
    expect(conditionOf(get("deployments.apps", "web"), "Progressing")).toMatchObject({ status: "True" });
    pass(40_000);
    expect(conditionOf(get("deployments.apps", "web"), "Progressing")).toMatchObject({
      status: "False",
      reason: "ProgressDeadlineExceeded",
    });
  });

  test("goes with all that it owns, or leaves it behind as an orphan", () => {
    const all = cluster();
    const { create, pods, remove, run, store } = all;
    create("deployments.apps", workload("web", { replicas: 2 }));
    run();
    remove("deployments.apps", "web", "Orphan");
    run();
    expect([store.list("replicasets.apps").length, pods().length]).toEqual([1, 2]);
    create("deployments.apps", workload("web", { replicas: 2 }));
    run();
    expect([store.list("replicasets.apps").length, pods().length]).toEqual([1, 2]);
    remove("deployments.apps", "web", "Foreground");
    run();
    expect([store.list("deployments.apps"), store.list("replicasets.apps"), pods()]).toEqual([[], [], []]);
  });
});

describe("a DaemonSet", () => {
  test("has a pod on each node that takes it: new ones, relabelled ones, cordoned ones; not on those with other taints", () => {
    const { addNode, create, get, owned, patch, run, store } = cluster(2);
    addNode("tainted", { taints: [{ key: "k", effect: "NoSchedule" }] });
    create("daemonsets.apps", workload("agent", {}));
    run();
    const nodes = () => owned("agent").map((pod) => textAt(pod, "spec", "nodeName")).sort();
    expect(nodes()).toEqual(["n0", "n1"]);
    addNode("cordoned", { unschedulable: true });
    run();
    expect(nodes()).toEqual(["cordoned", "n0", "n1"]);
    expect(get("daemonsets.apps", "agent").status).toMatchObject({
      desiredNumberScheduled: 3,
      currentNumberScheduled: 3,
      numberReady: 3,
      numberAvailable: 3,
      updatedNumberScheduled: 3,
      numberMisscheduled: 0,
    });
    patch("daemonsets.apps", "agent", { spec: { template: { spec: { nodeSelector: { role: "edge" } } } } });
    run();
    expect(nodes()).toEqual([]);
    addNode("edge", {}, { role: "edge" });
    run();
    expect(nodes()).toEqual(["edge"]);
    const edge = store.get("nodes", "edge") as KubeObject;
    store.remove("nodes", edge);
    run();
    expect(nodes()).toEqual([]);
    expect(get("daemonsets.apps", "agent").status).toMatchObject({ desiredNumberScheduled: 0, numberReady: 0 });
  });

  test("replaces its pods node by node, and keeps revisions to go back to", () => {
    const { create, get, owned, patch, pods, run, settle, store } = cluster(3);
    create("daemonsets.apps", workload("agent", {}));
    run();
    patch("daemonsets.apps", "agent", { spec: { template: template("agent", "i:2") } });
    settle();
    expect(pods().filter((pod) => pod.metadata.deletionTimestamp !== undefined)).toHaveLength(1);
    run();
    expect(owned("agent").map(imageOf)).toEqual(["i:2", "i:2", "i:2"]);
    expect(store.list("controllerrevisions.apps").map(({ revision }) => revision).sort()).toEqual([1, 2]);
    expect(get("daemonsets.apps", "agent").status).toMatchObject({ updatedNumberScheduled: 3, numberAvailable: 3 });
    patch("daemonsets.apps", "agent", { spec: { template: template("agent", "i:1") } });
    run();
    expect(store.list("controllerrevisions.apps").map(({ revision }) => revision).sort()).toEqual([2, 3]);
    expect(owned("agent").map(imageOf)).toEqual(["i:1", "i:1", "i:1"]);
  });
});

describe("a StatefulSet", () => {
  const set = (more: Record<string, unknown> = {}) =>
    workload("db", {
      serviceName: "db",
      replicas: 3,
      volumeClaimTemplates: [{
        metadata: { name: "data" },
        spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Gi" } } },
      }],
      ...more,
    });
  const names = (pods: readonly KubeObject[]) => pods.map(({ metadata }) => metadata.name).sort();

  test("starts its pods one after the other, each with claims of its own, and stops the last first", () => {
    const { create, get, owned, patch, run, settle, store } = cluster();
    create("statefulsets.apps", set());
    settle();
    expect(names(owned("db"))).toEqual(["db-0"]);
    run();
    expect(names(owned("db"))).toEqual(["db-0", "db-1", "db-2"]);
    expect(store.list("persistentvolumeclaims").map(({ metadata }) => metadata.name)).toEqual([
      "data-db-0",
      "data-db-1",
      "data-db-2",
    ]);
    expect(get("pods", "db-1").spec).toMatchObject({ hostname: "db-1", subdomain: "db" });
    expect(get("pods", "db-1").metadata.labels).toMatchObject({
      "statefulset.kubernetes.io/pod-name": "db-1",
      "apps.kubernetes.io/pod-index": "1",
    });
    expect(get("statefulsets.apps", "db").status).toMatchObject({
      replicas: 3,
      readyReplicas: 3,
      currentReplicas: 3,
      updatedReplicas: 3,
      availableReplicas: 3,
    });
    patch("statefulsets.apps", "db", { spec: { replicas: 1 } });
    settle();
    expect(
      owned("db").filter((pod) => pod.metadata.deletionTimestamp !== undefined).map(({ metadata }) => metadata.name),
    ).toEqual(["db-2"]);
    run();
    expect(names(owned("db"))).toEqual(["db-0"]);
    expect(store.list("persistentvolumeclaims")).toHaveLength(3);
  });

  test("updates from the last to the partition, and in parallel starts all at once", () => {
    const { create, get, owned, patch, run, settle } = cluster();
    create(
      "statefulsets.apps",
      set({
        podManagementPolicy: "Parallel",
        updateStrategy: { type: "RollingUpdate", rollingUpdate: { partition: 1 } },
      }),
    );
    settle();
    expect(owned("db")).toHaveLength(3);
    run();
    patch("statefulsets.apps", "db", { spec: { template: template("db", "i:2") } });
    run();
    const images = () => Object.fromEntries(owned("db").map((pod) => [pod.metadata.name, imageOf(pod)]));
    expect(images()).toEqual({ "db-0": "i:1", "db-1": "i:2", "db-2": "i:2" });
    const { currentRevision, updateRevision } = get("statefulsets.apps", "db").status as Record<string, string>;
    expect(currentRevision).not.toBe(updateRevision);
    patch("statefulsets.apps", "db", { spec: { updateStrategy: { rollingUpdate: { partition: 0 } } } });
    run();
    expect(images()).toEqual({ "db-0": "i:2", "db-1": "i:2", "db-2": "i:2" });
    expect(get("statefulsets.apps", "db").status).toMatchObject({ currentRevision: updateRevision, updateRevision });
  });
});

describe("a Job", () => {
  const job = (name: string, spec: Record<string, unknown> = {}) => ({
    metadata: { name },
    spec: { template: { spec: { restartPolicy: "Never", containers: [{ name: "c", image: "i" }] } }, ...spec },
  });
  const active = (pods: readonly KubeObject[]) =>
    pods.filter((pod) => !["Succeeded", "Failed"].includes(textAt(pod, "status", "phase")));

  test("runs until enough pods have succeeded, no more at a time than it may", () => {
    const { create, finish, get, owned, run } = cluster();
    create("jobs.batch", job("sum", { completions: 3, parallelism: 2 }));
    run();
    expect(owned("sum")).toHaveLength(2);
    expect(get("jobs.batch", "sum").status).toMatchObject({ active: 2, ready: 2 });
    for (let i = 0; i < 3; i++) {
      finish(active(owned("sum"))[0] as KubeObject, "Succeeded");
      run();
    }
    expect(get("jobs.batch", "sum").status).toMatchObject({ succeeded: 3 });
    expect(conditionOf(get("jobs.batch", "sum"), "Complete")).toMatchObject({ status: "True" });
    expect(get("jobs.batch", "sum").status).toHaveProperty("completionTime");
    expect(owned("sum")).toHaveLength(3);
    expect(owned("sum").flatMap(({ metadata }) => metadata.finalizers ?? [])).toEqual([]);
  });

  test("with indexes runs one pod for each of them", () => {
    const { create, finish, get, owned, run } = cluster();
    create("jobs.batch", job("parts", { completions: 4, parallelism: 4, completionMode: "Indexed" }));
    run();
    const index = (pod: KubeObject) => pod.metadata.annotations?.["batch.kubernetes.io/job-completion-index"];
    expect(owned("parts").map(index).sort()).toEqual(["0", "1", "2", "3"]);
    for (const wanted of ["0", "2", "3"]) {
      finish(owned("parts").find((pod) => index(pod) === wanted) as KubeObject, "Succeeded");
    }
    run();
    expect(get("jobs.batch", "parts").status).toMatchObject({ completedIndexes: "0,2,3", succeeded: 3, active: 1 });
    finish(active(owned("parts"))[0] as KubeObject, "Succeeded");
    run();
    expect(get("jobs.batch", "parts").status).toMatchObject({ completedIndexes: "0-3" });
  });

  test("tries again, later each time, and gives up after its limit", () => {
    const { create, events, finish, get, owned, pass, run } = cluster();
    create("jobs.batch", job("bad", { backoffLimit: 1 }));
    run();
    finish(owned("bad")[0] as KubeObject, "Failed");
    run();
    expect(owned("bad")).toHaveLength(1);
    pass(11_000);
    run();
    expect(owned("bad")).toHaveLength(2);
    finish(active(owned("bad"))[0] as KubeObject, "Failed");
    run();
    expect(conditionOf(get("jobs.batch", "bad"), "Failed")).toMatchObject({ reason: "BackoffLimitExceeded" });
    expect(get("jobs.batch", "bad").status).toMatchObject({ failed: 2 });
    expect(events("BackoffLimitExceeded")).toHaveLength(1);
  });

  test("that is suspended has no pods; one that takes too long fails; one with a time to live goes", () => {
    const { create, get, names, owned, pass, patch, run } = cluster();
    create("jobs.batch", job("slow", { suspend: true, activeDeadlineSeconds: 5, ttlSecondsAfterFinished: 30 }));
    run();
    expect(owned("slow")).toEqual([]);
    expect(conditionOf(get("jobs.batch", "slow"), "Suspended")).toMatchObject({ status: "True" });
    patch("jobs.batch", "slow", { spec: { suspend: false } });
    run();
    expect(owned("slow")).toHaveLength(1);
    pass(6_000);
    run();
    expect(conditionOf(get("jobs.batch", "slow"), "Failed")).toMatchObject({ reason: "DeadlineExceeded" });
    expect(active(owned("slow"))).toEqual([]);
    pass(31_000);
    expect(names("jobs.batch")).toEqual([]);
  });
});

describe("a CronJob", () => {
  test("makes a Job at each time of its schedule, keeps as many as it is told and minds the one that still runs", () => {
    const { create, finish, get, names, owned, pass, patch, pods, run, store } = cluster();
    const spec = { containers: [{ name: "c", image: "i" }], restartPolicy: "Never" };
    create("cronjobs.batch", {
      metadata: { name: "tick" },
      spec: {
        schedule: "*/5 * * * *",
        concurrencyPolicy: "Forbid",
        successfulJobsHistoryLimit: 1,
        jobTemplate: { spec: { template: { spec } } },
      },
    });
    pass(4 * 60_000);
    expect(names("jobs.batch")).toEqual([]);
    pass(61_000);
    run();
    expect(names("jobs.batch")).toHaveLength(1);
    expect(get("cronjobs.batch", "tick").status).toMatchObject({ lastScheduleTime: "2026-01-01T00:05:00Z" });
    expect(listAt(get("cronjobs.batch", "tick"), "status", "active")).toHaveLength(1);
    pass(5 * 60_000);
    expect(names("jobs.batch")).toHaveLength(1);
    const [first = ""] = names("jobs.batch");
    finish(owned(first)[0] as KubeObject, "Succeeded");
    run();
    expect(store.list("jobs.batch")).toHaveLength(2);
    finish(pods().find((pod) => textAt(pod, "status", "phase") === "Running") as KubeObject, "Succeeded");
    run();
    expect(names("jobs.batch")).not.toContain(first);
    patch("cronjobs.batch", "tick", { spec: { suspend: true } });
    pass(20 * 60_000);
    expect(names("jobs.batch")).toHaveLength(1);
  });
});

describe("services and budgets", () => {
  test("endpoints and slices name the pods that a service selects, the ready ones as ready", () => {
    const { create, get, labelled, remove, run, settle, store } = cluster();
    create("services", {
      metadata: { name: "web" },
      spec: { selector: { app: "web" }, ports: [{ port: 80, targetPort: 8080 }] },
    });
    create("replicasets.apps", workload("web", { replicas: 2 }));
    run();
    const slices = () => store.list("endpointslices.discovery.k8s.io");
    const addresses = (list: readonly unknown[], ...path: string[]) =>
      list.flatMap((one) => listAt(one, ...path)).flatMap((one) => at(one, "ip") ?? listAt(one, "addresses"));
    expect(listAt(get("endpoints", "web"), "subsets")).toMatchObject([{ ports: [{ port: 8080, protocol: "TCP" }] }]);
    expect(addresses(listAt(get("endpoints", "web"), "subsets"), "addresses")).toHaveLength(2);
    expect(slices()).toHaveLength(1);
    expect(addresses(slices(), "endpoints")).toHaveLength(2);
    expect(slices()[0]).toMatchObject({
      addressType: "IPv4",
      ports: [{ name: "", port: 8080, protocol: "TCP" }],
      metadata: { labels: { "kubernetes.io/service-name": "web" } },
    });
    remove("pods", labelled("web")[0]?.metadata.name as string);
    settle();
    expect(listAt(slices()[0], "endpoints").map((one) => at(one, "conditions"))).toContainEqual({
      ready: false,
      serving: true,
      terminating: true,
    });
    run();
    remove("services", "web");
    settle();
    expect([slices(), get("endpoints", "web")]).toEqual([[], undefined]);
  });

  test("a budget says how many of its pods may be evicted", () => {
    const { create, get, run, settle } = cluster();
    create("replicasets.apps", workload("web", { replicas: 3 }));
    create("poddisruptionbudgets.policy", {
      metadata: { name: "web" },
      spec: { minAvailable: 2, selector: { matchLabels: { app: "web" } } },
    });
    settle();
    expect(get("poddisruptionbudgets.policy", "web").status).toMatchObject({
      disruptionsAllowed: 0,
      currentHealthy: 0,
      desiredHealthy: 2,
    });
    run();
    expect(get("poddisruptionbudgets.policy", "web").status).toMatchObject({
      disruptionsAllowed: 1,
      currentHealthy: 3,
      expectedPods: 3,
    });
  });
});

test("controllers can be switched off by name", () => {
  expect(switchable.map(({ name }) => name)).toEqual(controllerNames);
  expect(chosenControllers(["*", "-job"]).has("job")).toBe(false);
  expect(chosenControllers(["-scheduler"]).has("deployment")).toBe(true);
  expect([...chosenControllers(["scheduler"])]).toEqual(["scheduler"]);
  expect(() => chosenControllers(["nope"])).toThrow(/there is no controller "nope"; there are scheduler, /);
});
