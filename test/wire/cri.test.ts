// The simulated container runtime of real edges, asked as a kubelet asks it: CRI over a unix socket.
import * as grpc from "@grpc/grpc-js";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { serveRuntime, type SimulatedRuntime } from "../../edge-sim/cri/runtime.ts";
import { channelOptions, definitionOf } from "../../edge-sim/grpc/socket.ts";
import { criServices, decodeCri, encodeCri } from "../../protocol/cri/messages.ts";
import { workFolder } from "../support/command.ts";

type Answer = Record<string, unknown>;

const folder = workFolder();
const socket = join(folder.path, "cri.sock");
let runtime: SimulatedRuntime;
const client = new grpc.Client(`unix:${socket}`, grpc.credentials.createInsecure(), channelOptions(1024 * 1024));
const definitions = Object.fromEntries(
  (["RuntimeService", "ImageService"] as const).flatMap((name) =>
    Object.entries(
      definitionOf({ name: `runtime.v1.${name}`, calls: criServices[name], encode: encodeCri, decode: decodeCri }),
    )
  ),
);

function call(name: string, request: object = {}): Promise<Answer> {
  const { path, requestSerialize, responseDeserialize } = definitions[name] as grpc.MethodDefinition<object, Answer>;
  return new Promise((resolve, reject) =>
    client.makeUnaryRequest(
      path,
      requestSerialize,
      responseDeserialize,
      request,
      (error, answer) => error === null ? resolve(answer as Answer) : reject(error),
    )
  );
}

beforeAll(async () => {
  runtime = await serveRuntime(socket);
});
afterAll(async () => {
  client.close();
  await runtime.close();
  folder.remove();
});

const podOf = (name: string) => ({ config: { metadata: { name, namespace: "default", uid: name }, labels: { name } } });

test("is ready, has a network, and has every image once it is pulled", async () => {
  expect(await call("Version")).toMatchObject({ runtime_api_version: "v1" });
  expect(await call("Status")).toMatchObject({
    status: { conditions: [{ type: "RuntimeReady", status: true }, { type: "NetworkReady", status: true }] },
  });
  const image = { image: { image: "nginx:1.27" } };
  expect(await call("ImageStatus", image)).toEqual({});
  expect(await call("PullImage", image)).toEqual({ image_ref: "nginx:1.27" });
  expect(await call("ImageStatus", image)).toMatchObject({ image: { id: "nginx:1.27" } });
});

test("a container is created, runs, and ends when it is stopped; with its sandbox it is gone", async () => {
  const { pod_sandbox_id } = await call("RunPodSandbox", podOf("web"));
  expect(await call("PodSandboxStatus", { pod_sandbox_id })).toMatchObject({
    status: { metadata: { name: "web" }, network: { ip: expect.stringMatching(/^10\.88\./) } },
  });
  const config = { metadata: { name: "c" }, image: { image: "nginx:1.27" }, labels: { of: "web" } };
  const { container_id } = await call("CreateContainer", { pod_sandbox_id, config });
  const state = async () => (await call("ContainerStatus", { container_id })).status as Answer;
  expect((await state()).state ?? 0).toBe(0);
  await call("StartContainer", { container_id });
  expect(await state()).toMatchObject({ state: 1, metadata: { name: "c" } });
  expect(runtime.running()).toBe(1);
  const running = { filter: { state: { state: 1 }, label_selector: { of: "web" } } };
  expect((await call("ListContainers", running)).containers).toHaveLength(1);
  await call("StopContainer", { container_id, timeout: 30 });
  expect(await state()).toMatchObject({ state: 2, exit_code: 143 });
  expect(runtime.running()).toBe(0);
  await call("RemovePodSandbox", { pod_sandbox_id });
  await expect(state()).rejects.toMatchObject({ code: grpc.status.NOT_FOUND });
});

test("lists are filtered by id, sandbox, state and labels; stopping a sandbox stops what is in it", async () => {
  const [one, two] = await Promise.all(["one", "two"].map(async (name) => {
    const { pod_sandbox_id } = await call("RunPodSandbox", podOf(name));
    const { container_id } = await call("CreateContainer", { pod_sandbox_id, config: { metadata: { name } } });
    await call("StartContainer", { container_id });
    return { pod_sandbox_id, container_id };
  })) as unknown as [Answer, Answer];
  const sandboxes = async (filter: object) =>
    ((await call("ListPodSandbox", { filter })).items as Answer[] ?? []).map(({ id }) => id);
  expect(await sandboxes({ label_selector: { name: "two" } })).toEqual([two.pod_sandbox_id]);
  expect(await sandboxes({ id: one.pod_sandbox_id })).toEqual([one.pod_sandbox_id]);
  await call("StopPodSandbox", { pod_sandbox_id: one.pod_sandbox_id });
  expect(await sandboxes({ state: { state: 1 } })).toEqual([one.pod_sandbox_id]);
  const containers = async (filter: object) =>
    ((await call("ListContainers", { filter })).containers as Answer[]).map(({ id, state }) => [id, state]);
  expect(await containers({ pod_sandbox_id: one.pod_sandbox_id })).toEqual([[one.container_id, 2]]);
  expect(await containers({ pod_sandbox_id: two.pod_sandbox_id })).toEqual([[two.container_id, 1]]);
});
