// The built-in kinds this server has. A later kind is one more entry here.
import { at, type KubeObject, listAt, textAt } from "../../../protocol/apis/kube-object.ts";
import { deepEqual } from "../patch/json-patch.ts";
import { badRequest, type Cause, denied, required, unsupported, wrong } from "../status.ts";
import { ageColumn, countColumn, eventColumns, nameColumn, nodeColumns, podColumns, textColumn } from "./columns.ts";
import { allVerbs, type Column, type Kind, type Strategy } from "./kind.ts";
import { podStrategy } from "./pods.ts";
import { endpointsColumns, endpointsStrategy, serviceColumns, serviceStrategy } from "./services.ts";

interface Entry {
  readonly kind: string;
  readonly plural: string;
  readonly singular?: string;
  readonly group?: string;
  readonly version?: string;
  readonly namespaced?: boolean;
  readonly shortNames?: readonly string[];
  readonly categories?: readonly string[];
  readonly verbs?: readonly string[];
  readonly subresources?: Kind["subresources"];
  readonly columns?: readonly Column[];
  readonly strategy?: Strategy;
}

function builtin(entry: Entry): Kind {
  return {
    group: entry.group ?? "",
    version: entry.version ?? "v1",
    kind: entry.kind,
    listKind: `${entry.kind}List`,
    plural: entry.plural,
    singular: entry.singular ?? entry.kind.toLowerCase(),
    namespaced: entry.namespaced ?? true,
    ...(entry.shortNames === undefined ? {} : { shortNames: entry.shortNames }),
    ...(entry.categories === undefined ? {} : { categories: entry.categories }),
    verbs: entry.verbs ?? allVerbs,
    subresources: entry.subresources ?? [],
    columns: entry.columns ?? [nameColumn, ageColumn],
    strategy: entry.strategy ?? {},
    custom: false,
  };
}

/** Status is written through its subresource only: a create or update of the object keeps the old one. */
const statusApart: Strategy = {
  prepareCreate(object) {
    delete object.status;
  },
  prepareUpdate(object, old) {
    if (old.status === undefined) delete object.status;
    else object.status = old.status;
  },
};

const namespaceStrategy: Strategy = {
  nameForm: "label",
  prepareCreate(namespace) {
    namespace.spec = { finalizers: ["kubernetes"] };
    namespace.status = { phase: "Active" };
    namespace.metadata.labels = {
      ...namespace.metadata.labels,
      "kubernetes.io/metadata.name": namespace.metadata.name,
    };
  },
  prepareUpdate(namespace, old) {
    namespace.spec = old.spec;
    namespace.status = old.status;
    namespace.metadata.labels = {
      ...namespace.metadata.labels,
      "kubernetes.io/metadata.name": namespace.metadata.name,
    };
  },
};

const dataKey = /^[-._a-zA-Z0-9]+$/;

/** ConfigMaps and Secrets: keys, total size, and that an immutable one stays as it is. */
function dataErrors(object: KubeObject, old: KubeObject | undefined, fields: readonly string[]): Cause[] {
  const causes: Cause[] = [];
  let total = 0;
  for (const field of fields) {
    for (const [key, value] of Object.entries((object[field] ?? {}) as Record<string, unknown>)) {
      if (typeof value !== "string") {
        throw badRequest(
          `${object.kind} in version "v1" cannot be handled as a ${object.kind}: json: cannot unmarshal ${typeof value} into Go struct field ${object.kind}.${field} of type string`,
        );
      }
      total += value.length;
      if (!dataKey.test(key)) {
        causes.push(
          wrong(
            `${field}[${key}]`,
            key,
            "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')",
          ),
        );
      }
    }
  }
  if (total > 1024 * 1024) {
    causes.push({ reason: "FieldValueTooLong", message: "Too long: may not be more than 1048576 bytes", field: "" });
  }
  if (old?.immutable === true) {
    if (object.immutable !== true) causes.push(denied("immutable", "field is immutable when `immutable` is set"));
    for (const field of fields) {
      if (!deepEqual(object[field] ?? {}, old[field] ?? {})) {
        causes.push(denied(field, "field is immutable when `immutable` is set"));
      }
    }
  }
  return causes;
}

