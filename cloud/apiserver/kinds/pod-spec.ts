// What can be wrong with a pod's spec, in a pod and in the templates of workloads.
import { at, listAt, textAt } from "../../../protocol/apis/kube-object.ts";
import { quantityOf } from "../../../protocol/apis/quantity.ts";
import { type Cause, duplicate, required, unsupported, wrong } from "../status.ts";
import { nameError } from "./names.ts";

type Fields = Record<string, unknown>;

const PORT_RULE = "must be between 1 and 65535, inclusive";

/** `path` is that of the spec. */
export function podSpecErrors(spec: unknown, path: string): Cause[] {
  const causes: Cause[] = [];
  const volumes = volumeNames(listAt(spec, "volumes") as Fields[], `${path}.volumes`, causes);
  const names = new Set<unknown>();
  const containers = listAt(spec, "containers") as Fields[];
  if (containers.length === 0) causes.push(required(`${path}.containers`));
  for (const list of ["containers", "initContainers", "ephemeralContainers"]) {
    for (const [i, container] of (listAt(spec, list) as Fields[]).entries()) {
      causes.push(...containerErrors(container, `${path}.${list}[${i}]`, names, volumes));
    }
  }
  const policy = textAt(spec, "restartPolicy");
  if (!["Always", "OnFailure", "Never"].includes(policy)) {
    causes.push(unsupported(`${path}.restartPolicy`, policy, ["Always", "OnFailure", "Never"]));
  }
  const dns = textAt(spec, "dnsPolicy");
  const dnsPolicies = ["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"];
  if (!dnsPolicies.includes(dns)) causes.push(unsupported(`${path}.dnsPolicy`, dns, dnsPolicies));
  const node = textAt(spec, "nodeName");
  const nodeFault = node === "" ? undefined : nameError(node, "subdomain");
  if (nodeFault !== undefined) causes.push(wrong(`${path}.nodeName`, node, nodeFault));
  const deadline = at(spec, "activeDeadlineSeconds");
  if (typeof deadline === "number" && (deadline < 1 || deadline > 2147483647)) {
    causes.push(wrong(`${path}.activeDeadlineSeconds`, deadline, "must be between 1 and 2147483647, inclusive"));
  }
  for (const [i, toleration] of listAt(spec, "tolerations").entries()) {
    causes.push(...tolerationErrors(toleration, `${path}.tolerations[${i}]`));
  }
  return causes;
}

function volumeNames(volumes: readonly Fields[], path: string, causes: Cause[]): Set<unknown> {
  const names = new Set<unknown>();
  for (const [i, volume] of volumes.entries()) {
    const name = textAt(volume, "name");
    const fault = name === "" ? undefined : nameError(name, "label");
    if (name === "") causes.push(required(`${path}[${i}].name`));
    else if (fault !== undefined) causes.push(wrong(`${path}[${i}].name`, name, fault));
    if (names.has(name)) causes.push(duplicate(`${path}[${i}].name`, name));
    names.add(name);
  }
  return names;
}

function containerErrors(container: Fields, path: string, names: Set<unknown>, volumes: Set<unknown>): Cause[] {
  const causes: Cause[] = [];
  const name = textAt(container, "name");
  const fault = name === "" ? undefined : nameError(name, "label");
  if (name === "") causes.push(required(`${path}.name`));
  else if (fault !== undefined) causes.push(wrong(`${path}.name`, name, fault));
  else if (names.has(name)) causes.push(duplicate(`${path}.name`, name));
  names.add(name);
  const image = textAt(container, "image");
  if (image === "") causes.push(required(`${path}.image`));
  else if (image !== image.trim()) {
    causes.push(wrong(`${path}.image`, image, "must not have leading or trailing whitespace"));
  }
  for (const [i, port] of listAt(container, "ports").entries()) {
    const number = at(port, "containerPort");
    if (number === undefined || number === 0) causes.push(required(`${path}.ports[${i}].containerPort`));
    else if (isNoPort(number)) causes.push(wrong(`${path}.ports[${i}].containerPort`, number, PORT_RULE));
    const host = at(port, "hostPort");
    if (host !== undefined && host !== 0 && isNoPort(host)) {
      causes.push(wrong(`${path}.ports[${i}].hostPort`, host, PORT_RULE));
    }
    const protocol = textAt(port, "protocol");
    if (!["TCP", "UDP", "SCTP"].includes(protocol)) {
      causes.push(unsupported(`${path}.ports[${i}].protocol`, protocol, ["SCTP", "TCP", "UDP"]));
    }
  }
  for (const [i, variable] of listAt(container, "env").entries()) {
    if (textAt(variable, "name") === "") causes.push(required(`${path}.env[${i}].name`));
  }
  const mounted = new Set<string>();
  for (const [i, mount] of listAt(container, "volumeMounts").entries()) {
    const volume = textAt(mount, "name");
    const at = textAt(mount, "mountPath");
    if (volume === "") causes.push(required(`${path}.volumeMounts[${i}].name`));
    else if (!volumes.has(volume)) {
      const message = `Not found: ${JSON.stringify(volume)}`;
      causes.push({ reason: "FieldValueNotFound", message, field: `${path}.volumeMounts[${i}].name` });
    }
    if (at === "") causes.push(required(`${path}.volumeMounts[${i}].mountPath`));
    else if (mounted.has(at)) {
      causes.push(wrong(`${path}.volumeMounts[${i}].mountPath`, at, "must be unique"));
    }
    mounted.add(at);
  }
  causes.push(...resourceErrors(container, path));
  const pull = textAt(container, "imagePullPolicy");
  if (!["Always", "IfNotPresent", "Never"].includes(pull)) {
    causes.push(unsupported(`${path}.imagePullPolicy`, pull, ["Always", "IfNotPresent", "Never"]));
  }
  return causes;
}

function isNoPort(value: unknown): boolean {
  return typeof value !== "number" || value < 1 || value > 65_535;
}

function resourceErrors(container: Fields, path: string): Cause[] {
  const limits = (at(container, "resources", "limits") ?? {}) as Record<string, string>;
  const requests = (at(container, "resources", "requests") ?? {}) as Record<string, string>;
  return Object.entries(requests).flatMap(([name, request]) => {
    const limit = limits[name];
    if (limit === undefined || Number(quantityOf(request, 3)) <= Number(quantityOf(limit, 3))) return [];
    const detail = `must be less than or equal to ${name} limit of ${limit}`;
    return [wrong(`${path}.resources.requests`, request, detail)];
  });
}

function tolerationErrors(toleration: unknown, path: string): Cause[] {
  const operator = textAt(toleration, "operator");
  const causes: Cause[] = [];
  if (textAt(toleration, "key") === "" && operator !== "Exists") {
    causes.push(
      wrong(
        `${path}.operator`,
        operator,
        'operator must be Exists when `key` is empty, which means "match all values and all keys"',
      ),
    );
  }
  if (operator === "Exists" && textAt(toleration, "value") !== "") {
    causes.push(
      wrong(`${path}.operator`, textAt(toleration, "value"), "value must be empty when `operator` is 'Exists'"),
    );
  }
  if (at(toleration, "tolerationSeconds") !== undefined && textAt(toleration, "effect") !== "NoExecute") {
    causes.push(
      wrong(
        `${path}.effect`,
        textAt(toleration, "effect"),
        "effect must be 'NoExecute' when `tolerationSeconds` is set",
      ),
    );
  }
  if (!["", "Exists", "Equal"].includes(operator)) {
    causes.push(unsupported(`${path}.operator`, operator, ["Equal", "Exists"]));
  }
  return causes;
}
