// Where a hub is, how an edge reaches it, and with which credentials.
import type { EdgeCredentials } from "./enrolment.ts";

/** Where the cloud is, and the credentials: a token to enrol with, a certificate, or a CA to make one. */
export interface HubAddress {
  readonly host: string;
  readonly websocketPort: number;
  readonly httpsPort: number;
  /** Where QUIC is served (UDP). */
  readonly quicPort?: number;
  readonly token?: string;
  readonly credentials?: EdgeCredentials;
  /** Makes a node's certificate, where we hold the CA ourselves. */
  readonly issue?: (node: string) => EdgeCredentials;
  /** The CA, where the caller has fetched and verified it already. PEM. */
  readonly ca?: string;
}

/** How an edge reaches the hub. QUIC needs Node on Linux x64. */
export type Transport = "websocket" | "quic";
