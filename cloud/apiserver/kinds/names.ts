// Names and labels: what Kubernetes accepts, and its words where it doesn't.
import type { ObjectMeta, OwnerReference } from "../../../protocol/apis/kube-object.ts";
import { type Cause, required, wrong } from "../status.ts";

const label = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
const dns1035 = /^[a-z]([-a-z0-9]*[a-z0-9])?$/;
const subdomain = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const labelValue = /^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$/;
const qualifiedName = /^([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$/;

/** What names look like: labels and subdomains of RFC 1123, or labels of RFC 1035, which begin with a letter. */
export type NameForm = "label" | "subdomain" | "dns1035" | "path";

/** What is wrong with a name of that form; undefined where nothing is. */
export function nameError(name: string, form: NameForm): string | undefined {
  if (form === "path") {
    if (name === "." || name === "..") return `may not be '${name}'`;
    const wrong = ["/", "%"].find((letter) => name.includes(letter));
    return wrong === undefined ? undefined : `may not contain '${wrong}'`;
  }
  if (form === "dns1035") {
    if (name.length > 63) return "must be no more than 63 characters";
    return dns1035.test(name)
      ? undefined
      : "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
  }
  if (form === "label") {
    if (name.includes(".")) return "must not contain dots";
    if (name.length > 63) return "must be no more than 63 characters";
    return label.test(name)
      ? undefined
      : "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
  }
  if (name.length > 253) return "must be no more than 253 characters";
  return subdomain.test(name)
    ? undefined
    : "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
}

/** The faults of an object's metadata. */
export function metadataErrors(metadata: ObjectMeta, form: NameForm): Cause[] {
  const causes: Cause[] = [];
  if (!metadata.name) causes.push(required("metadata.name", "name or generateName is required"));
  else {
    const fault = nameError(metadata.name, form);
    if (fault !== undefined) causes.push(wrong("metadata.name", metadata.name, fault));
  }
  for (const [key, value] of Object.entries(metadata.labels ?? {})) {
    causes.push(...keyErrors("metadata.labels", key));
    if (typeof value === "string" && value.length > 63) {
      causes.push(wrong("metadata.labels", value, "must be no more than 63 characters"));
    } else if (!labelValue.test(value)) {
      causes.push(wrong(
        "metadata.labels",
        value,
        "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')",
      ));
    }
  }
  let bytes = 0;
  for (const [key, value] of Object.entries(metadata.annotations ?? {})) {
    causes.push(...keyErrors("metadata.annotations", key.toLowerCase()));
    bytes += key.length + value.length;
  }
  if (bytes > MAX_ANNOTATIONS) {
    const message = `Too long: may not be more than ${MAX_ANNOTATIONS} bytes`;
    causes.push({ reason: "FieldValueTooLong", message, field: "metadata.annotations" });
  }
  for (const [i, finalizer] of (metadata.finalizers ?? []).entries()) causes.push(...finalizerErrors(finalizer, i));
  causes.push(...ownerErrors(metadata.ownerReferences ?? []));
  return causes;
}

/** Bytes of all annotations together. */
const MAX_ANNOTATIONS = 262_144;
const standardFinalizers: ReadonlySet<string> = new Set(["orphan", "foregroundDeletion", "kubernetes"]);

function finalizerErrors(finalizer: string, index: number): Cause[] {
  const faults = keyErrors("metadata.finalizers", finalizer);
  if (faults.length > 0 || finalizer.includes("/") || standardFinalizers.has(finalizer)) return faults;
  const rule = "name is neither a standard finalizer name nor is it fully qualified";
  return [wrong(`metadata.finalizers[${index}]`, finalizer, rule)];
}

function ownerErrors(owners: readonly OwnerReference[]): Cause[] {
  const causes: Cause[] = [];
  const field = "metadata.ownerReferences";
  for (const { apiVersion, kind, name, uid } of owners) {
    const parts = (apiVersion ?? "").split("/");
    if (parts.length > 2 || parts.at(-1) === "") {
      causes.push(wrong(`${field}.apiVersion`, apiVersion ?? "", "version must not be empty"));
    }
    if (!kind) causes.push(wrong(`${field}.kind`, "", "kind must not be empty"));
    if (!name) causes.push(wrong(`${field}.name`, "", "name must not be empty"));
    if (!uid) causes.push(wrong(`${field}.uid`, "", "uid must not be empty"));
  }
  const controllers = owners.filter(({ controller }) => controller === true);
  if (controllers.length > 1) {
    const [one, other] = controllers as [OwnerReference, OwnerReference];
    const detail =
      `Only one reference can have Controller set to true. Found "true" in references for ${one.kind}/${one.name} and ${other.kind}/${other.name}`;
    causes.push({ reason: "FieldValueInvalid", message: `Invalid value: ${goOwners(owners)}: ${detail}`, field });
  }
  return causes;
}

/** As Go prints them. */
function goOwners(owners: readonly OwnerReference[]): string {
  const one = ({ apiVersion, kind, name, uid }: OwnerReference) =>
    `v1.OwnerReference{APIVersion:${JSON.stringify(apiVersion)}, Kind:${JSON.stringify(kind)}, Name:${
      JSON.stringify(name)
    }, UID:${JSON.stringify(uid)}, Controller:(*bool)(0x0), BlockOwnerDeletion:(*bool)(nil)}`;
  return `[]v1.OwnerReference{${owners.map(one).join(", ")}}`;
}

function keyErrors(field: string, key: string): Cause[] {
  const parts = key.split("/");
  const name = parts.at(-1) as string;
  if (parts.length > 2) {
    const rule =
      "a qualified name must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]') with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')";
    return [wrong(field, key, rule)];
  }
  if (name.length > 63) return [wrong(field, key, "name part must be no more than 63 characters")];
  if (!qualifiedName.test(name)) {
    return [wrong(
      field,
      key,
      "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')",
    )];
  }
  if (parts.length === 2 && !subdomain.test(parts[0] as string)) {
    return [wrong(field, key, `prefix part ${nameError(parts[0] as string, "subdomain")}`)];
  }
  return [];
}
