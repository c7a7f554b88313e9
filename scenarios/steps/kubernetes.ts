// Steps that change the cluster: apply, patch, delete.
import { sleep } from "../../base/time/clock.ts";
import type { KubeObject } from "../../protocol/apis/kube-object.ts";
import { hasCode, KubeApiError, type ObjectRef, UnknownKindError } from "../../cloud/kube/client.ts";
import type { Resource } from "../../cloud/kube/resource.ts";
import type { StepContext } from "../model/context.ts";
import type { KeptObjects } from "../model/kept-objects.ts";
import type { Manifest, ObjectName } from "../model/scenario.ts";
import { loadManifest } from "./manifest-argument.ts";
import { explainFields } from "./field-names.ts";
import { schemas } from "../files/schemas.ts";
import { StepFailure } from "../model/step-failure.ts";
import type { StepKind } from "../model/step-kind.ts";

/** A misspelt field fails the step, as `kubectl apply` does. */
const strict = { fieldValidation: "Strict" } as const;
/** Tries of a call that an API server being restarted did not answer. */
const UNREACHABLE_TRIES = 50;
const UNREACHABLE_WAIT_MS = 100;

/** Does a call; a server that is just being restarted is asked again, a refusal is a failure of the step. */
export async function calling<T>(
  context: StepContext,
  what: string,
  about: string,
  call: () => Promise<T>,
  resource?: Resource,
): Promise<T> {
  for (let tried = 1;; tried++) {
    try {
      return await call();
    } catch (error) {
      if (error instanceof KubeApiError) {
        const { kube } = context.environment;
        const explained = resource === undefined ? [] : await explainFields(kube, resource, error.message);
        const details = explained.length > 0 ? explained : [error.message];
        throw new StepFailure(`${what}: the API answered ${error.status.code}`, details, about);
      }
      if (tried === UNREACHABLE_TRIES) throw error;
      await sleep(context.environment.clock, UNREACHABLE_WAIT_MS, context.signal);
    }
  }
}

export async function placeOf(
  { environment }: StepContext,
  object: { readonly apiVersion?: string; readonly kind?: string },
  namespace?: string,
) {
  const resource = await environment.kube.resourceOf(object).catch((error) => {
    throw error instanceof UnknownKindError ? new StepFailure(error.message) : error;
  });
  return { resource, namespace: resource.namespaced ? namespace ?? environment.namespace : "" };
}

/** The object that is named, which may be changed. Rejects with StepFailure for a kind that there isn't, and with NotOursError. */
export async function refOf(context: StepContext, { name, namespace: given, ...kind }: ObjectName): Promise<ObjectRef> {
  const { resource, namespace } = await placeOf(context, kind, given);
  const ref = { resource, namespace, name };
  await outside(context, ref);
  return ref;
}

/**
 * In a cluster of others, an object that is not in the scenario's namespace must be the run's own. Gives what remembers new ones; undefined
 * for objects that go with the namespace. Rejects with NotOursError.
 */
async function outside({ environment }: StepContext, ref: ObjectRef): Promise<KeptObjects | undefined> {
  const { kept, namespace } = environment;
  if (kept === undefined || ref.namespace === namespace) return undefined;
  await kept.refuseForeign(ref);
  return kept;
}

export const applyStep = {
  name: "apply",
  summary: "Creates objects, or merges them into those that are there.",
  schema: schemas.manifest,
  async run(context: StepContext, args: Manifest) {
    let last: KubeObject | undefined;
    for (const object of await loadManifest(args, context)) {
      const { resource, namespace } = await placeOf(context, object, object.metadata.namespace);
      const { name } = object.metadata;
      const { labels } = context.environment;
      const placed = {
        ...object,
        metadata: {
          ...object.metadata,
          ...(namespace === "" ? {} : { namespace }),
          ...(Object.keys(labels).length === 0 ? {} : { labels: { ...object.metadata.labels, ...labels } }),
        },
      };
      const ref = { resource, namespace, name };
      const kept = await outside(context, ref);
      last = await calling(context, `apply ${object.kind} ${name}`, name, async () => {
        try {
          return await context.environment.kube.patch(ref, "merge", placed, "", strict);
        } catch (error) {
          if (!hasCode(error, 404)) throw error;
          const made = await context.environment.kube.create(resource, placed, strict);
          kept?.keep(ref);
          return made;
        }
      }, resource);
    }
    return last;
  },
} as const satisfies StepKind;

/** What the step takes. */
export interface PatchArgs {
  readonly object: ObjectName;
  readonly json?: unknown;
  readonly merge?: unknown;
  readonly strategic?: unknown;
  readonly subresource?: string;
}

export const patchStep = {
  name: "patch",
  summary: "Changes one object by a JSON, merge or strategic merge patch.",
  schema: {
    type: "object",
    required: ["object"],
    additionalProperties: false,
    properties: {
      object: schemas.objectName,
      json: { type: "array", items: { type: "object", required: ["op", "path"] } },
      merge: { type: "object" },
      strategic: { type: "object" },
      subresource: { type: "string" },
    },
    oneOf: [{ required: ["json"] }, { required: ["merge"] }, { required: ["strategic"] }],
  },
  async run(context: StepContext, args: PatchArgs) {
    const { object } = args;
    const ref = await refOf(context, object);
    const kind = args.json !== undefined ? "json" : args.merge !== undefined ? "merge" : "strategic";
    return await calling(
      context,
      `patch ${object.kind} ${object.name}`,
      object.name,
      () => context.environment.kube.patch(ref, kind, args[kind], args.subresource ?? "", strict),
      ref.resource,
    );
  },
} as const satisfies StepKind;

/** `delete` also takes one object by name, with the grace it gets in seconds (0: by force). */
export interface NamedDeletion {
  readonly object: ObjectName;
  readonly grace?: number;
}

export const deleteStep = {
  name: "delete",
  summary: "Deletes objects; one that doesn't exist is no failure.",
  schema: {
    anyOf: [
      schemas.manifest,
      {
        type: "object",
        required: ["object"],
        additionalProperties: false,
        properties: {
          object: schemas.objectName,
          grace: { type: "integer", minimum: 0, description: "seconds; 0 is by force" },
        },
      },
    ],
  },
  async run(context: StepContext, args: Manifest | NamedDeletion) {
    for (const { name, apiVersion, kind, namespace: given, grace } of await deletions(args, context)) {
      const ref = await refOf(context, {
        apiVersion,
        kind,
        name,
        ...(given === undefined ? {} : { namespace: given }),
      });
      await calling(context, `delete ${kind} ${name}`, name, async () => {
        try {
          await context.environment.kube.delete(
            ref,
            grace === undefined ? {} : { gracePeriodSeconds: grace },
          );
        } catch (error) {
          if (!hasCode(error, 404)) throw error;
        }
      });
    }
  },
} as const satisfies StepKind;

interface Deletion extends ObjectName {
  readonly grace?: number;
}

async function deletions(args: Manifest | NamedDeletion, context: StepContext): Promise<Deletion[]> {
  const isNamed = typeof args === "object" && !Array.isArray(args) && "object" in args;
  if (isNamed) {
    const { object, grace } = args as NamedDeletion;
    return [{ ...object, ...(grace === undefined ? {} : { grace }) }];
  }
  const objects = await loadManifest(args as Manifest, context);
  return objects.toReversed().map(({ apiVersion = "v1", kind = "", metadata: { name, namespace } }) => ({
    apiVersion,
    kind,
    name,
    ...(namespace === undefined ? {} : { namespace }),
  }));
}
