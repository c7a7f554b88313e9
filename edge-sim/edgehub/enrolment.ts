// How an edge gets its certificate: the CA, checked against the token's hash, then a signed request (KubeEdge v1.23 `edge/pkg/edgehub/certificate/certmanager.go`).
import { SkepError } from "../../base/error/skep-error.ts";
import { requestHttps } from "../../base/transport/https-client.ts";
import { limits } from "../../protocol/limits.ts";
import { pemOf } from "../../protocol/pki/ca.ts";
import { createNodeRequest } from "../../protocol/pki/request.ts";
import { caHash, parseToken } from "../../protocol/pki/token.ts";
import { reasonOf } from "../../base/log/logger.ts";

/** What an edge connects with. PEM. */
export interface EdgeCredentials {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

/** Enrolment that failed, with what to do about it. */
export class EnrolmentError extends SkepError {
  readonly code = "SKEP_ENROLMENT";
  /** False where trying again can't help: the token or the CA is wrong. */
  readonly isTransient: boolean;
  constructor(message: string, isTransient: boolean) {
    super(message);
    this.isTransient = isTransient;
  }
}

/** Where to enrol, and how long each exchange may take (milliseconds). */
export interface EnrolmentOptions {
  /** `https://host:port` of the hub's enrolment server. */
  readonly server: string;
  readonly token: string;
  readonly timeout: number;
  readonly signal: AbortSignal;
}

/** The hub's CA in PEM, once it has the hash that the token names. Rejects with TokenError or EnrolmentError. */
export async function fetchCa(options: EnrolmentOptions): Promise<string> {
  const wanted = parseToken(options.token).caHash;
  const { status, body } = await exchange(options, { method: "GET", url: `${options.server}/ca.crt` });
  if (status !== 200) throw new EnrolmentError(`${options.server}/ca.crt answered HTTP ${status}`, true);
  if (caHash(body) !== wanted) {
    throw new EnrolmentError(
      `the CA of ${options.server} is not the one the token was made for (its SHA-256 differs); take a new token from this cloudcore`,
      false,
    );
  }
  return pemOf("CERTIFICATE", body);
}

/** A key and a certificate for a node. Rejects with TokenError or EnrolmentError. */
export async function enrol(node: string, ca: string, options: EnrolmentOptions): Promise<EdgeCredentials> {
  const { jwt } = parseToken(options.token);
  return await request(node, options, { headers: { authorization: `Bearer ${jwt}`, nodename: node }, ca });
}

/** Another key and certificate for a node that has one: it authenticates with the old one. Rejects with EnrolmentError. */
export async function renew(
  node: string,
  old: EdgeCredentials,
  options: Omit<EnrolmentOptions, "token">,
): Promise<EdgeCredentials> {
  return await request(node, options, { headers: { nodename: node }, ...old });
}

async function request(
  node: string,
  options: Omit<EnrolmentOptions, "token">,
  how: Pick<Exchange, "headers" | "cert" | "key"> & { readonly ca: string },
): Promise<EdgeCredentials> {
  const { csr, keyPem } = await createNodeRequest(node);
  const { ca } = how;
  const { status, body } = await exchange(options, {
    method: "GET",
    url: `${options.server}/edge.crt`,
    body: csr,
    ...how,
  });
  if (status !== 200) {
    const reason = Buffer.from(body).toString("utf8").slice(0, 300);
    throw new EnrolmentError(`${options.server} refuses to sign a certificate for ${node}: ${reason}`, status >= 500);
  }
  return { ca, cert: pemOf("CERTIFICATE", body), key: keyPem };
}

type Exchange = Pick<Parameters<typeof requestHttps>[0], "method" | "url" | "headers" | "body" | "ca" | "cert" | "key">;

async function exchange({ server, timeout, signal }: Omit<EnrolmentOptions, "token">, what: Exchange) {
  try {
    return await requestHttps({ ...what, timeout, maxBody: limits.httpBody, signal });
  } catch (error) {
    throw new EnrolmentError(`the enrolment server ${server} can't be reached: ${reasonOf(error)}`, true);
  }
}
