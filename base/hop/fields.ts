// The fields that a filter over hops can name.
import type { HopRecord } from "./hop.ts";

/** What each field is, for `--help` and the console. Times are milliseconds. */
export const hopFields: Readonly<Record<keyof HopRecord | "kind" | "ns" | "name", string>> = {
  time: "Unix milliseconds",
  hop: "where it was seen, such as hub.write",
  direction: "down or up",
  node: "the edge",
  id: "the message's id",
  parent: "the id of the message that it answers",
  operation: "insert, update, delete, query, response …",
  resource: "its path, such as default/configmap/app",
  kind: "of the object that the path names, in small letters",
  ns: "namespace of that object (`namespace` is a reserved word of CEL)",
  name: "of that object",
  source: "the module that sent it",
  group: "the module's group",
  version: "resourceVersion of the object inside",
  size: "characters of its JSON",
  wait: "milliseconds in the lane before its first write",
  ack: "milliseconds from its first write to the acknowledgement",
  attempt: "how many times it has been written",
  outcome: "what came of it, or why it was not sent",
  text: "the message as JSON, where the hop has it",
};
