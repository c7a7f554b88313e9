// `--cloudcore HOST[:PORT]` with `--token` or `--certs`: the address of a cloudcore and the credentials of edges.
import { reasonOf } from "../base/log/logger.ts";
import { type HubAddress, HubAddressError, parseHubAddress } from "../edge-sim/edgehub/hub-address.ts";
import type { AuthorityData } from "../scenarios/targets/cluster-secrets.ts";
import { UsageError } from "./failure.ts";

/** The flags as commander gives them. */
export interface HubFlags {
  readonly cloudcore?: string;
  readonly enrolmentPort?: number;
  readonly quicPort?: number;
  readonly token?: string;
  readonly certs?: string;
}

/**
 * Edges come with a token of the flags, or with certificates made with a CA: from files, or of `cluster`, a kubeconfig; else with
 * the token in the environment. Rejects with UsageError where something is missing or unreadable.
 */
export async function hubAddressOf(
  flags: HubFlags & { readonly cloudcore: string },
  cluster?: string,
): Promise<HubAddress> {
  const address = {
    ...hubOf(flags),
    ...(flags.quicPort === undefined ? {} : { quicPort: flags.quicPort }),
  };
  if (flags.token !== undefined) return { ...address, token: flags.token };
  if (flags.certs !== undefined) return { ...address, issue: await issuerFrom(flags.certs) };
  const { SKEP_TOKEN: token = "" } = process.env;
  if (cluster !== undefined) {
    try {
      return { ...address, issue: await issuerOfCluster(cluster) };
    } catch (error) {
      // Who may make devices need not be allowed to read secrets.
      if (token === "") throw error;
    }
  }
  if (token !== "") return { ...address, token };
  throw new UsageError(
    "edges need credentials: SKEP_TOKEN or --token T (kubectl get secret -n kubeedge tokensecret -o jsonpath='{.data.tokendata}' | base64 -d), or --certs DIR, or --kubeconfig FILE of the cloudcore's cluster",
  );
}

function hubOf({ cloudcore, enrolmentPort }: HubFlags & { readonly cloudcore: string }) {
  try {
    return parseHubAddress(cloudcore, enrolmentPort);
  } catch (error) {
    throw error instanceof HubAddressError ? new UsageError(`--cloudcore ${error.message}`) : error;
  }
}

/** Certificates made with the CA that a cloudcore keeps in its cluster. */
async function issuerOfCluster(file: string): Promise<NonNullable<HubAddress["issue"]>> {
  const { KubeClient } = await import("../cloud/kube/client.ts");
  const { loadKubeConfig } = await import("../cloud/kube/kubeconfig.ts");
  const { authorityData } = await import("../scenarios/targets/cluster-secrets.ts");
  const kube = new KubeClient(loadKubeConfig(file));
  try {
    return await issuerOfData(await authorityData(kube));
  } catch (error) {
    throw new UsageError(
      `--kubeconfig ${file}: no CA of a cloudcore can be read there (secret kubeedge/casecret): ${
        reasonOf(error)
      }; say --token T or --certs DIR`,
    );
  } finally {
    await kube.close();
  }
}

/** Certificates made with the CA in a folder, named as KubeEdge names its files. */
async function issuerFrom(dir: string): Promise<NonNullable<HubAddress["issue"]>> {
  const { issuerOfFolder } = await import("../scenarios/targets/cluster-secrets.ts");
  try {
    return await issuerOfFolder(dir);
  } catch (error) {
    throw new UsageError(`--certs ${dir}: rootCA.crt and rootCA.key (EC, PEM) are needed there: ${reasonOf(error)}`);
  }
}

/** Makes certificates of edges with a CA as its cluster has it. */
export async function issuerOfData({ cert, key }: AuthorityData): Promise<NonNullable<HubAddress["issue"]>> {
  const { loadAuthority } = await import("../protocol/pki/ca.ts");
  const { issuerOf } = await import("../scenarios/targets/cluster-secrets.ts");
  return await issuerOf(await loadAuthority(Buffer.from(cert, "base64"), Buffer.from(key, "base64")));
}
