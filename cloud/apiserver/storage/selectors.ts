// Label and field selectors, as they stand in a query.
import { type KubeObject, textAt } from "../../../protocol/apis/kube-object.ts";
import { badRequest } from "../status.ts";

export type Predicate = (object: KubeObject) => boolean;

/** Whole words of the label syntax: `a=b`, `a!=b`, `a in (b,c)`, `a notin (b)`, `a`, `!a`, `a>1`, joined by commas. */
const requirement =
  /^\s*(?:(!)\s*([^\s=!<>,()]+)|([^\s=!<>,()]+)\s+(in|notin)\s*\(([^()]*)\)|([^\s=!<>,()]+)\s*(==|=|!=|>|<)\s*([^\s=!<>,()]*)|([^\s=!<>,()]+))\s*(?:,|$)/;

/** Throws 400 for what is no selector. */
export function labelSelector(text: string): Predicate {
  const tests: ((labels: Record<string, string>) => boolean)[] = [];
  let rest = text;
  while (rest.trim() !== "") {
    const match = requirement.exec(rest);
    if (match === null) throw badRequest(`unable to parse requirement: found '${rest}', expected: identifier`);
    rest = rest.slice(match[0].length);
    const [, not, absent, setKey, setOperator, setValues, key, operator, value = "", present] = match;
    if (not !== undefined) tests.push((labels) => !Object.hasOwn(labels, absent as string));
    else if (setKey !== undefined) {
      const values = new Set((setValues ?? "").split(",").map((v) => v.trim()));
      if (setOperator === "in") {
        tests.push((labels) => Object.hasOwn(labels, setKey) && values.has(labels[setKey] as string));
      } else tests.push((labels) => !Object.hasOwn(labels, setKey) || !values.has(labels[setKey] as string));
    } else if (key !== undefined) tests.push(compare(key, operator as string, value));
    else tests.push((labels) => Object.hasOwn(labels, present as string));
  }
  return (object) => {
    const labels = object.metadata.labels ?? {};
    return tests.every((test) => test(labels));
  };
}

function compare(key: string, operator: string, value: string): (labels: Record<string, string>) => boolean {
  if (operator === "!=") return (labels) => labels[key] !== value;
  if (operator === ">" || operator === "<") {
    const limit = Number(value);
    if (!Number.isInteger(limit)) {
      throw badRequest(
        `values[0][${key}]: Invalid value: "${value}": for 'Gt', 'Lt' operators, the value must be an integer`,
      );
    }
    return (labels) => {
      const found = Number(labels[key] ?? Number.NaN);
      return operator === ">" ? found > limit : found < limit;
    };
  }
  return (labels) => labels[key] === value;
}

/** The fields a kind can be selected by, beside name and namespace. */
const fieldsOf: Readonly<Record<string, readonly string[]>> = {
  pods: [
    "spec.nodeName",
    "spec.restartPolicy",
    "spec.schedulerName",
    "spec.serviceAccountName",
    "spec.hostNetwork",
    "status.phase",
    "status.podIP",
    "status.podIPs",
    "status.nominatedNodeName",
  ],
  nodes: ["spec.unschedulable"],
  secrets: ["type"],
  namespaces: ["status.phase", "name"],
  events: [
    "involvedObject.kind",
    "involvedObject.namespace",
    "involvedObject.name",
    "involvedObject.uid",
    "involvedObject.apiVersion",
    "involvedObject.resourceVersion",
    "involvedObject.fieldPath",
    "reason",
    "reportingComponent",
    "source",
    "type",
  ],
};

/** Throws 400 for a field that the kind can't be selected by. */
export function fieldSelector(text: string, plural: string, namespaced: boolean): Predicate {
  const tests: Predicate[] = [];
  for (const part of text.split(",").filter((p) => p !== "")) {
    const match = /^([^=!]+)(==|=|!=)(.*)$/.exec(part);
    if (match === null) throw badRequest(`invalid selector: '${text}'; can't understand '${part}'`);
    const [, field = "", operator, value = ""] = match;
    const known = field === "metadata.name" || (field === "metadata.namespace" && namespaced) ||
      fieldsOf[plural]?.includes(field);
    if (!known) throw badRequest(`field label not supported: ${field}`);
    const read = reader(plural, field);
    tests.push(operator === "!=" ? (object) => read(object) !== value : (object) => read(object) === value);
  }
  return (object) => tests.every((test) => test(object));
}

function reader(plural: string, field: string): (object: KubeObject) => string {
  const path = field.split(".");
  if (plural === "nodes" || field === "spec.hostNetwork") {
    return (object) => {
      let value: unknown = object;
      for (const step of path) value = (value as Record<string, unknown> | undefined)?.[step];
      return value === undefined ? (path[0] === "metadata" ? "" : "false") : String(value);
    };
  }
  if (field === "name") return (object) => object.metadata.name;
  if (field === "reportingComponent" || field === "source") {
    return (object) => textAt(object, "source", "component") || textAt(object, "reportingComponent");
  }
  return (object) => textAt(object, ...path);
}

/** Both selectors of a request together. */
export function selectorOf(query: URLSearchParams, plural: string, namespaced: boolean): Predicate {
  const labels = labelSelector(query.get("labelSelector") ?? "");
  const fields = fieldSelector(query.get("fieldSelector") ?? "", plural, namespaced);
  return (object) => labels(object) && fields(object);
}
