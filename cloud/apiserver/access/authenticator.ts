// Who asks: by client certificate, by the server's own token, by a ServiceAccount's; and whom an administrator plays.
import { timingSafeEqual } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { TLSSocket } from "node:tls";
import type { User } from "../kinds/kind.ts";
import { ApiError } from "../status.ts";
import { type Find, type ServiceAccountTokens, serviceAccountUser } from "./tokens.ts";

/** The user of the token that the server gives out at its start. */
export const admin: User = { name: "admin", uid: "1", groups: ["system:masters", "system:authenticated"] };

const AUTHENTICATED = "system:authenticated";

/** What a server lets in. */
export interface Credentials {
  /** The administrator's token. */
  readonly token: string;
  readonly tokens: ServiceAccountTokens;
  readonly find: Find;
}

/** The user behind a request. Throws 401. */
export async function authenticate(request: IncomingMessage, { find, token, tokens }: Credentials): Promise<User> {
  const [scheme = "", given = ""] = (request.headers.authorization ?? "").split(" ");
  if (scheme.toLowerCase() === "bearer" && given !== "") {
    const wanted = Buffer.from(token);
    const found = Buffer.from(given);
    if (wanted.length === found.length && timingSafeEqual(wanted, found)) return admin;
    const verified = await tokens.verify(given, find);
    if ("user" in verified) return verified.user;
    throw unauthorized();
  }
  return certificateUser(request.socket as TLSSocket) ?? refuse();
}

const unauthorized = () => new ApiError(401, "Unauthorized", "Unauthorized");

function refuse(): never {
  throw unauthorized();
}

/** A client certificate of the server's own CA: its common name is the user, its organisations are the groups. */
function certificateUser(socket: TLSSocket): User | undefined {
  if (!socket.authorized) return undefined;
  const { subject } = socket.getPeerCertificate() as { subject?: { CN?: string | string[]; O?: string | string[] } };
  const name = [subject?.CN ?? []].flat()[0];
  if (name === undefined) return undefined;
  return { name, groups: [...[subject?.O ?? []].flat(), AUTHENTICATED] };
}

/** Whom a request plays; undefined where it plays nobody. `values` are those that need the right to. */
export interface Impersonation {
  readonly user: User;
  readonly requested: readonly {
    readonly resource: string;
    readonly group: string;
    readonly name: string;
    readonly subresource?: string;
  }[];
}

/** The impersonation that a request asks for. Throws 500 for groups without a user, as kube-apiserver does. */
export function impersonationOf(request: IncomingMessage): Impersonation | undefined {
  const headers = request.headers;
  const one = (name: string) => [headers[name] ?? []].flat()[0];
  const name = one("impersonate-user");
  const groups = listOf(request, "impersonate-group");
  const uid = one("impersonate-uid");
  const extra: Record<string, string[]> = {};
  for (const header of Object.keys(headers)) {
    if (!header.startsWith("impersonate-extra-")) continue;
    extra[decodeURIComponent(header.slice("impersonate-extra-".length))] = listOf(request, header);
  }
  const hasExtra = Object.keys(extra).length > 0;
  if (name === undefined || name === "") {
    if (groups.length === 0 && !hasExtra && uid === undefined) return undefined;
    const asked = groups.map((group) => `{Group  ${group}    }`).join(" ");
    throw new PlainError(
      500,
      `Internal Server Error: ${
        JSON.stringify(request.url ?? "")
      }: requested [${asked}] without impersonating a user\n`,
    );
  }
  const account = /^system:serviceaccount:([^:]+):([^:]+)$/.exec(name);
  const own = account === null
    ? groups
    : groups.length > 0
    ? groups
    : serviceAccountUser(account[1] as string, account[2] as string).groups;
  const all = own.includes(AUTHENTICATED) ? own : [...own, AUTHENTICATED];
  return {
    user: { name, groups: all, ...(uid === undefined ? {} : { uid }), ...(hasExtra ? { extra } : {}) },
    requested: [
      account === null
        ? { resource: "users", group: "", name }
        : { resource: "serviceaccounts", group: "", name: account[2] as string },
      ...groups.map((group) => ({ resource: "groups", group: "", name: group })),
      ...(uid === undefined ? [] : [{ resource: "uids", group: "authentication.k8s.io", name: uid }]),
      ...Object.entries(extra).flatMap(([key, values]) =>
        values.map((value) => ({
          resource: "userextras",
          group: "authentication.k8s.io",
          name: value,
          subresource: key,
        }))
      ),
    ],
  };
}

/** Node joins the values of repeated headers; the raw ones are as they came. */
function listOf(request: IncomingMessage, name: string): string[] {
  const values: string[] = [];
  for (let i = 0; i < request.rawHeaders.length; i += 2) {
    if ((request.rawHeaders[i] as string).toLowerCase() === name) values.push(request.rawHeaders[i + 1] as string);
  }
  return values;
}

/** An answer that is plain text, not a Status. */
export class PlainError extends Error {
  readonly code: number;
  constructor(code: number, text: string) {
    super(text);
    this.code = code;
  }
}
