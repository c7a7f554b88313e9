// Admission of edges, the same for WebSocket and QUIC: which certificates may connect, and as which node.
import type { MessageSocket } from "../../../base/transport/message-socket.ts";
import type { Refusal } from "../../../base/transport/websocket-server.ts";
import type { CertificateAuthority, KeyPair, Subject } from "../../../protocol/pki/ca.ts";
import { isSignedBy } from "../../../protocol/pki/legacy.ts";
import { nodeCommonName, nodeOrganization } from "../../../protocol/pki/request.ts";

/** Injected dependencies. */
export interface AdmissionDeps {
  readonly authority: CertificateAuthority;
  readonly server: KeyPair;
  /** `certificate`: an edge is who its certificate says; `header`: any certificate of the CA will do. */
  readonly identity: "certificate" | "header";
  /** A further CA whose certificates let in nodes of v1.1, and no other. PEM. */
  readonly legacyCa: string | undefined;
  /** Whether a node runs KubeEdge v1.1, whose edges all show the same certificate. */
  readonly isV11: (node: string) => boolean;
  /** Refuses for another reason, such as the node limit. */
  readonly refuse: (node: string) => Refusal | undefined;
  readonly accept: (node: string, socket: MessageSocket) => void;
  /** Called when a connection was refused. `node` is empty where it could not be told. */
  readonly refused: (node: string, reason: string) => void;
}

/** RFC 1123 subdomain, as node names are. */
const nodeName = /^(?=.{1,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;

/** The certificate that a peer shows. */
export interface PeerCertificate {
  readonly der: Uint8Array;
  /** As TLS has read it already, where it has: to read it again costs 15 KB of the heap for each edge that joins. */
  readonly subject: Partial<Subject>;
}

/** Why a peer with this certificate may not connect as `node`; undefined if it may. */
export function refusalOf(
  deps: Pick<AdmissionDeps, "authority" | "identity" | "isV11" | "legacyCa" | "refuse">,
  node: string,
  { der, subject: { commonName, organization } }: PeerCertificate,
): Refusal | undefined {
  if (!nodeName.test(node)) return { status: 400, reason: "the header node_id must be the name of a node" };
  const isOurs = deps.legacyCa === undefined || isSignedBy(deps.authority.certPem, der, Date.now());
  if (!isOurs && !deps.isV11(node)) {
    return { status: 403, reason: `the certificate is of v1.1's CA, and ${node} is no node of that era (skep.eras)` };
  }
  if (deps.identity === "header" || !isOurs) return deps.refuse(node);
  const isIts = commonName === nodeCommonName(node) && organization === nodeOrganization;
  // A certificate without a node name is shared; one that names another node must not be used.
  const isShared = organization !== nodeOrganization && deps.isV11(node);
  if (!isIts && !isShared) {
    return {
      status: 403,
      reason: `the certificate is for ${String(commonName)}, not for ${nodeCommonName(node)} (node_id is ${node})`,
    };
  }
  return deps.refuse(node);
}
