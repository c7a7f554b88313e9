// The help of `skep tap`: the fields of a filter, and what each hop means.
import { hopFields } from "../base/hop/fields.ts";
import { hopNames } from "../protocol/message/hops.ts";

const list = (words: Readonly<Record<string, string>>) =>
  Object.entries(words).map(([name, about]) => `  ${name.padEnd(20)}${about}`).join("\n");

export const fieldsHelp = `
Fields of --where (CEL), as in \`expect … where\` of scenarios:
${list(hopFields)}

Hops:
${list(hopNames)}

Examples:
  skep tap --edge gw-0 --kind configmap --down
  skep tap --where 'hop == "hub.ack" && ack > 100'
  skep tap --why configmap/default/app --edge gw-0
  skep tap -o flow.jsonl.gz`;