function refuseBadBase64(secret: KubeObject, value: unknown): void {
  if (typeof value !== "string") return; // told by dataErrors
  const wrong = /[^A-Za-z0-9+/=\s]/.exec(value);
  if (wrong !== null || value.replace(/\s/g, "").length % 4 !== 0) {
    throw badRequest(
      `${secret.kind} in version "v1" cannot be handled as a ${secret.kind}: illegal base64 data at input byte ${
        wrong?.index ?? value.length
      }`,
    );
  }
}

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

const configMapStrategy: Strategy = {
  validate: (object, old) => dataErrors(object, old, ["data", "binaryData"]),
};

const secretStrategy: Strategy = {
  prepareCreate(secret) {
    secret.type ??= "Opaque";
    const given = secret.stringData as Record<string, string> | undefined;
    if (given === undefined) return;
    const data = { ...(secret.data as Record<string, string> | undefined) };
    for (const [key, value] of Object.entries(given)) data[key] = Buffer.from(value, "utf8").toString("base64");
    secret.data = data;
    delete secret.stringData;
  },
  prepareUpdate(secret, old) {
    secretStrategy.prepareCreate?.(secret);
    if (secret.type === "Opaque" && old.type !== undefined) secret.type = old.type;
  },
  validate(secret, old) {
    for (const value of Object.values((secret.data ?? {}) as Record<string, string>)) refuseBadBase64(secret, value);
    const causes = [...dataErrors(secret, old, ["data"]), ...secretTypeErrors(secret)];
    if (old !== undefined && secret.type !== old.type) causes.push(wrong("type", secret.type, "field is immutable"));
    return causes;
  },
};

const leaseStrategy: Strategy = {
  versionRequired: true,
  validate(lease) {
    const causes: Cause[] = [];
    const duration = at(lease, "spec", "leaseDurationSeconds");
    if (typeof duration === "number" && duration <= 0) {
      causes.push(wrong("spec.leaseDurationSeconds", duration, "must be greater than 0"));
    }
    return causes;
  },
};

const eventStrategy: Strategy = {
  validate(event) {
    const namespace = textAt(event, "involvedObject", "namespace") || "default";
    if (namespace === (event.metadata.namespace ?? "")) return [];
    return [
      wrong("involvedObject.namespace", textAt(event, "involvedObject", "namespace"), "does not match event.namespace"),
    ];
  },
};

const crdStrategy: Strategy = {
  generation: true,
  deleteAnswersObject: true,
  prepareCreate(crd) {
    delete crd.status;
    const spec = structuredClone((crd.spec ?? {}) as Record<string, unknown>);
    const names = (spec.names ??= {}) as Record<string, unknown>;
    names.singular ??= String(names.kind ?? "").toLowerCase();
    names.listKind ??= `${String(names.kind ?? "")}List`;
    spec.conversion ??= { strategy: "None" };
    crd.spec = spec;
  },
  prepareUpdate(crd, old) {
    crdStrategy.prepareCreate?.(crd);
    if (old.status !== undefined) crd.status = old.status;
  },
  validate(crd) {
    const causes: Cause[] = [];
    const group = textAt(crd, "spec", "group");
    const plural = textAt(crd, "spec", "names", "plural");
    if (group === "") causes.push(required("spec.group"));
    if (plural === "") causes.push(required("spec.names.plural"));
    if (textAt(crd, "spec", "names", "kind") === "") causes.push(required("spec.names.kind"));
    if (crd.metadata.name !== `${plural}.${group}`) {
      causes.push(wrong("metadata.name", crd.metadata.name, 'must be spec.names.plural+"."+spec.group'));
    }
    const scope = textAt(crd, "spec", "scope");
    if (scope !== "Cluster" && scope !== "Namespaced") {
      causes.push(unsupported("spec.scope", scope, ["Cluster", "Namespaced"]));
    }
    if (listAt(crd, "spec", "versions").filter((v) => at(v, "storage") === true).length !== 1) {
      causes.push(
        wrong(
          "spec.versions",
          listAt(crd, "spec", "versions").length,
          "must have exactly one version marked as storage version",
        ),
      );
    }
    return causes;
  },
};

