// Where a cluster is and who we are there: kubeconfig files and the embedded API, with pooled connections.
import { SkepError } from "../../base/error/skep-error.ts";
import "./deno-shim.ts";
import { readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { KubeConfig } from "@kubernetes/client-node";
import { Agent, type Dispatcher } from "undici";
import { reasonOf } from "../../base/log/logger.ts";

/** Connections kept to one API server. Watches hold one each, so this is above their number. */
const CONNECTIONS = 64;

/** A kubeconfig that can't be used, with what to do about it. */
export class KubeConfigError extends SkepError {
  readonly code = "SKEP_KUBECONFIG";
}

/** A cluster, who we are there, and the connections to it, which live until `close`. */
export interface PooledKubeConfig {
  readonly config: KubeConfig;
  close(): Promise<void>;
}

/** The two methods of client-node's KubeConfig that decide about connections; they are private in its types. */
interface Dispatching {
  createDispatcher(cluster: unknown, options: unknown): Dispatcher | undefined;
  createDispatcherOptions(
    cluster: unknown,
    options: unknown,
  ): { readonly type: string; readonly connect?: Agent.Options["connect"] };
}

/** client-node makes a new agent, and so a new TLS connection, for every call; this keeps one agent per configuration. */
function pooled(config: KubeConfig): PooledKubeConfig {
  const inner = config as unknown as Dispatching;
  const original = inner.createDispatcher.bind(config);
  let agent: Dispatcher | undefined;
  inner.createDispatcher = (cluster, options) => {
    if (agent !== undefined) return agent;
    const { type, connect } = inner.createDispatcherOptions(cluster, options);
    // Proxies keep client-node's own dispatcher, made once.
    agent = type === "agent" || type === "none"
      ? new Agent({
        ...(connect === undefined ? {} : { connect }),
        connections: CONNECTIONS,
        pipelining: 1,
        bodyTimeout: 0,
      })
      : original(cluster, options);
    return agent;
  };
  return {
    config,
    async close() {
      await agent?.destroy();
      agent = undefined;
    },
  };
}

/** Reads a kubeconfig file: its current context, or another. Throws KubeConfigError where it is missing, unreadable, or names no cluster. */
export function loadKubeConfig(file: string, context?: string): PooledKubeConfig {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    throw new KubeConfigError(`can't read the kubeconfig ${file}: ${reasonOf(error)}`);
  }
  const config = new KubeConfig();
  try {
    config.loadFromString(text);
    // Files that it names are beside it, as kubectl has it.
    config.makePathsAbsolute(dirname(resolve(file)));
  } catch (error) {
    throw new KubeConfigError(`${file} is not a kubeconfig: ${reasonOf(error)}`);
  }
  if (context !== undefined) {
    const names = config.getContexts().map(({ name }) => name);
    if (!names.includes(context)) {
      throw new KubeConfigError(`${file} has no context ${context}; it has ${names.join(", ") || "none"}`);
    }
    config.setCurrentContext(context);
  }
  if (!config.getCurrentCluster()) {
    throw new KubeConfigError(
      `${file} has no current context with a cluster; set one with \`kubectl config use-context\``,
    );
  }
  return pooled(config);
}

/**
 * What `kubeAPIConfig` of a cloudcore.yaml says: a kubeconfig file, or none inside a cluster; `master` takes the place of
 * the server's address. Throws KubeConfigError.
 */
export function clusterKubeConfig(
  { file, master }: { readonly file: string; readonly master: string },
): PooledKubeConfig {
  if (file === "" && master === "") return inClusterKubeConfig();
  const found = file === "" ? undefined : loadKubeConfig(file);
  if (found === undefined) {
    const config = new KubeConfig();
    config.loadFromClusterAndUser({ name: "master", server: master, skipTLSVerify: false }, { name: "nobody" });
    return pooled(config);
  }
  if (master === "") return found;
  const { config } = found;
  const current = config.getCurrentCluster()?.name;
  config.clusters = config.clusters.map((cluster) =>
    cluster.name === current ? { ...cluster, server: master } : cluster
  );
  return found;
}

function inClusterKubeConfig(): PooledKubeConfig {
  const config = new KubeConfig();
  if (!process.env.KUBERNETES_SERVICE_HOST) {
    throw new KubeConfigError(
      "kubeAPIConfig.kubeConfig is empty, and this is not inside a cluster: name a kubeconfig there, or with --kubeconfig",
    );
  }
  config.loadFromCluster();
  return pooled(config);
}

/** The configuration for a server reached with a token. */
export function tokenKubeConfig(
  access: { readonly url: string; readonly ca: string; readonly token: string },
): PooledKubeConfig {
  const config = new KubeConfig();
  config.loadFromClusterAndUser(
    { name: "skep", server: access.url, caData: Buffer.from(access.ca).toString("base64"), skipTLSVerify: false },
    { name: "skep", token: access.token },
  );
  return pooled(config);
}
