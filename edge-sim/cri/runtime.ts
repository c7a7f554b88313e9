// A simulated container runtime for a real edgecore: every image is there, every container runs until it is stopped, nothing is started.
import { randomUUID } from "node:crypto";
import { at, textAt } from "../../protocol/apis/kube-object.ts";
import { criServices, decodeCri, encodeCri } from "../../protocol/cri/messages.ts";
import { limits } from "../../protocol/limits.ts";
import { type Handler, RpcError, type RpcMessage, serveOnSocket } from "../grpc/socket.ts";

/** As CRI numbers them. */
const ready = 0;
const notReady = 1;
const created = 0;
const running = 1;
const exited = 2;
/** gRPC's code for what is not there. */
const NOT_FOUND = 5;
/** How a container ends that is stopped by a request: SIGTERM's code. */
const STOPPED_CODE = 143;

/** A pod's sandbox. Times are nanoseconds since 1970. */
interface Sandbox {
  readonly id: string;
  readonly config: RpcMessage;
  readonly ip: string;
  readonly createdAt: string;
  state: number;
}

/** A container. */
interface Container {
  readonly id: string;
  readonly sandbox: string;
  readonly config: RpcMessage;
  readonly createdAt: string;
  state: number;
  startedAt: string;
  finishedAt: string;
  exitCode: number;
}

/** What can be done with it from outside. */
export interface SimulatedRuntime {
  /** Containers that run. */
  running(): number;
  close(): Promise<void>;
}

/** Serves one on a unix socket (CRI v1). Its pods' addresses are of `10.{second}.0.0/16`. Rejects where it can't listen there. */
export async function serveRuntime(socket: string, second = 88): Promise<SimulatedRuntime> {
  const runtime = new Runtime(second);
  const service = (name: keyof typeof criServices) => ({
    name: `runtime.v1.${name}`,
    calls: criServices[name],
    encode: encodeCri,
    decode: decodeCri,
  });
  const close = await serveOnSocket(socket, limits.dmiMessage, [
    { service: service("RuntimeService"), handlers: runtime.calls() },
    { service: service("ImageService"), handlers: runtime.imageCalls() },
  ]);
  return { close, running: () => runtime.running };
}

class Runtime {
  readonly #sandboxes = new Map<string, Sandbox>();
  readonly #containers = new Map<string, Container>();
  readonly #images = new Set<string>();
  readonly #second: number;
  #addresses = 1;

  constructor(second: number) {
    this.#second = second;
  }

