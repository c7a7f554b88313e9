// ServiceAccounts and their tokens.
import { at, listAt } from "../../../protocol/apis/kube-object.ts";
import { secondsOf } from "../../../protocol/apis/time.ts";
import { ageColumn, nameColumn } from "./columns.ts";
import { builtin } from "./define.ts";
import type { SubresourceCall } from "./kind.ts";

/** A token for a service account: opaque here, since nothing on this server accepts one. */
function tokenFor({ body, resources, target }: SubresourceCall): unknown {
  const account = resources.get(target);
  const spec = (at(body, "spec") ?? {}) as Record<string, unknown>;
  const seconds = Math.max(600, Number(spec.expirationSeconds ?? 3600));
  const now = Date.now();
  const claims = {
    aud: spec.audiences ?? ["https://kubernetes.default.svc.cluster.local"],
    exp: Math.floor(now / 1000) + seconds,
    iat: Math.floor(now / 1000),
    iss: "https://kubernetes.default.svc.cluster.local",
    sub: `system:serviceaccount:${target.namespace}:${target.name}`,
    "kubernetes.io": { namespace: target.namespace, serviceaccount: { name: target.name, uid: account.metadata.uid } },
  };
  const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
  return {
    kind: "TokenRequest",
    apiVersion: "authentication.k8s.io/v1",
    metadata: { name: target.name, namespace: target.namespace, creationTimestamp: new Date(now).toISOString() },
    spec: { ...spec, audiences: claims.aud, expirationSeconds: seconds },
    status: {
      token: `${encode({ alg: "none", typ: "JWT" })}.${encode(claims)}.unsigned`,
      expirationTimestamp: secondsOf(now + seconds * 1000),
    },
  };
}

export const serviceAccounts = builtin({
  kind: "ServiceAccount",
  plural: "serviceaccounts",
  shortNames: ["sa"],
  subresources: {
    token: {
      method: "POST",
      verbs: ["create"],
      answers: { group: "authentication.k8s.io", version: "v1", kind: "TokenRequest" },
      handle: (call) => ({ status: 201, body: tokenFor(call) }),
    },
  },
  columns: [nameColumn, { name: "Secrets", type: "string", cell: (sa) => listAt(sa, "secrets").length }, ageColumn],
  strategy: { deleteAnswersObject: true },
});
