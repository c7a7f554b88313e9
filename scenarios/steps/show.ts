// The step that shows: what stands at a place goes into the report, whatever it is.
import { type PlaceArgs, placeOf } from "../checks/place.ts";
import { describeHop } from "../report/hop-line.ts";
import type { StepContext } from "../model/context.ts";
import { maskSecrets } from "../../protocol/message/mask.ts";
import { schemas } from "../files/schemas.ts";
import type { StepKind } from "../model/step-kind.ts";
import type { HopRecord } from "../../base/hop/hop.ts";

/** Lines of one thing shown; of messages the last ones. */
const SHOWN_LINES = 40;

type ShowArgs = "messages" | "metrics" | Omit<PlaceArgs, "match" | "absent" | "count" | "min">;

export const showStep = {
  name: "show",
  summary: "Puts what is at a place into the report; useful in `catch`.",
  schema: {
    anyOf: [
      { enum: ["messages", "metrics"] },
      {
        type: "object",
        required: ["at"],
        additionalProperties: false,
        properties: {
          at: { type: "string", pattern: "^(kube|messages|metrics|edge/.+|device/.+|mqtt/.+)$" },
          topic: { type: "string", description: "with `at: mqtt/NAME`: the last publication on this topic" },
          object: schemas.objectName,
          since: { type: "string", description: "the id of an earlier step; messages count from its beginning" },
          where: { type: "string", description: "CEL over the fields of a hop record" },
        },
      },
    ],
  },
  async run(context: StepContext, args: ShowArgs) {
    const place = placeOf(context, typeof args === "string" ? { at: args } : args);
    const { value } = await place.look();
    const lines = Array.isArray(value)
      ? (value as HopRecord[]).map(describeHop)
      : JSON.stringify(maskSecrets(value) ?? "nothing", null, 2).split("\n");
    context.show(place.what, lines.slice(-SHOWN_LINES));
  },
} as const satisfies StepKind;
