// `--cloudcore HOST[:PORT]` with `--token` or `--certs`: where a cloudcore is and how edges get in.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { reasonOf } from "../base/log/logger.ts";
import type { HubAddress } from "../edge-sim/edgehub/edgehub.ts";
import { UsageError } from "./failure.ts";

/** KubeEdge's WebSocket port, and how far its enrolment port is from it. */
const WEBSOCKET_PORT = 10000;
const ENROLMENT_DISTANCE = 2;

/** The flags as commander gives them. */
export interface HubFlags {
  readonly cloudcore?: string;
  readonly enrolmentPort?: number;
  readonly quicPort?: number;
  readonly token?: string;
  readonly certs?: string;
}

/** Rejects with UsageError where something is missing or unreadable. */
export async function hubAddressOf(flags: HubFlags & { readonly cloudcore: string }): Promise<HubAddress> {
  const match = /^(\[[^\]]+\]|[^:]+)(?::(\d{1,5}))?$/.exec(flags.cloudcore);
  if (match === null) throw new UsageError(`--cloudcore ${flags.cloudcore}: HOST or HOST:PORT is needed`);
  const host = match[1] as string;
  const websocketPort = Number(match[2] ?? WEBSOCKET_PORT);
  const address = {
    host,
    websocketPort,
    httpsPort: flags.enrolmentPort ?? websocketPort + ENROLMENT_DISTANCE,
    ...(flags.quicPort === undefined ? {} : { quicPort: flags.quicPort }),
  };
  for (const port of [address.websocketPort, address.httpsPort]) {
    if (port >= 1 && port <= 65_535) continue;
    throw new UsageError(`--cloudcore ${flags.cloudcore}: ${port} is no port; they go from 1 to 65535`);
  }
  const token = flags.token ?? (flags.certs === undefined ? process.env.SKEP_TOKEN : undefined);
  if (token !== undefined && token !== "") return { ...address, token };
  if (flags.certs === undefined) {
    throw new UsageError(
      "edges need a way in: SKEP_TOKEN or --token T (kubectl get secret -n kubeedge tokensecret -o jsonpath='{.data.tokendata}' | base64 -d) or --certs DIR",
    );
  }
  return { ...address, issue: await issuerFrom(flags.certs) };
}

/** Certificates made with the CA in a folder, named as KubeEdge names its files. */
async function issuerFrom(dir: string): Promise<NonNullable<HubAddress["issue"]>> {
  const { issueClient, loadAuthority, derOf } = await import("../protocol/pki/ca.ts");
  const { nodeCommonName, nodeOrganization } = await import("../protocol/pki/request.ts");
  let authority: Awaited<ReturnType<typeof loadAuthority>>;
  try {
    const [cert, key] = await Promise.all(
      ["rootCA.crt", "rootCA.key"].map((name) => readFile(join(dir, name), "utf8")),
    );
    authority = await loadAuthority(derOf(cert as string), derOf(key as string));
  } catch (error) {
    throw new UsageError(`--certs ${dir}: rootCA.crt and rootCA.key (EC, PEM) are needed there: ${reasonOf(error)}`);
  }
  return async (node) => {
    const pair = await issueClient(
      authority,
      { commonName: nodeCommonName(node), organization: nodeOrganization },
      Date.now(),
    );
    return { ca: authority.certPem, cert: pair.certPem, key: pair.keyPem };
  };
}
