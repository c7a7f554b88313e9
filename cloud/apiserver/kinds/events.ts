// Events: one table, shown in the core group and in events.k8s.io.
import { at, type KubeObject, textAt } from "../../../protocol/apis/kube-object.ts";
import { type Cause, required, wrong } from "../status.ts";
import { ageOf, textColumn } from "./columns.ts";
import type { Column, Kind, KindRules, Strategy } from "./kind.ts";

type Fields = Record<string, unknown>;

/** Names of fields in the core group, and in events.k8s.io. */
const renamed: readonly (readonly [core: string, other: string])[] = [
  ["involvedObject", "regarding"],
  ["message", "note"],
  ["reportingComponent", "reportingController"],
  ["source", "deprecatedSource"],
  ["firstTimestamp", "deprecatedFirstTimestamp"],
  ["lastTimestamp", "deprecatedLastTimestamp"],
  ["count", "deprecatedCount"],
];

/** Fields of events.k8s.io that are left out where they are empty. */
const optional: ReadonlySet<string> = new Set(["regarding", "note", "reportingController", "deprecatedCount"]);

function toNew(event: KubeObject): KubeObject {
  if (event.apiVersion === "events.k8s.io/v1") return event;
  const shown: Fields = { ...event, apiVersion: "events.k8s.io/v1" };
  for (const [core, other] of renamed) {
    const value = shown[core];
    delete shown[core];
    if (value !== undefined && !(optional.has(other) && value === "")) shown[other] = value;
  }
  if (shown.reportingInstance === "") delete shown.reportingInstance;
  return shown as unknown as KubeObject;
}

function toCore(event: KubeObject): KubeObject {
  if (event.apiVersion === "v1") return event;
  const stored: Fields = { ...event, apiVersion: "v1" };
  for (const [core, other] of renamed) {
    const value = stored[other];
    delete stored[other];
    if (value !== undefined) stored[core] = value;
  }
  stored.involvedObject ??= {};
  stored.source ??= {};
  stored.reportingComponent ??= "";
  stored.reportingInstance ??= "";
  stored.firstTimestamp ??= null;
  stored.lastTimestamp ??= null;
  return stored as unknown as KubeObject;
}

function validate(event: KubeObject): Cause[] {
  const core = toCore(event);
  const given = textAt(core, "involvedObject", "namespace");
  const namespace = given || "default";
  return namespace === (event.metadata.namespace ?? "")
    ? []
    : [wrong("involvedObject.namespace", given, "does not match event.namespace")];
}

const eventStrategy: Strategy = { createsOnUpdate: true, show: toCore, validate };

const newStrategy: Strategy = {
  createsOnUpdate: true,
  messageGroup: "",
  show: toNew,
  store: toCore,
  validate(event) {
    const causes: Cause[] = [];
    if (at(event, "eventTime") === null) causes.push(required("eventTime"));
    else {
      if (textAt(event, "reportingController") === "") causes.push(required("reportingController"));
      if (textAt(event, "reportingInstance") === "") causes.push(required("reportingInstance"));
      if (textAt(event, "action") === "") causes.push(required("action"));
      if (textAt(event, "reason") === "") causes.push(required("reason"));
    }
    const type = textAt(event, "type");
    if (type !== "Normal" && type !== "Warning") causes.push(wrong("type", type, `has invalid value: ${type}`));
    return [...causes, ...validate(event)];
  },
};

/** Cells are read from the core form. */
const cell = (read: (event: KubeObject, now: number) => string | number) => (event: KubeObject, now: number) =>
  read(toCore(event), now);

const sourceOf = (event: KubeObject) => {
  const component = textAt(event, "source", "component") || textAt(event, "reportingComponent");
  const host = textAt(event, "source", "host");
  return host === "" ? component : `${component}, ${host}`;
};

const eventColumns: readonly Column[] = [
  {
    name: "Last Seen",
    type: "string",
    cell: cell((event, now) =>
      ageOf(at(event, "series", "lastObservedTime") ?? at(event, "lastTimestamp") ?? at(event, "eventTime"), now)
    ),
  },
  textColumn("Type", "type"),
  textColumn("Reason", "reason"),
  {
    name: "Object",
    type: "string",
    cell: cell((e) => `${textAt(e, "involvedObject", "kind").toLowerCase()}/${textAt(e, "involvedObject", "name")}`),
  },
  { name: "Subobject", type: "string", wide: true, cell: cell((e) => textAt(e, "involvedObject", "fieldPath")) },
  { name: "Source", type: "string", wide: true, cell: cell(sourceOf) },
  { name: "Message", type: "string", cell: cell((event) => textAt(event, "message").trim()) },
  {
    name: "First Seen",
    type: "string",
    wide: true,
    cell: cell((event, now) => ageOf(at(event, "firstTimestamp") ?? at(event, "eventTime"), now)),
  },
  {
    name: "Count",
    type: "string",
    wide: true,
    cell: cell((e) => Number(at(e, "series", "count") ?? at(e, "count") ?? 1)),
  },
  { name: "Name", type: "string", wide: true, format: "name", cell: (event) => event.metadata.name },
];

function selectableBy(object: "involvedObject" | "regarding"): Kind["selectable"] {
  const fields = ["kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath"];
  return {
    ...Object.fromEntries(
      fields.map((
        field,
      ) => [`${object}.${field}`, (event: KubeObject) => textAt(toCore(event), "involvedObject", field)]),
    ),
    reason: (event) => textAt(event, "reason"),
    type: (event) => textAt(event, "type"),
    [object === "regarding" ? "reportingController" : "reportingComponent"]: (event) =>
      textAt(toCore(event), "source", "component") || textAt(toCore(event), "reportingComponent"),
    ...(object === "regarding" ? {} : {
      source: (event: KubeObject) =>
        textAt(toCore(event), "source", "component") || textAt(toCore(event), "reportingComponent"),
    }),
  };
}

export const events: KindRules = {
  shortNames: ["ev"],
  columns: eventColumns,
  strategy: eventStrategy,
  selectable: selectableBy("involvedObject"),
};

export const newEvents: KindRules = { ...events, strategy: newStrategy, selectable: selectableBy("regarding") };
