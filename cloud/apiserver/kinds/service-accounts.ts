// ServiceAccounts and their tokens.
import { at, listAt, textAt } from "../../../protocol/apis/kube-object.ts";
import { secondsOf } from "../../../protocol/apis/time.ts";
import { badRequest, type Cause, conflict, invalid, notFound, wrong } from "../status.ts";
import { ageColumn, nameColumn } from "./columns.ts";
import type { KindRules, SubresourceCall } from "./kind.ts";

const SHORTEST = 600;
const LONGEST = 2 ** 32;
const DEFAULT = 3600;
const MINUTES = "may not specify a duration less than 10 minutes";

/** A signed token of a ServiceAccount, for the pod, secret or node that the request binds it to. */
async function tokenFor({ body, isDryRun, resources, target }: SubresourceCall): Promise<unknown> {
  const { name, namespace } = target;
  const account = resources.get(target);
  const given = textAt(body, "metadata", "name");
  if (given !== "" && given !== name) throw badRequest("name in the body does not match the name in the URL");
  const spec = (at(body, "spec") ?? {}) as Record<string, unknown>;
  const seconds = Number(spec.expirationSeconds ?? DEFAULT);
  const causes: Cause[] = [];
  if (seconds < SHORTEST) causes.push(wrong("spec.expirationSeconds", seconds, MINUTES));
  if (seconds > LONGEST) {
    causes.push(wrong("spec.expirationSeconds", seconds, "may not specify a duration larger than 2^32 seconds"));
  }
  if (causes.length > 0) throw invalid({ group: "authentication.k8s.io", kind: "TokenRequest" }, "", causes);
  const audiences = listAt(spec, "audiences").length > 0 ? spec.audiences : [resources.tokens.audience];
  const now = resources.now();
  const issued = Math.floor(now / 1000);
  const bound = boundTo(spec.boundObjectRef, namespace, resources);
  const token = isDryRun ? "" : await resources.tokens.sign({
    aud: audiences,
    exp: issued + seconds,
    iat: issued,
    nbf: issued,
    iss: resources.tokens.issuer,
    jti: crypto.randomUUID(),
    "kubernetes.io": { namespace, ...bound, serviceaccount: { name, uid: account.metadata.uid } },
    sub: `system:serviceaccount:${namespace}:${name}`,
  });
  return {
    kind: "TokenRequest",
    apiVersion: "authentication.k8s.io/v1",
    metadata: { name, namespace, creationTimestamp: secondsOf(now) },
    spec: { audiences, expirationSeconds: seconds, boundObjectRef: spec.boundObjectRef ?? null },
    status: { token, expirationTimestamp: secondsOf(now + seconds * 1000) },
  };
}

/** The claim about the object that a token is bound to. */
function boundTo(ref: unknown, namespace: string, resources: SubresourceCall["resources"]): Record<string, unknown> {
  if (ref === undefined || ref === null) return {};
  const name = textAt(ref, "name");
  const kind = textAt(ref, "kind");
  const table = { Pod: "pods", Secret: "secrets", Node: "nodes" }[kind];
  if (table === undefined) throw badRequest(`cannot bind token for object of type ${kind}`);
  const object = resources.find(table, table === "nodes" ? name : `${namespace}/${name}`);
  if (object === undefined) throw notFound({ group: "", plural: table }, name);
  const uid = textAt(ref, "uid");
  if (uid !== "" && uid !== object.metadata.uid) {
    throw conflict(
      { group: "", plural: table },
      name,
      `the UID in the bound object reference (${uid}) does not match the UID in record. The object might have been deleted and then recreated`,
    );
  }
  return { [kind.toLowerCase()]: { name, uid: object.metadata.uid } };
}

export const serviceAccounts: KindRules = {
  shortNames: ["sa"],
  subresources: {
    token: {
      as: "action",
      method: "POST",
      handle: async (call) => ({ status: 201, body: await tokenFor(call) }),
    },
  },
  columns: [nameColumn, { name: "Secrets", type: "string", cell: (sa) => listAt(sa, "secrets").length }, ageColumn],
  strategy: { deleteAnswersObject: true },
};
