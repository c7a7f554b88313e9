// From a target's description to the target: paths are the file's, secrets are read where it says.
import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { reasonOf } from "../../base/log/logger.ts";
import { KubeClient } from "../../cloud/kube/client.ts";
import { loadKubeConfig } from "../../cloud/kube/kubeconfig.ts";
import { type HubAddress, HubAddressError, parseHubAddress } from "../../edge-sim/edgehub/hub-address.ts";
import { milliseconds } from "../files/duration.ts";
import { positionText, ScenarioError } from "../files/position.ts";
import { bootstrapToken, issuerOfFolder } from "./cluster-secrets.ts";
import type { CloudcoreElsewhere, Replicated, TargetDescription } from "./description.ts";
import { TargetError } from "./target-error.ts";
import type { CloudcoreChoice, LocalOptions } from "./local-options.ts";

/** How fast timers run where everything is ours, so that a library of waits takes a minute. */
export const EMBEDDED_TIME_SCALE = 10;

/** What `localTarget` takes, but for what is said anew for each run. Rejects with TargetError or ScenarioError. */
export async function optionsOf(
  described: TargetDescription,
): Promise<Omit<LocalOptions, "logger" | "bind">> {
  const { cloudcore, edges, kubernetes, name, patience, timings, without } = described;
  const at = pathsFrom(dirname(described.position.file));
  const cluster = typeof kubernetes === "object" && "kubeconfig" in kubernetes
    ? {
      kubeconfig: at(kubernetes.kubeconfig),
      ...(kubernetes.context === undefined ? {} : { context: kubernetes.context }),
    }
    : {};
  const choice = await choiceOf(cloudcore, described, cluster, at);
  const isAllOurs = kubernetes === "embedded" && edges === "ours" &&
    (choice.runs === "here" || choice.runs === "process");
  return {
    name,
    timeScale: described.timeScale ?? (isAllOurs ? EMBEDDED_TIME_SCALE : 1),
    ...cluster,
    ...imageOf(kubernetes, at),
    cloudcore: choice,
    ...edgesOf(edges, at),
    timings: Object.fromEntries(Object.entries(timings).map(([key, text]) => [key, milliseconds(text)])),
    ...(patience === undefined ? {} : { patience }),
    with: described.with,
    without,
  };
}

function edgesOf(
  edges: TargetDescription["edges"],
  at: (path: string) => string,
): Pick<LocalOptions, "nodes" | "edgecore"> {
  if (edges === "ours") return {};
  if ("nodes" in edges) return { nodes: edges.nodes };
  const isImage = "edgecoreImage" in edges;
  const edgecore = isImage ? edges.edgecoreImage : programAt(edges.edgecore, at);
  return { edgecore: { edgecore, isImage, ...(edges.runtime === undefined ? {} : { runtime: at(edges.runtime) }) } };
}

/** A program by its path, or by its name where it has no slash. */
function programAt(program: string, at: (path: string) => string): string {
  return /[/\\]/.test(program) ? at(program) : program;
}

function imageOf(
  kubernetes: TargetDescription["kubernetes"],
  at: (path: string) => string,
): Pick<LocalOptions, "image"> {
  if (typeof kubernetes === "string" || "kubeconfig" in kubernetes) return {};
  if ("image" in kubernetes) return { image: kubernetes };
  const { apiserver, etcd, ...others } = kubernetes.binaries;
  const rest = Object.fromEntries(Object.entries(others).map(([name, file]) => [name, at(file)]));
  return { image: { apiserver: at(apiserver), etcd: at(etcd), ...rest } };
}

async function choiceOf(
  cloudcore: TargetDescription["cloudcore"],
  described: TargetDescription,
  cluster: { readonly kubeconfig?: string; readonly context?: string },
  at: (path: string) => string,
): Promise<CloudcoreChoice> {
  if (cloudcore === "ours") return { runs: "here" };
  if ("ours" in cloudcore) return { runs: "process" };
  if ("go" in cloudcore) return { runs: "go", program: programAt(cloudcore.go, at), ...replicasOf(cloudcore) };
  if ("goImage" in cloudcore) {
    return { runs: "container", image: cloudcore.goImage, isOurs: false, ...replicasOf(cloudcore) };
  }
  if ("image" in cloudcore) {
    return { runs: "container", image: cloudcore.image, isOurs: true, ...replicasOf(cloudcore) };
  }
  return { runs: "elsewhere", address: await addressOf(cloudcore, described, cluster, at) };
}

function replicasOf({ replicas }: Replicated): Replicated {
  return replicas === undefined ? {} : { replicas };
}

async function addressOf(
  { certs, enrolmentPort, host, port, token }: CloudcoreElsewhere,
  described: TargetDescription,
  { context, kubeconfig }: { readonly kubeconfig?: string; readonly context?: string },
  at: (path: string) => string,
): Promise<HubAddress> {
  let address: Pick<HubAddress, "host" | "websocketPort" | "httpsPort">;
  try {
    address = parseHubAddress(port === undefined ? host : `${host}:${port}`, enrolmentPort);
  } catch (error) {
    throw error instanceof HubAddressError
      ? new ScenarioError(described.position, `cloudcore: ${error.message}`)
      : error;
  }
  if (typeof described.edges === "object" && "nodes" in described.edges) return address;
  const where = `the target ${described.name} (${positionText(described.position)})`;
  if (certs !== undefined) {
    try {
      return { ...address, issue: await issuerOfFolder(at(certs)) };
    } catch (error) {
      throw new TargetError(
        `${where}: certs: rootCA.crt and rootCA.key (EC, PEM) are needed in ${at(certs)}: ${reasonOf(error)}`,
      );
    }
  }
  if (token?.env !== undefined) {
    const value = process.env[token.env] ?? "";
    if (value === "") throw new TargetError(`${where}: its token is in the variable ${token.env}, which is empty`);
    return { ...address, token: value };
  }
  if (token?.file !== undefined) {
    try {
      return { ...address, token: (await readFile(at(token.file), "utf8")).trim() };
    } catch (error) {
      throw new TargetError(`${where}: its token can't be read: ${reasonOf(error)}`);
    }
  }
  const kube = new KubeClient(loadKubeConfig(kubeconfig as string, context));
  try {
    return { ...address, token: await bootstrapToken(kube) };
  } catch (error) {
    throw new TargetError(
      `${where}: its token can't be read from the cluster (secret kubeedge/tokensecret): ${
        reasonOf(error)
      }; say token: { env: NAME } or certs: FOLDER`,
    );
  } finally {
    await kube.close();
  }
}

/** Paths as a file writes them: from its folder, with ~ for the home folder. */
function pathsFrom(folder: string): (path: string) => string {
  return (path) => path.startsWith("~/") ? join(homedir(), path.slice(2)) : resolve(folder, path);
}
