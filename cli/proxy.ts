// `skep proxy`: between real edges and a real cloudcore, to see what passes, to record it, and to disturb it.
import { HopRing } from "../base/hop/ring.ts";
import { reasonOf } from "../base/log/logger.ts";
import { Random } from "../base/random/random.ts";
import { TimerWheel } from "../base/time/timer-wheel.ts";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { limits } from "../protocol/limits.ts";
import { type CertificateAuthority, derOf, loadAuthority } from "../protocol/pki/ca.ts";
import { Proxy } from "../proxy/proxy.ts";
import { type ProxyTrust, trustOfAuthority, trustOfFiles } from "../proxy/trust.ts";
import { consoleFile } from "../scenarios/console/console.ts";
import { milliseconds } from "../scenarios/files/duration.ts";
import { ProxyFaults, ProxySource } from "../scenarios/tap/proxied.ts";
import { serveTap } from "../scenarios/tap/serve.ts";
import { UsageError } from "./failure.ts";
import { type LogFlags, loggerOf } from "./log.ts";
import { interruption } from "./interrupt.ts";
import { serveUntilInterrupted } from "./serving.ts";

export interface ProxyFlags extends LogFlags {
  readonly listen: number;
  readonly listenEnrol: number;
  readonly to: string;
  readonly hubPort: number;
  readonly enrolPort: number;
  readonly bind: string;
  readonly advertise?: readonly string[];
  readonly kubeconfig?: string;
  readonly certs?: string;
  readonly ca?: string;
  readonly serverCert?: string;
  readonly serverKey?: string;
  readonly edgeCerts?: string;
  readonly latency?: string;
  readonly jitter?: string;
  readonly seed?: number;
  readonly json?: boolean;
}

export async function proxyCommand(flags: ProxyFlags): Promise<number> {
  const { signal, code } = interruption();
  const clock = new TimerWheel();
  const ring = new HopRing(limits.hopBytes);
  const { logger } = loggerOf(flags, "warn");
  const duration = (name: string, text: string | undefined) => {
    try {
      return text === undefined ? 0 : milliseconds(text);
    } catch (error) {
      throw new UsageError(`--${name}: ${reasonOf(error)}`);
    }
  };
  const quality = { latency: duration("latency", flags.latency), jitter: duration("jitter", flags.jitter) };
  await using proxy = await Proxy.start({
    hub: { host: flags.bind, port: flags.listen, exact: flags.listen !== 0 },
    enrolment: { host: flags.bind, port: flags.listenEnrol, exact: flags.listenEnrol !== 0 },
    to: { host: flags.to, hubPort: flags.hubPort, enrolPort: flags.enrolPort },
    trust: await trustOf(flags),
    clock,
    random: new Random(flags.seed ?? 1),
    logger,
    tap: ring,
    quality,
  });
  await using tap = await serveTap({
    what: "proxy",
    listen: { host: "127.0.0.1", port: 9440, exact: false },
    ring,
    source: new ProxySource(() => proxy),
    logger,
    actions: new ProxyFaults(() => proxy, clock, signal),
    file: consoleFile,
  });
  const { enrolment, hub } = proxy.ports;
  await serveUntilInterrupted(
    {
      facts: {
        websocket: `wss://${flags.bind}:${hub}`,
        enrolment: `https://${flags.bind}:${enrolment}`,
        to: `${flags.to}:${flags.hubPort} and ${flags.enrolPort}`,
        console: tap.address,
      },
      hints: [
        "let edges connect here: modules.edgeHub.websocket.server and modules.edgeHub.httpServer of edgecore.yaml (docs/proxy.md)",
      ],
    },
    flags.json === true,
    signal,
  );
  return code() ?? 0;
}

/** By the CA where that is to be had, else by certificates that were given. Rejects with UsageError or ProxyTrustError. */
async function trustOf(flags: ProxyFlags): Promise<ProxyTrust> {
  const { ca, certs, edgeCerts, kubeconfig, serverCert, serverKey } = flags;
  const files = { "--ca": ca, "--server-cert": serverCert, "--server-key": serverKey, "--edge-certs": edgeCerts };
  const given = Object.values(files).filter((file) => file !== undefined).length;
  const names = [
    "127.0.0.1",
    "localhost",
    ...(flags.bind === "0.0.0.0" || flags.bind === "::" ? [] : [flags.bind]),
    ...flags.advertise ?? [],
  ];
  if (kubeconfig !== undefined || certs !== undefined) {
    if (given > 0) {
      throw new UsageError(
        "with the cloudcore's CA the proxy makes its certificates itself: leave --ca, --server-cert, --server-key and --edge-certs out",
      );
    }
    const authority = certs === undefined ? await authorityOfCluster(kubeconfig as string) : await authorityIn(certs);
    return await trustOfAuthority(authority, names, Date.now);
  }
  const missing = Object.entries(files).filter(([, file]) => file === undefined).map(([name]) => name);
  if (missing.length > 0) {
    throw new UsageError(
      `the proxy needs certificates: --kubeconfig FILE (the cloudcore's CA is in its secret kubeedge/casecret), or --certs DIR with rootCA.crt and rootCA.key, or files of your own${
        given === 0 ? "" : ` (missing: ${missing.join(", ")})`
      }: --ca, --server-cert, --server-key and --edge-certs`,
    );
  }
  return await trustOfFiles({
    ca: ca as string,
    serverCert: serverCert as string,
    serverKey: serverKey as string,
    edges: edgeCerts as string,
  });
}

async function authorityIn(dir: string): Promise<CertificateAuthority> {
  try {
    const [cert, key] = await Promise.all(
      ["rootCA.crt", "rootCA.key"].map((name) => readFile(join(dir, name), "utf8")),
    );
    return await loadAuthority(derOf(cert as string), derOf(key as string));
  } catch (error) {
    throw new UsageError(`--certs ${dir}: rootCA.crt and rootCA.key (EC, PEM) are needed there: ${reasonOf(error)}`);
  }
}

async function authorityOfCluster(file: string): Promise<CertificateAuthority> {
  const { KubeClient } = await import("../cloud/kube/client.ts");
  const { loadKubeConfig } = await import("../cloud/kube/kubeconfig.ts");
  const { authorityData } = await import("../scenarios/targets/cluster-secrets.ts");
  const kube = new KubeClient(loadKubeConfig(file));
  try {
    const { cert, key } = await authorityData(kube);
    return await loadAuthority(Buffer.from(cert, "base64"), Buffer.from(key, "base64"));
  } catch (error) {
    throw new UsageError(
      `--kubeconfig ${file}: no CA of a cloudcore can be read there (secret kubeedge/casecret): ${reasonOf(error)}`,
    );
  } finally {
    await kube.close();
  }
}
