// Steps at pods: what their containers do, and which images can be pulled.
import type { PodAction } from "../../edge-sim/edged/pods.ts";
import { edgeNamed } from "../checks/place.ts";
import type { StepContext } from "../model/context.ts";
import { StepFailure } from "../model/step-failure.ts";
import type { StepKind } from "../model/step-kind.ts";

/** What the step takes. */
export interface PodsArgs {
  readonly pod?: string;
  readonly do?: PodAction;
  readonly exitCode?: number;
  readonly image?: string;
  readonly pullable?: boolean;
  readonly edge?: string;
}

export const podsStep = {
  name: "pods",
  summary:
    "Makes a running pod end, fail, lose or regain its readiness; or makes an image unpullable, or pullable again.",
  schema: {
    type: "object",
    additionalProperties: false,
    properties: {
      pod: { type: "string", description: "a pod that runs on one of the edges" },
      do: {
        enum: ["complete", "fail", "unready", "ready"],
        description: "containers that end are started again as the pod's restartPolicy says",
      },
      exitCode: { type: "integer", minimum: 0, maximum: 255, description: "with fail. Default: 1" },
      image: { type: "string", description: "an image, as containers name it" },
      pullable: { type: "boolean", description: "whether it can be pulled from now on" },
      edge: { type: "string", description: "with image: on this edge only" },
    },
    oneOf: [{ required: ["pod", "do"] }, { required: ["image", "pullable"] }],
  },
  needs: () => ["edge-control"],
  run(context: StepContext, args: PodsArgs) {
    const { fleet, namespace } = context.environment;
    if (args.image !== undefined) {
      const edges = args.edge === undefined
        ? fleet.edges()
        : [edgeNamed(fleet.get(args.edge), args.edge, fleet.edges())];
      for (const edge of edges) edge.pods.setImage(args.image, args.pullable === true);
      return Promise.resolve(undefined);
    }
    const { pod = "", do: action = "complete", exitCode } = args;
    if (!fleet.edges().some((edge) => edge.pods.make(namespace, pod, action, exitCode))) {
      throw new StepFailure(`no edge runs a pod ${pod}`, [], pod);
    }
    return Promise.resolve(undefined);
  },
} as const satisfies StepKind;
