// What the hub's doors have in common: who may come in, and as whom.
import type { MessageSocket } from "../../../base/transport/message-socket.ts";
import type { Refusal } from "../../../base/transport/websocket-server.ts";
import type { CertificateAuthority, KeyPair, Subject } from "../../../protocol/pki/ca.ts";
import { nodeCommonName, nodeOrganization } from "../../../protocol/pki/request.ts";

/** What a door needs from outside. */
export interface HubDoor {
  readonly authority: CertificateAuthority;
  readonly server: KeyPair;
  /** `certificate`: an edge is who its certificate says; `header`: any certificate of the CA will do. */
  readonly identity: "certificate" | "header";
  /** Says no for another reason, such as the node limit. */
  readonly refuse: (node: string) => Refusal | undefined;
  readonly accept: (node: string, socket: MessageSocket) => void;
}

/** RFC 1123 subdomain, as node names are. */
const nodeName = /^(?=.{1,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;

/** Why this peer may not come in as `node`; undefined where it may. */
export function refusalOf(
  door: Pick<HubDoor, "identity" | "refuse">,
  node: string,
  certificate: Partial<Subject>,
): Refusal | undefined {
  if (!nodeName.test(node)) return { status: 400, reason: "the header node_id must be the name of a node" };
  const { commonName, organization } = certificate;
  const isIts = commonName === nodeCommonName(node) && organization === nodeOrganization;
  if (door.identity === "certificate" && !isIts) {
    return {
      status: 403,
      reason: `the certificate is for ${String(commonName)}, not for ${nodeCommonName(node)} (node_id is ${node})`,
    };
  }
  return door.refuse(node);
}
