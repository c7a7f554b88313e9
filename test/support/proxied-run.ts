// Scenarios through a proxy: an API, a cloudcore, a proxy before it, and `skep run` whose edges go through it, each a process as a user starts it.
import { join } from "node:path";
import { loadKubeConfig } from "../../cloud/kube/kubeconfig.ts";
import { KubeClient } from "../../cloud/kube/client.ts";
import { bootstrapToken } from "../../scenarios/targets/cluster-secrets.ts";
import { Command, type Ended, workFolder } from "./command.ts";

/** Of cloudcore and of the edges alike, as on the embedded target. */
const TIME_SCALE = "10";

/** A proxy that runs, with all that is behind it. */
export interface Proxied extends AsyncDisposable {
  readonly folder: string;
  /** Where cloudcore's metrics are. */
  readonly metrics: string;
  /** Edges enrol with it. */
  readonly token: string;
  /** What API, cloudcore and proxy have printed so far. */
  printed(): string;
  /** Runs scenarios, or another command that takes `--cloudcore`, through it. */
  run(...args: string[]): Promise<Ended>;
  /** `skep tap` of the proxy. */
  tap(...args: string[]): Promise<Ended>;
}

/** `flags` are the proxy's own, such as `--latency`. */
export async function startProxied(...flags: string[]): Promise<Proxied> {
  await using cleanup = new AsyncDisposableStack();
  const { path: folder, remove } = workFolder();
  cleanup.defer(remove);
  const commands: Command[] = [];
  const start = async (...args: string[]) => {
    const command = new Command(folder, args);
    commands.push(command);
    cleanup.defer(async () => void await command.interrupt());
    await command.says(/^ready$/m, 60_000);
    return command;
  };
  const kubeconfig = join(folder, "kubeconfig");
  await start("apiserver", "--port", "0", "--write-kubeconfig", kubeconfig);
  const core = await start("cloudcore", "--kubeconfig", kubeconfig, "--port", "0", "--time-scale", TIME_SCALE);
  const port = (name: string, out: string) => new RegExp(`^${name} .*:(\\d+)$`, "m").exec(out)?.[1] ?? "";
  const proxy = await start(
    "proxy",
    "--bind",
    "127.0.0.1",
    "--to",
    "127.0.0.1",
    "--hub-port",
    port("websocket", core.out),
    "--enrol-port",
    port("enrolment", core.out),
    "--listen",
    "0",
    "--listen-enrol",
    "0",
    "--kubeconfig",
    kubeconfig,
    ...flags,
  );
  const [, address = ""] = /^console +(\S+)$/m.exec(proxy.out) ?? [];
  const kube = new KubeClient(loadKubeConfig(kubeconfig));
  const token = await bootstrapToken(kube).finally(() => kube.close());
  const through = [
    "--cloudcore",
    `127.0.0.1:${port("websocket", proxy.out)}`,
    "--enrolment-port",
    port("enrolment", proxy.out),
  ];
  const rest = cleanup.move();
  return {
    folder,
    metrics: /^metrics +(\S+)$/m.exec(core.out)?.[1] ?? "",
    token,
    printed: () => commands.map(({ err, out }) => out + err).join(""),
    run: (...args) =>
      new Command(folder, [...args, "--kubeconfig", kubeconfig, ...through, "--time-scale", TIME_SCALE], {
        SKEP_TOKEN: token,
      }).ended(),
    tap: (...args) => new Command(folder, ["tap", "--at", address, ...args]).ended(),
    [Symbol.asyncDispose]: () => rest.disposeAsync(),
  };
}
