// The step that compares the API with files of partial objects, as Chainsaw's tests do.
import { at, type KubeObject } from "../../protocol/apis/kube-object.ts";
import { waitFor } from "../checks/wait.ts";
import { schemas } from "../files/schemas.ts";
import type { StepContext } from "../model/context.ts";
import { describeDifference, describeSecretDifference, differences, isSecret } from "../model/match.ts";
import type { Manifest } from "../model/scenario.ts";
import type { StepKind } from "../model/step-kind.ts";
import { placeOf } from "./kubernetes.ts";
import { loadManifest } from "./manifest-argument.ts";

/** What the step takes: the objects alone, or with what is said about them. */
export type AssertArgs = Manifest | AssertOptions;

/** The objects, and what is said about them. */
export interface AssertOptions {
  readonly objects: Manifest;
  readonly absent?: boolean;
  readonly within?: string;
}

export const assertStep = {
  name: "assert",
  summary:
    "Waits until the API has objects with these fields: files of partial objects. One without a name is any of its kind with its labels.",
  schema: {
    anyOf: [
      schemas.manifest,
      {
        type: "object",
        required: ["objects"],
        additionalProperties: false,
        properties: {
          objects: schemas.manifest,
          absent: { type: "boolean", description: "until there is no such object. Default: false" },
          within: schemas.duration,
        },
      },
    ],
  },
  async run(context: StepContext, args: AssertArgs) {
    const isNamed = typeof args === "object" && !Array.isArray(args) && "objects" in args;
    const { absent = false, objects, within } = isNamed
      ? args as AssertOptions
      : { objects: args as Manifest } as AssertOptions;
    for (const wanted of await loadManifest(objects, context, true)) {
      const what = `${wanted.kind} ${wanted.metadata.name || JSON.stringify(wanted.metadata.labels ?? {})}`;
      await waitFor(
        context,
        context.within(within ?? "5s"),
        `${what} ${absent ? "with these fields is not in the API" : "as asserted in the API"}`,
        wanted.metadata.name,
        async () => {
          const found = await candidates(context, wanted);
          const wrong = found.map((object) => differences(withoutPlace(wanted), object));
          const fits = wrong.some(({ length }) => length === 0);
          if (absent) return { missing: fits ? ["there is one"] : [] };
          if (fits) return { missing: [] };
          const [first] = wrong;
          return {
            missing: first === undefined
              ? ["it is not there"]
              : first.map(isSecret(wanted) ? describeSecretDifference : describeDifference),
          };
        },
      );
    }
  },
} as const satisfies StepKind;

/** The object of that name; without a name those of the kind. */
async function candidates(context: StepContext, wanted: KubeObject): Promise<KubeObject[]> {
  const { kube } = context.environment;
  const { name, namespace: given } = wanted.metadata;
  const { namespace, resource } = await placeOf(context, wanted, given);
  if (name !== undefined && name !== "") {
    const found = await kube.find({ resource, namespace, name });
    return found === undefined ? [] : [found];
  }
  const labels = Object.entries((at(wanted, "metadata", "labels") ?? {}) as Record<string, string>);
  const labelSelector = labels.map(([key, value]) => `${key}=${value}`).join(",");
  return (await kube.list(resource, { namespace, ...(labelSelector === "" ? {} : { labelSelector }) })).items;
}

/** Where it is was asked already; the namespace may be the scenario's. */
function withoutPlace({ metadata, ...rest }: KubeObject): unknown {
  const { name: _, namespace: _namespace, ...own } = metadata;
  return { ...rest, ...(Object.keys(own).length === 0 ? {} : { metadata: own }) };
}
