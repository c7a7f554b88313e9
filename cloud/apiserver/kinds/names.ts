// Names and labels: what Kubernetes accepts, and its words where it doesn't.
import type { ObjectMeta } from "../../../protocol/apis/kube-object.ts";
import { type Cause, required, wrong } from "../status.ts";

const label = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
const dns1035 = /^[a-z]([-a-z0-9]*[a-z0-9])?$/;
const subdomain = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const labelValue = /^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$/;
const qualifiedName = /^([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$/;

/** What names look like: labels and subdomains of RFC 1123, or labels of RFC 1035, which begin with a letter. */
export type NameForm = "label" | "subdomain" | "dns1035";

/** What is wrong with a name of that form; undefined where nothing is. */
export function nameError(name: string, form: NameForm): string | undefined {
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
      causes.push({
        reason: "FieldValueTooLong",
        message: "Too long: may not be more than 63 bytes",
        field: "metadata.labels",
      });
    } else if (!labelValue.test(value)) {
      causes.push(wrong(
        "metadata.labels",
        value,
        "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')",
      ));
    }
  }
  for (const key of Object.keys(metadata.annotations ?? {})) {
    causes.push(...keyErrors("metadata.annotations", key.toLowerCase()));
  }
  return causes;
}

function keyErrors(field: string, key: string): Cause[] {
  const parts = key.split("/");
  const name = parts.at(-1) as string;
  if (parts.length > 2 || !qualifiedName.test(name) || name.length > 63) {
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
