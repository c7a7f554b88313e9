// The bootstrap token: `<sha256 of the CA's DER, hex>.<JWT>`, HS256 with the CA key's SEC1 DER as secret.
import { SkepError } from "../../base/error/skep-error.ts";
import { createHash } from "node:crypto";
import { errors, jwtVerify, SignJWT } from "jose";
import type { KeyPair } from "./ca.ts";

/** Makes the token that lets an edge enrol until `expires` (Unix milliseconds). */
export async function createToken(ca: Pick<KeyPair, "certDer" | "keyDer">, expires: number): Promise<string> {
  const jwt = await new SignJWT({})
    .setProtectedHeader({ alg: "HS256", typ: "JWT" })
    .setExpirationTime(Math.floor(expires / 1000))
    .sign(ca.keyDer);
  return `${caHash(ca.certDer)}.${jwt}`;
}

/** SHA-256 of the CA certificate's DER, hex: the first part of a token. */
export function caHash(certDer: Uint8Array): string {
  return createHash("sha256").update(certDer).digest("hex");
}

/** A token that can't be used, with what to do about it. */
export class TokenError extends SkepError {
  readonly code = "SKEP_TOKEN";
}

/** Takes a token apart: what the CA must hash to, and the JWT that goes into `Authorization`. */
export function parseToken(token: string): { readonly caHash: string; readonly jwt: string } {
  const parts = token.split(".");
  if (parts.length !== 4) {
    throw new TokenError(`the token has ${parts.length} parts between dots, not 4; copy the whole of it`);
  }
  return { caHash: parts[0] as string, jwt: parts.slice(1).join(".") };
}

/** Why a JWT is refused, in KubeEdge's words; undefined where it is good. */
export async function refuseJwt(ca: Pick<KeyPair, "keyDer">, jwt: string, now: number): Promise<string | undefined> {
  if (jwt.split(".").length !== 3) return "token is malformed: token contains an invalid number of segments";
  try {
    await jwtVerify(jwt, ca.keyDer, { currentDate: new Date(now), algorithms: ["HS256", "HS384", "HS512"] });
    return undefined;
  } catch (error) {
    if (error instanceof errors.JWTExpired) return "token has invalid claims: token is expired";
    if (error instanceof errors.JWSSignatureVerificationFailed) {
      return "token signature is invalid: signature is invalid";
    }
    return `token is malformed: ${(error as Error).message}`;
  }
}
