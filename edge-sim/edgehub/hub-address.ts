// Where a hub is, how an edge reaches it, and with which credentials.
import { SkepError } from "../../base/error/skep-error.ts";
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
  /** An address of this machine to connect from. Default: the system chooses. */
  readonly sourceAddress?: string;
}

/** How an edge reaches the hub. QUIC needs Node on Linux x64. */
export type Transport = "websocket" | "quic";

/** A text that names no hub. */
export class HubAddressError extends SkepError {
  readonly code = "SKEP_HUB_ADDRESS";
}

/** KubeEdge's WebSocket port, and how far its HTTPS port, where edges enrol, is from it. */
const WEBSOCKET_PORT = 10000;
const ENROLMENT_DISTANCE = 2;

/** Reads `HOST` or `HOST:PORT`, an IPv6 address in brackets. `httpsPort` is two ports further by default. Throws HubAddressError. */
export function parseHubAddress(
  text: string,
  httpsPort?: number,
): Pick<HubAddress, "host" | "websocketPort"> & { readonly httpsPort: number } {
  const match = /^(\[[^\]]+\]|[^:/]+)(?::(\d{1,5}))?$/.exec(text);
  if (match === null) throw new HubAddressError(`${text}: HOST or HOST:PORT is needed`);
  const websocketPort = Number(match[2] ?? WEBSOCKET_PORT);
  const address = {
    host: match[1] as string,
    websocketPort,
    httpsPort: httpsPort ?? websocketPort + ENROLMENT_DISTANCE,
  };
  for (const port of [address.websocketPort, address.httpsPort]) {
    if (port < 1 || port > 65_535) throw new HubAddressError(`${text}: ${port} is no port; they go from 1 to 65535`);
  }
  return address;
}
