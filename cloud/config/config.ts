// What can be configured of a cloudcore, with KubeEdge's own defaults. Times are milliseconds.
import {
  type EraRule,
  type StrictGo,
  strictGoWays,
  type UpstreamLimits,
  upstreamLimitsFor,
} from "../../protocol/apis/cloudcore-config.ts";

/** The settings of one cloudcore. */
export interface CloudCoreConfig {
  /** Names and addresses edges reach us by: they go into the server's certificate. */
  readonly advertiseAddress: readonly string[];
  /** Edges connected at once (`modules.cloudHub.nodeLimit`). */
  readonly nodeLimit: number;
  /** Without a keepalive for so long a session ends (`keepaliveInterval`). */
  readonly keepaliveInterval: number;
  /** An unacknowledged message is sent again after this long (`sendRetryInterval` in node_session.go). */
  readonly ackRetry: number;
  /** Messages a node may have unacknowledged at once; 1 is how Go's cloudcore behaves. An edgecore's inbox holds 100. */
  readonly ackWindow: number;
  /** Between two looks at what connected nodes hold (SyncController). */
  readonly syncInterval: number;
  /** Of the Lease of that cloudcore, among several, which removes the records of Nodes that are gone. */
  readonly leader: { readonly lease: number; readonly retry: number };
  /** How long an edge's certificate is good for (`edgeCertSigningDuration`). Not scaled: TLS looks at the real clock. */
  readonly edgeCertLifetime: number;
  /** How long a bootstrap token is good for (twice `tokenRefreshDuration`). Not scaled, for the same reason. */
  readonly tokenLifetime: number;
  /** `certificate`: `node_id` must be the certificate's. `header`: any certificate of the CA will do, as with Go. */
  readonly identity: "certificate" | "header";
  /** Behaviours of Go's cloudcore that are switched on in place of ours (docs/deviations.md). */
  readonly strictGo: ReadonlySet<StrictGo>;
  /**
   * What edges ask is checked against what their node may do: not at all, with a line in the log for what would be refused, or with
   * refusal. KubeEdge's is off until its file says `authorization.enable`.
   */
  readonly authorization: "off" | "log" | "on";
  /** The API is asked in the name of the node whose request it is, so that its own authoriser judges, too; cloudcore needs the right to impersonate. */
  readonly impersonates: boolean;
  /** Nodes of another era of KubeEdge, by their labels. */
  readonly eras: readonly EraRule[];
  /** File with the CA of the certificate that edges of v1.1 share (PEM); empty where they show one of ours. */
  readonly legacyCaFile: string;
  /** How much of each kind EdgeController carries out for edges at once, and how much may wait. */
  readonly upstream: UpstreamLimits;
  /** The controllers that run. */
  readonly controllers: ReadonlySet<"edgeController" | "deviceController" | "syncController">;
  /** Certificates from files, in place of the cluster's secrets. Missing files are ignored. */
  readonly certificateFiles: CertificateFiles | undefined;
}

/** Paths of PEM files. */
export interface CertificateFiles {
  readonly ca: string;
  readonly caKey: string;
  readonly cert: string;
  readonly key: string;
}

export const strictGoNames = Object.keys(strictGoWays) as StrictGo[];
export type { StrictGo };

const SECOND = 1000;
const DAY = 86_400 * SECOND;

export const defaultConfig: CloudCoreConfig = {
  advertiseAddress: ["127.0.0.1", "localhost"],
  nodeLimit: 1000,
  keepaliveInterval: 30 * SECOND,
  ackRetry: 5 * SECOND,
  ackWindow: 32,
  syncInterval: 5 * SECOND,
  leader: { lease: 15 * SECOND, retry: 2 * SECOND },
  edgeCertLifetime: 365 * DAY,
  tokenLifetime: DAY,
  identity: "certificate",
  strictGo: new Set(),
  authorization: "on",
  impersonates: false,
  eras: [],
  legacyCaFile: "",
  upstream: upstreamLimitsFor(1000),
  controllers: new Set(["edgeController", "deviceController", "syncController"]),
  certificateFiles: undefined,
};

/** The same configuration with every protocol timer divided. */
export function scaled(config: CloudCoreConfig, timeScale: number): CloudCoreConfig {
  return {
    ...config,
    keepaliveInterval: config.keepaliveInterval / timeScale,
    ackRetry: config.ackRetry / timeScale,
    syncInterval: config.syncInterval / timeScale,
    leader: { lease: config.leader.lease / timeScale, retry: config.leader.retry / timeScale },
  };
}
