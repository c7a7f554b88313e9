// Secrets: base64, the keys that Kubernetes' own types must have, stringData.
import { type KubeObject, textAt } from "../../../protocol/apis/kube-object.ts";
import { type Cause, required, wrong } from "../status.ts";
import { ageColumn, countColumn, nameColumn, textColumn } from "./columns.ts";
import { dataErrors } from "./data-keys.ts";
import type { KindRules, Strategy } from "./kind.ts";

/** The keys that secrets of Kubernetes' own types must have. */
const secretKeys: Readonly<Record<string, readonly string[]>> = {
  "kubernetes.io/tls": ["tls.crt", "tls.key"],
  "kubernetes.io/dockerconfigjson": [".dockerconfigjson"],
  "kubernetes.io/dockercfg": [".dockercfg"],
  "kubernetes.io/ssh-auth": ["ssh-privatekey"],
};

function secretTypeErrors(secret: KubeObject): Cause[] {
  const data = (secret.data ?? {}) as Record<string, string>;
  const type = String(secret.type);
  if (type === "kubernetes.io/basic-auth" && data.username === undefined && data.password === undefined) {
    return [required("data[username]"), required("data[password]")];
  }
  if (
    type === "kubernetes.io/service-account-token" &&
    !secret.metadata.annotations?.["kubernetes.io/service-account.name"]
  ) {
    return [required("metadata.annotations[kubernetes.io/service-account.name]")];
  }
  const keys = secretKeys[type] ?? [];
  const missing = keys.filter((key) => data[key] === undefined).map((key) => required(`data[${key}]`));
  const [key] = keys;
  if (missing.length > 0 || key === undefined || !type.includes("docker")) return missing;
  try {
    JSON.parse(Buffer.from(data[key] ?? "", "base64").toString("utf8"));
    return [];
  } catch {
    const message = 'Invalid value: "<secret contents redacted>": unexpected end of JSON input';
    return [{ reason: "FieldValueInvalid", message, field: `data[${key}]` }];
  }
}

function takeStringData(secret: KubeObject): void {
  const given = secret.stringData as Record<string, string> | undefined;
  if (given === undefined) return;
  const data = { ...(secret.data as Record<string, string> | undefined) };
  for (const [key, value] of Object.entries(given)) data[key] = Buffer.from(value, "utf8").toString("base64");
  secret.data = data;
  delete secret.stringData;
}

const secretStrategy: Strategy = {
  prepareCreate(secret, { warn }) {
    takeStringData(secret);
    if (secret.type !== "kubernetes.io/tls") return;
    const certificate = (secret.data as Record<string, string> | undefined)?.["tls.crt"];
    if (certificate === undefined) return;
    const text = Buffer.from(certificate, "base64").toString("latin1");
    if (!text.includes("-----BEGIN")) warn("tls: failed to find any PEM data in certificate input");
  },
  prepareUpdate(secret, old) {
    takeStringData(secret);
    if (secret.type === "Opaque" && old.type !== undefined) secret.type = old.type;
  },
  validate(secret, old) {
    const causes = [...dataErrors(secret, old, ["data"]), ...secretTypeErrors(secret)];
    if (old !== undefined && secret.type !== old.type) causes.push(wrong("type", secret.type, "field is immutable"));
    return causes;
  },
};

export const secrets: KindRules = {
  selectable: { type: (secret) => textAt(secret, "type") },
  columns: [nameColumn, textColumn("Type", "type"), countColumn("Data", "data"), ageColumn],
  strategy: secretStrategy,
};
