// The certificate an edge connects with: obtained when it first connects, renewed before it expires.
import type { SecureContext } from "node:tls";
import { createSecureContext } from "node:tls";
import { Backoff } from "../../base/backoff/backoff.ts";
import type { Link } from "../../base/link/link.ts";
import { type Logger, reasonOf } from "../../base/log/logger.ts";
import type { Random } from "../../base/random/random.ts";
import type { Clock, Timer } from "../../base/time/clock.ts";
import { DialError } from "../../base/transport/websocket-client.ts";
import { validityOf } from "../../protocol/pki/ca.ts";
import type { EdgeTimings } from "../timings/timings.ts";
import { type EdgeCredentials, enrol, EnrolmentError, fetchCa, renew } from "./enrolment.ts";
import type { HubAddress } from "./hub-address.ts";

/** Injected dependencies. */
export interface EdgeCertificateDeps {
  readonly node: string;
  readonly address: HubAddress;
  readonly timings: EdgeTimings;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly link: Link;
  /** The certificate was renewed: the hub reconnects with it. */
  readonly onRenewed: () => void;
}

export class EdgeCertificate {
  readonly #deps: EdgeCertificateDeps;
  readonly #retries: Backoff;
  #credentials: EdgeCredentials | undefined;
  #secureContext: SecureContext | undefined;
  #rotation: Timer | undefined;
  #count = 0;

  constructor(deps: EdgeCertificateDeps) {
    this.#deps = deps;
    this.#credentials = deps.address.credentials;
    const { renewRetry, renewRetryCap } = deps.timings;
    this.#retries = new Backoff({ initial: renewRetry, factor: 2, cap: renewRetryCap, jitter: 0.1 }, deps.random);
  }

  /** What the edge connects with, once it has enrolled. */
  get credentials(): EdgeCredentials | undefined {
    return this.#credentials;
  }

  /** How many certificates it has had. */
  get count(): number {
    return this.#count;
  }

  /** TLS settings of the present certificate. */
  get secureContext(): SecureContext {
    const { ca, cert, key } = this.#credentials as EdgeCredentials;
    return this.#secureContext ??= createSecureContext({ ca, cert, key });
  }

  /** No renewal is planned any more. */
  cancelRotation(): void {
    this.#rotation?.cancel();
    this.#rotation = undefined;
  }

  /** Obtains the first certificate. Rejects with EnrolmentError or TokenError. */
  async ensure(signal: AbortSignal): Promise<void> {
    if (this.#credentials !== undefined) return;
    const { address, node, timings } = this.#deps;
    if (address.issue !== undefined) return this.#take(address.issue(node));
    if (address.token === undefined) {
      throw new EnrolmentError("there is neither a certificate nor a token to enrol with", false);
    }
    const options = {
      server: `https://${address.host}:${address.httpsPort}`,
      token: address.token,
      timeout: Math.max(timings.answer / 2, 5000),
      signal,
    };
    const ca = address.ca ?? await fetchCa(options);
    this.#take(await enrol(node, ca, options));
  }

  #take(credentials: EdgeCredentials): void {
    this.#credentials = credentials;
    this.#secureContext = undefined;
    this.#count++;
  }

  /**
   * Plans the certificate's renewal: when 70 to 90 % of its life are over. Once there is a new one the hub reconnects,
   * after its usual pause, as edgecore does.
   */
  planRotation(signal: AbortSignal): void {
    const { clock, random } = this.#deps;
    if (this.#credentials === undefined || this.#rotation !== undefined) return;
    const { from, to } = validityOf(this.#credentials.cert);
    const due = from + (to - from) * (0.7 + 0.2 * random.next());
    this.#rotation = clock.after(Math.max(0, due - clock.now()), () => void this.#rotate(signal));
  }

  async #rotate(signal: AbortSignal): Promise<void> {
    const { address, clock, link, logger, node } = this.#deps;
    const options = { server: `https://${address.host}:${address.httpsPort}`, timeout: 30_000, signal };
    try {
      if (!link.isUp) throw new DialError("the link is cut");
      this.#take(await renew(node, this.#credentials as EdgeCredentials, options));
      logger.debug("the certificate was renewed");
      this.#rotation = undefined;
      this.#retries.reset();
      this.#deps.onRenewed();
    } catch (error) {
      if (signal.aborted) return;
      logger.warn("the certificate could not be renewed; trying again", { error: reasonOf(error) });
      this.#rotation = clock.after(this.#retries.next(), () => void this.#rotate(signal));
    }
  }
}
