import { expect, test } from "vitest";
import { podPatch, type PodPhase } from "../../../../edge-sim/edged/pod-status.ts";

const spec = { containers: [{ name: "c", image: "nginx" }] };
const pod = { metadata: { name: "p", uid: "u" }, spec, status: { phase: "Pending" } };
const addresses = { host: "10.0.0.1", pod: "10.88.0.1" };
const patch = (phase: PodPhase, before: object = pod, end?: { code: number; at: number }) =>
  JSON.parse(
    podPatch(
      before as never,
      { phase, addresses, startedAt: 0, restarts: new Map(), ...(end && { end }) },
      5000,
    ),
  );

test("the patch always names the uid, so that a pod made anew refuses it", () => {
  for (const phase of ["creating", "running", "stopped"] as const) expect(patch(phase).metadata).toEqual({ uid: "u" });
});

test("while it is created no phase is reported; running it has addresses; ended it has succeeded", () => {
  expect(patch("creating").status.phase).toBeUndefined();
  expect(patch("creating").status.containerStatuses[0]).toMatchObject({
    ready: false,
    state: { waiting: { reason: "ContainerCreating" } },
  });
  expect(patch("running").status).toMatchObject({
    phase: "Running",
    podIP: "10.88.0.1",
    podIPs: [{ ip: "10.88.0.1" }],
  });
  expect(patch("stopped").status).toMatchObject({
    phase: "Succeeded",
    containerStatuses: [{ state: { terminated: { exitCode: 0, reason: "Completed" } } }],
  });
});

test("what the cloud has already is left out, and what is lost is null, as in a kubelet's patch", () => {
  const first = patch("creating").status;
  expect(first["$setElementOrder/conditions"]).toBeUndefined();
  const { status } = patch("running", { ...pod, status: { phase: "Pending", ...first } });
  expect(status["$setElementOrder/conditions"]).toHaveLength(5);
  expect(status.conditions).toContainEqual({ message: null, reason: null, status: "True", type: "Ready" });
  expect(status.conditions.map(({ type }: { type: string }) => type)).not.toContain("PodScheduled");
  expect(status.hostIP).toBeUndefined();
});

test("a container that can't be pulled, crashed or failed says so", () => {
  const waiting = (phase: PodPhase) => patch(phase).status.containerStatuses[0].state.waiting.reason;
  expect(waiting("unpulled")).toBe("ImagePullBackOff");
  expect(waiting("backoff")).toBe("CrashLoopBackOff");
  expect(patch("failed", pod, { code: 3, at: 1000 }).status).toMatchObject({
    phase: "Failed",
    containerStatuses: [{ state: { terminated: { exitCode: 3, reason: "Error" } } }],
  });
});

test("the end of a run is that run's, also where an earlier one had failed", () => {
  const view = {
    phase: "stopped",
    addresses,
    startedAt: 9000,
    restarts: new Map([["c", 1]]),
    exit: { code: 1, at: 2000, startedAt: 1000 },
    end: { code: 0, at: 12_000, startedAt: 9000 },
  } as const;
  const [status] = JSON.parse(podPatch(pod, view, 12_000)).status.containerStatuses;
  expect(status.state.terminated).toMatchObject({ exitCode: 0, startedAt: "1970-01-01T00:00:09Z" });
  expect(status.lastState.terminated).toMatchObject({ exitCode: 1, startedAt: "1970-01-01T00:00:01Z" });
});
