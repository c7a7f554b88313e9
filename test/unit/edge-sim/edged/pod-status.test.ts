import { expect, test } from "vitest";
import { podPatch } from "../../../../edge-sim/edged/pod-status.ts";

const pod = { metadata: { name: "p", uid: "u" }, spec: { containers: [{ name: "c", image: "nginx" }] } };
const patch = (phase: "creating" | "running" | "stopped") =>
  JSON.parse(podPatch(pod, phase, { host: "10.0.0.1", pod: "10.88.0.1" }, 0, 5000));

test("the patch always names the uid, so that a pod made anew refuses it", () => {
  for (const phase of ["creating", "running", "stopped"] as const) expect(patch(phase).metadata).toEqual({ uid: "u" });
});

test("while it is created no phase is told; running it has addresses; ended it has succeeded", () => {
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

test("conditions come with their order, as a kubelet's patch has them", () => {
  const { status } = patch("running");
  expect(status["$setElementOrder/conditions"]).toEqual(
    status.conditions.map(({ type }: { type: string }) => ({ type })),
  );
});
