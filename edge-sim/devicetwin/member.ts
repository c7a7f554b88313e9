// A device of the node, with its attributes and twins.
import type { Attributes } from "./attributes.ts";
import type { TwinTable } from "./twin-table.ts";

export interface Member {
  readonly id: string;
  name: string;
  description: string;
  state: string;
  attributes: Attributes;
  readonly twins: TwinTable;
}
