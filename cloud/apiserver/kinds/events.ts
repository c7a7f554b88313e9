// Events.
import { at, textAt } from "../../../protocol/apis/kube-object.ts";
import { wrong } from "../status.ts";
import { ageOf, textColumn } from "./columns.ts";
import { builtin } from "./define.ts";
import type { Column, Strategy } from "./kind.ts";

const eventStrategy: Strategy = {
  validate(event) {
    const namespace = textAt(event, "involvedObject", "namespace") || "default";
    if (namespace === (event.metadata.namespace ?? "")) return [];
    return [
      wrong("involvedObject.namespace", textAt(event, "involvedObject", "namespace"), "does not match event.namespace"),
    ];
  },
};

const eventColumns: readonly Column[] = [
  {
    name: "Last Seen",
    type: "string",
    cell: (event, now) => ageOf(at(event, "lastTimestamp") ?? at(event, "eventTime"), now),
  },
  textColumn("Type", "type"),
  textColumn("Reason", "reason"),
  {
    name: "Object",
    type: "string",
    cell: (e) => `${textAt(e, "involvedObject", "kind").toLowerCase()}/${textAt(e, "involvedObject", "name")}`,
  },
  textColumn("Message", "message"),
];

export const events = builtin({
  kind: "Event",
  plural: "events",
  shortNames: ["ev"],
  columns: eventColumns,
  strategy: eventStrategy,
});