  get running(): number {
    return [...this.#containers.values()].filter(({ state }) => state === running).length;
  }

  calls(): Record<string, Handler> {
    const sandbox = (request: RpcMessage) => textAt(request, "pod_sandbox_id");
    const container = (request: RpcMessage) => this.#container(textAt(request, "container_id"));
    return {
      Version: () => ({
        version: "0.1.0",
        runtime_name: "skep-simulated",
        runtime_version: "1.0.0",
        runtime_api_version: "v1",
      }),
      Status: () => ({
        status: { conditions: ["RuntimeReady", "NetworkReady"].map((type) => ({ type, status: true })) },
      }),
      RuntimeConfig: () => ({ linux: { cgroup_driver: 1 } }),
      UpdateRuntimeConfig: nothing,
      RunPodSandbox: ({ config }) => {
        const id = newId();
        const n = this.#addresses++;
        const ip = `10.${this.#second}.${(n >> 8) & 255}.${n & 255}`;
        this.#sandboxes.set(id, { id, ip, config: (config ?? {}) as RpcMessage, createdAt: now(), state: ready });
        return { pod_sandbox_id: id };
      },
      StopPodSandbox: (request) => {
        const found = this.#sandboxes.get(sandbox(request));
        if (found !== undefined) found.state = notReady;
        for (const each of this.#containersOf(sandbox(request))) end(each);
        return {};
      },
      RemovePodSandbox: (request) => {
        for (const { id } of this.#containersOf(sandbox(request))) this.#containers.delete(id);
        this.#sandboxes.delete(sandbox(request));
        return {};
      },
      PodSandboxStatus: (request) => {
        const found = this.#sandboxes.get(sandbox(request));
        if (found === undefined) throw new RpcError(NOT_FOUND, `there is no sandbox ${sandbox(request)}`);
        return { status: { ...sandboxView(found), network: { ip: found.ip } } };
      },
      ListPodSandbox: ({ filter }) => ({
        items: [...this.#sandboxes.values()].filter(({ config, id, state }) => fits(filter, { id, state, config }))
          .map(sandboxView),
      }),
      PodSandboxStats: nothing,
      ListPodSandboxStats: nothing,
      CreateContainer: (request) => {
        const id = newId();
        const config = (request.config ?? {}) as RpcMessage;
        this.#containers.set(id, {
          id,
          sandbox: sandbox(request),
          config,
          createdAt: now(),
          state: created,
          startedAt: "0",
          finishedAt: "0",
          exitCode: 0,
        });
        return { container_id: id };
      },
      StartContainer: (request) => {
        const found = container(request);
        found.state = running;
        found.startedAt = now();
        return {};
      },
      StopContainer: (request) => {
        end(container(request));
        return {};
      },
      RemoveContainer: (request) => {
        this.#containers.delete(textAt(request, "container_id"));
        return {};
      },
      ListContainers: ({ filter }) => ({
        containers: [...this.#containers.values()].filter((each) => fits(filter, each)).map(containerView),
      }),
      ContainerStatus: (request) => ({ status: statusView(container(request)) }),
      UpdateContainerResources: nothing,
      ReopenContainerLog: nothing,
      ContainerStats: nothing,
      ListContainerStats: nothing,
      ExecSync: (request) => {
        container(request);
        return { exit_code: 0 };
      },
    };
  }

  imageCalls(): Record<string, Handler> {
    const image = (request: RpcMessage) => textAt(request, "image", "image");
    const viewOf = (name: string) => ({ id: name, repo_tags: [name], size: 1, spec: { image: name } });
    return {
      ListImages: () => ({ images: [...this.#images].map(viewOf) }),
      ImageStatus: (request) => this.#images.has(image(request)) ? { image: viewOf(image(request)) } : {},
      PullImage: (request) => {
        this.#images.add(image(request));
        return { image_ref: image(request) };
      },
      RemoveImage: (request) => {
        this.#images.delete(image(request));
        return {};
      },
      ImageFsInfo: () => {
        const usage = [{
          timestamp: now(),
          fs_id: { mountpoint: "/" },
          used_bytes: { value: 1 },
          inodes_used: { value: 1 },
        }];
        return { image_filesystems: usage, container_filesystems: usage };
      },
    };
  }

  #container(id: string): Container {
    const found = this.#containers.get(id);
    if (found === undefined) throw new RpcError(NOT_FOUND, `there is no container ${id}`);
    return found;
  }

  #containersOf(sandbox: string): Container[] {
    return [...this.#containers.values()].filter((each) => each.sandbox === sandbox);
  }
}

function nothing(): RpcMessage {
  return {};
}

function newId(): string {
  return randomUUID().replaceAll("-", "");
}

function now(): string {
  return `${Date.now()}000000`;
}

function end(container: Container): void {
  if (container.state === exited) return;
  container.state = exited;
  container.finishedAt = now();
  container.exitCode = STOPPED_CODE;
}

/** Whether a filter of a list takes it: by id, state, sandbox and labels, each where the filter has it. */
function fits(
  filter: unknown,
  { config, id, sandbox = "", state }: {
    readonly id: string;
    readonly state: number;
    readonly sandbox?: string;
    readonly config: RpcMessage;
  },
): boolean {
  const wanted = textAt(filter, "id");
  const inSandbox = textAt(filter, "pod_sandbox_id");
  const ofState = at(filter, "state");
  const labels = Object.entries((at(filter, "label_selector") ?? {}) as Record<string, string>);
  return (wanted === "" || wanted === id) && (inSandbox === "" || inSandbox === sandbox) &&
    (ofState === undefined || Number(at(ofState, "state") ?? 0) === state) &&
    labels.every(([key, value]) => textAt(config, "labels", key) === value);
}

function sandboxView({ config, createdAt, id, state }: Sandbox): RpcMessage {
  return { id, metadata: config.metadata, state, created_at: createdAt, ...marks(config) };
}

function containerView({ config, createdAt, id, sandbox, state }: Container): RpcMessage {
  return {
    id,
    pod_sandbox_id: sandbox,
    metadata: config.metadata,
    state,
    created_at: createdAt,
    ...imageOf(config),
    ...marks(config),
  };
}

function statusView({ config, createdAt, exitCode, finishedAt, id, startedAt, state }: Container): RpcMessage {
  return {
    id,
    metadata: config.metadata,
    state,
    created_at: createdAt,
    started_at: startedAt,
    finished_at: finishedAt,
    exit_code: exitCode,
    reason: state === exited ? "Completed" : "",
    mounts: config.mounts ?? [],
    log_path: config.log_path ?? "",
    ...imageOf(config),
    ...marks(config),
  };
}

function imageOf(config: RpcMessage): RpcMessage {
  return {
    image: config.image,
    image_ref: textAt(config, "image", "image"),
    image_id: textAt(config, "image", "image"),
  };
}

function marks(config: RpcMessage): RpcMessage {
  return { labels: config.labels ?? {}, annotations: config.annotations ?? {} };
}
