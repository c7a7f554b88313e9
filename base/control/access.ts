// Who may use the control endpoint: clients that have the token, from a page of its own or from no page at all.
import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { hostname } from "node:os";

/** Why a request is refused. */
export interface Refused {
  readonly status: 401 | 403 | 421;
  readonly reason: string;
}

/** A new token: 256 random bits. */
export function newToken(): string {
  return randomBytes(32).toString("base64url");
}

/** The name of the cookie that a browser keeps the token in: cookies know no ports, so the port is in the name. */
export function cookieName(port: number): string {
  return `skep-${port}`;
}

/**
 * Why the request may not be served; undefined where it may. The host must be one that this endpoint has, so that no foreign name
 * can be made to lead here (DNS rebinding); a page of another origin is refused whatever it brings.
 */
export function refusalOf(
  request: IncomingMessage,
  where: { readonly host: string; readonly port: number },
  token: string,
): Refused | undefined {
  const { headers } = request;
  const { host = "" } = headers;
  if (!isOwnHost(host, where)) {
    return { status: 421, reason: `there is no ${host.slice(0, 100)} here: use the address that skep printed` };
  }
  const isForeign = headers.origin !== undefined && headers.origin !== `http://${host}`;
  if (isForeign || headers["sec-fetch-site"] === "cross-site") {
    return { status: 403, reason: "pages of other origins may not use this" };
  }
  if (!isToken(givenToken(request, where.port), token)) {
    return {
      status: 401,
      reason: "the token is needed: open the address that skep printed, or send it as Authorization: Bearer",
    };
  }
  return undefined;
}

/** Whether the token came in the address, as in the one that skep prints. */
export function hasTokenInAddress(request: IncomingMessage): boolean {
  return /[?&]token=/.test(request.url ?? "");
}

function givenToken(request: IncomingMessage, port: number): string {
  const [, bearer] = /^Bearer (.+)$/i.exec(request.headers.authorization ?? "") ?? [];
  if (bearer !== undefined) return bearer;
  const [, query] = /[?&]token=([^&]*)/.exec(request.url ?? "") ?? [];
  if (query !== undefined) return query;
  const name = `${cookieName(port)}=`;
  const cookie = (request.headers.cookie ?? "").split(/;\s*/).find((each) => each.startsWith(name));
  return cookie?.slice(name.length) ?? "";
}

function isOwnHost(host: string, where: { readonly host: string; readonly port: number }): boolean {
  const [, name = "", port] = /^(.*?)(?::(\d+))?$/.exec(host.toLowerCase()) ?? [];
  if (Number(port ?? 80) !== where.port) return false;
  if (["127.0.0.1", "localhost", "[::1]", where.host, `[${where.host}]`].includes(name)) return true;
  // Bound to every address, it has all of this machine's; a bare address can't be rebound.
  const isAny = where.host === "0.0.0.0" || where.host === "::";
  return isAny && (/^[\d.]+$/.test(name) || name.startsWith("[") || name === hostname().toLowerCase());
}

/** Compares in a time that tells nothing of the token. */
function isToken(given: string, token: string): boolean {
  const digest = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(given), digest(token));
}
