// Tokens of ServiceAccounts: signed with the server's key, and checked against the accounts that are there.
import type { KubeObject } from "../../../protocol/apis/kube-object.ts";
import type { TokenIssuer, User } from "../kinds/kind.ts";

const ISSUER = "https://kubernetes.default.svc.cluster.local";
const ALGORITHM = "ES256";
/** Tokens whose signature was checked; they are looked at again only for their time and their account. */
const REMEMBERED = 10_000;

/** What a good token says. */
interface Claims {
  readonly aud?: string | readonly string[];
  readonly exp?: number;
  readonly jti?: string;
  readonly sub?: string;
  readonly "kubernetes.io"?: {
    readonly namespace?: string;
    readonly serviceaccount?: { readonly name?: string; readonly uid?: string };
    readonly pod?: { readonly name?: string; readonly uid?: string };
    readonly node?: { readonly name?: string; readonly uid?: string };
    readonly secret?: { readonly name?: string; readonly uid?: string };
  };
}

/** Why a token is none, or whose it is. */
export type Verified = { readonly user: User; readonly audiences: readonly string[] } | { readonly error: string };

/** Finds a stored object. */
export type Find = (table: string, key: string) => KubeObject | undefined;

/** The key pair of one server. jose is loaded with the first token. */
export class ServiceAccountTokens implements TokenIssuer {
  readonly issuer = ISSUER;
  readonly audience = ISSUER;
  readonly #now: () => number;
  readonly #jwk: JsonWebKey | undefined;
  #keys: Promise<{ readonly sign: CryptoKey; readonly check: CryptoKey; readonly jwk: JsonWebKey }> | undefined;
  readonly #known = new Map<string, Claims>();

  /** `jwk` is the private key of an earlier life of the server. Default: a new one. */
  constructor(now: () => number, jwk?: JsonWebKey) {
    this.#now = now;
    this.#jwk = jwk;
  }

  /** The private key, to be kept with the data. */
  async privateKey(): Promise<JsonWebKey> {
    return (await this.#loaded()).jwk;
  }

  async sign(claims: Readonly<Record<string, unknown>>): Promise<string> {
    const { SignJWT } = await import("jose");
    const { sign } = await this.#loaded();
    return await new SignJWT(claims).setProtectedHeader({ alg: ALGORITHM, kid: "skep" }).sign(sign);
  }

  /** Whose token it is. `audiences` are those one of which it must be for. Default: the API's. */
  async verify(token: string, find: Find, audiences: readonly string[] = [this.audience]): Promise<Verified> {
    const claims = this.#known.get(token) ?? await this.#checked(token);
    if (claims === undefined) return { error: "invalid bearer token" };
    if ((claims.exp ?? 0) * 1000 <= this.#now()) {
      return { error: "[invalid bearer token, service account token has expired]" };
    }
    const own = [claims.aud ?? []].flat();
    const common = own.filter((audience) => audiences.includes(audience));
    if (common.length === 0) {
      return {
        error: `[invalid bearer token, token audiences ${JSON.stringify(own)} is invalid for the target audiences ${
          JSON.stringify(audiences)
        }]`,
      };
    }
    const bound = claims["kubernetes.io"] ?? {};
    const { namespace = "", serviceaccount: account = {} } = bound;
    const found = find("serviceaccounts", `${namespace}/${account.name}`);
    if (found === undefined || found.metadata.uid !== account.uid) {
      return { error: "[invalid bearer token, service account token has been invalidated]" };
    }
    for (const [table, ref] of [["pods", bound.pod], ["secrets", bound.secret], ["nodes", bound.node]] as const) {
      if (ref === undefined) continue;
      const object = find(table, table === "nodes" ? `${ref.name}` : `${namespace}/${ref.name}`);
      if (object?.metadata.uid !== ref.uid) {
        return { error: "[invalid bearer token, service account token has been invalidated]" };
      }
    }
    const extra: Record<string, string[]> = {};
    if (claims.jti !== undefined) extra["authentication.kubernetes.io/credential-id"] = [`JTI=${claims.jti}`];
    if (bound.pod !== undefined) {
      extra["authentication.kubernetes.io/pod-name"] = [bound.pod.name ?? ""];
      extra["authentication.kubernetes.io/pod-uid"] = [bound.pod.uid ?? ""];
    }
    return {
      user: { ...serviceAccountUser(namespace, account.name ?? ""), uid: account.uid ?? "", extra },
      audiences: common,
    };
  }

  async #checked(token: string): Promise<Claims | undefined> {
    if (token.split(".").length !== 3) return undefined;
    try {
      const { jwtVerify } = await import("jose");
      const { check } = await this.#loaded();
      const { payload } = await jwtVerify(token, check, {
        issuer: ISSUER,
        algorithms: [ALGORITHM],
        currentDate: new Date(this.#now()),
        clockTolerance: "100 years",
      });
      if (this.#known.size >= REMEMBERED) this.#known.delete(this.#known.keys().next().value as string);
      this.#known.set(token, payload as Claims);
      return payload as Claims;
    } catch {
      return undefined;
    }
  }

  #loaded() {
    return this.#keys ??= this.#load();
  }

  async #load() {
    const { subtle } = crypto;
    const algorithm = { name: "ECDSA", namedCurve: "P-256" };
    const jwk = this.#jwk ??
      await subtle.exportKey("jwk", (await subtle.generateKey(algorithm, true, ["sign", "verify"])).privateKey);
    const { d: _d, key_ops: _o, ...open } = jwk;
    return {
      sign: await subtle.importKey("jwk", jwk, algorithm, true, ["sign"]),
      check: await subtle.importKey("jwk", open, algorithm, true, ["verify"]),
      jwk,
    };
  }
}

/** The user that a ServiceAccount is. */
export function serviceAccountUser(namespace: string, name: string): User {
  return {
    name: `system:serviceaccount:${namespace}:${name}`,
    groups: ["system:serviceaccounts", `system:serviceaccounts:${namespace}`, "system:authenticated"],
  };
}