const serviceAccountStrategy: Strategy = { deleteAnswersObject: true };

export const builtinKinds: readonly Kind[] = [
  builtin({
    kind: "Namespace",
    plural: "namespaces",
    namespaced: false,
    shortNames: ["ns"],
    subresources: ["status", "finalize"],
    verbs: allVerbs.filter((v) => v !== "deletecollection"),
    columns: [nameColumn, textColumn("Status", "status", "phase"), ageColumn],
    strategy: namespaceStrategy,
  }),
  builtin({
    kind: "Node",
    plural: "nodes",
    namespaced: false,
    shortNames: ["no"],
    subresources: ["status"],
    columns: nodeColumns,
    strategy: { prepareUpdate: (node, old) => statusApart.prepareUpdate?.(node, old) },
  }),
  builtin({
    kind: "Pod",
    plural: "pods",
    shortNames: ["po"],
    categories: ["all"],
    subresources: ["status", "binding", "eviction"],
    columns: podColumns,
    strategy: podStrategy,
  }),
  builtin({
    kind: "ConfigMap",
    plural: "configmaps",
    shortNames: ["cm"],
    columns: [nameColumn, countColumn("Data", "data", "binaryData"), ageColumn],
    strategy: configMapStrategy,
  }),
  builtin({
    kind: "Secret",
    plural: "secrets",
    columns: [nameColumn, textColumn("Type", "type"), countColumn("Data", "data"), ageColumn],
    strategy: secretStrategy,
  }),
  builtin({
    kind: "ServiceAccount",
    plural: "serviceaccounts",
    shortNames: ["sa"],
    subresources: ["token"],
    columns: [nameColumn, { name: "Secrets", type: "string", cell: (sa) => listAt(sa, "secrets").length }, ageColumn],
    strategy: serviceAccountStrategy,
  }),
  builtin({
    kind: "Service",
    plural: "services",
    shortNames: ["svc"],
    categories: ["all"],
    subresources: ["status"],
    columns: serviceColumns,
    strategy: serviceStrategy,
  }),
  builtin({
    kind: "Endpoints",
    plural: "endpoints",
    singular: "endpoints",
    shortNames: ["ep"],
    columns: endpointsColumns,
    strategy: endpointsStrategy,
  }),
  builtin({ kind: "Event", plural: "events", shortNames: ["ev"], columns: eventColumns, strategy: eventStrategy }),
  builtin({
    kind: "PersistentVolume",
    plural: "persistentvolumes",
    namespaced: false,
    shortNames: ["pv"],
    subresources: ["status"],
    strategy: statusApart,
  }),
  builtin({
    kind: "PersistentVolumeClaim",
    plural: "persistentvolumeclaims",
    shortNames: ["pvc"],
    subresources: ["status"],
    strategy: statusApart,
  }),
  builtin({
    kind: "VolumeAttachment",
    plural: "volumeattachments",
    group: "storage.k8s.io",
    namespaced: false,
    subresources: ["status"],
    strategy: statusApart,
  }),
  builtin({
    kind: "CertificateSigningRequest",
    plural: "certificatesigningrequests",
    group: "certificates.k8s.io",
    namespaced: false,
    shortNames: ["csr"],
    subresources: ["status"],
    strategy: statusApart,
  }),
  builtin({
    kind: "Lease",
    plural: "leases",
    group: "coordination.k8s.io",
    columns: [nameColumn, textColumn("Holder", "spec", "holderIdentity"), ageColumn],
    strategy: leaseStrategy,
  }),
  builtin({
    kind: "CustomResourceDefinition",
    plural: "customresourcedefinitions",
    group: "apiextensions.k8s.io",
    namespaced: false,
    shortNames: ["crd", "crds"],
    categories: ["api-extensions"],
    subresources: ["status"],
    columns: [nameColumn, { name: "Created At", type: "date", cell: (crd) => crd.metadata.creationTimestamp ?? null }],
    strategy: crdStrategy,
  }),
];
