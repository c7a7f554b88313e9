// The step of a mapper, or an application: something is published at an edge's own broker.
import { reasonOf } from "../../base/log/logger.ts";
import { edgeNamed } from "../checks/place.ts";
import type { StepContext } from "../model/context.ts";
import { StepFailure } from "../model/step-failure.ts";
import type { StepKind } from "../model/step-kind.ts";

/** What the step takes. */
export interface PublishArgs {
  readonly edge: string;
  readonly topic: string;
  readonly payload?: unknown;
}

export const publishStep = {
  name: "publish",
  summary: "An MQTT client publishes something at an edge's own broker, as a mapper does (`mqtt: {}` in the cohort).",
  schema: {
    type: "object",
    required: ["edge", "topic"],
    additionalProperties: false,
    properties: {
      edge: { type: "string" },
      topic: { type: "string", minLength: 1, description: "such as $hw/events/device/NAMESPACE/NAME/twin/update" },
      payload: { description: "a text as it is, anything else as JSON. Default: empty" },
    },
  },
  needs: () => ["edge-control"],
  async run({ environment }: StepContext, { edge: name, payload = "", topic }: PublishArgs) {
    const edge = edgeNamed(environment.fleet.get(name), name, environment.fleet.edges());
    const url = edge.bus?.url ?? "";
    if (url === "") throw new StepFailure(`edge ${name} has no broker in the process: say mqtt: {} in its cohort`);
    const { default: mqtt } = await import("mqtt");
    try {
      const client = await mqtt.connectAsync(url, { protocolVersion: 4, reconnectPeriod: 0, connectTimeout: 5000 });
      const text = typeof payload === "string" ? payload : JSON.stringify(payload);
      await client.publishAsync(topic, text, { qos: 1 });
      await client.endAsync();
    } catch (error) {
      throw new StepFailure(`nothing could be published at the broker of edge ${name}`, [reasonOf(error)]);
    }
  },
} as const satisfies StepKind;
