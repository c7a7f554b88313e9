// Reads the stages that a cohort's pods live by: files of kwok's `kind: Stage`, shipped with skep or beside the scenario.
import { fileURLToPath } from "node:url";
import { Ajv } from "ajv";
import { StageError, Stages, type StageSpec } from "../../edge-sim/edged/stages.ts";
import { type KubeObject, textAt } from "../../protocol/apis/kube-object.ts";
import { besideOrShipped, InputFileError, type ReadObject, readObjects } from "../files/manifest.ts";
import type { Schema } from "../files/schemas.ts";

const shipped = fileURLToPath(new URL("../library/stages", import.meta.url));

const texts: Schema = { type: "object", additionalProperties: { type: "string" } };
const ms: Schema = { type: "integer", minimum: 0, maximum: 86_400_000 };

function object(properties: Record<string, Schema>, required: readonly string[] = []): Schema {
  return { type: "object", required, additionalProperties: false, properties };
}

const requirement = {
  ...object({
    key: { type: "string" },
    operator: { enum: ["In", "NotIn", "Exists", "DoesNotExist"] },
    values: { type: "array", items: { type: "string" } },
  }, ["key", "operator"]),
};

/** `spec` of a Stage, as far as it means something for a pod on a simulated edge. */
const schema: Schema = object({
  resourceRef: object({ apiGroup: { const: "v1" }, kind: { const: "Pod" } }, ["kind"]),
  selector: object({
    matchLabels: texts,
    matchAnnotations: texts,
    matchExpressions: { type: "array", items: requirement },
  }),
  weight: { type: "integer", minimum: 0 },
  delay: object({ durationMilliseconds: ms, jitterDurationMilliseconds: ms }),
  next: object({
    patch: object({ status: { type: "object" } }, ["status"]),
    delete: { const: false },
    logs: { type: "array", maxItems: 100, items: { type: ["string", "object"] } },
  }, ["patch"]),
}, ["next"]);

/** What kwok has and edges here have not, and what to do about it. */
const foreign: Readonly<Record<string, string>> = {
  statusTemplate:
    "is a Go template, which is not run here: say next.patch, a merge patch whose values may be { $cel: ... } (docs/fleet.md)",
  patches: "holds Go templates, which are not run here: say next.patch (docs/fleet.md)",
  delete: "can't be: an edge does not delete pods by itself; delete it in the API",
  finalizers: "can't be: an edge does not touch finalizers",
  event: "can't be: an edge here writes no events",
};

const check = new Ajv({ strict: false }).compile(schema);

/** The stages in these files, by name as models are. Throws InputFileError. */
export async function readStages(names: readonly string[], scenarioFile: string): Promise<Stages> {
  const specs: StageSpec[] = [];
  for (const name of names) {
    const file = await besideOrShipped({ name, what: "stage", shipped }, scenarioFile);
    const objects = await readObjects(file);
    if (objects.length === 0) throw new InputFileError(`${file}:1:1: the file holds no Stage`);
    for (const read of objects) specs.push(specOf(read));
  }
  return new Stages(specs);
}

/** Throws InputFileError with the place of what is wrong. */
function specOf({ object, where }: ReadObject): StageSpec {
  const spec = specIn(object, where);
  try {
    // Each by itself, so that the message can say where.
    new Stages([spec]);
  } catch (error) {
    if (!(error instanceof StageError)) throw error;
    throw new InputFileError(`${where(["spec", ...error.path])}: ${error.message}`);
  }
  return spec;
}

function specIn({ kind, metadata: { name }, spec }: KubeObject, where: ReadObject["where"]): StageSpec {
  const refuse = (reason: string, path: readonly (string | number)[] = []) =>
    new InputFileError(`${where(["spec", ...path])}: stage ${name}: ${reason}`);
  if (kind !== "Stage") {
    throw new InputFileError(`${where(["kind"])}: it is a ${kind}; files of stages hold kind: Stage`);
  }
  const next = (spec as { readonly next?: Record<string, unknown> } | undefined)?.next ?? {};
  const word = Object.keys(foreign).find((key) => key in next && next[key] !== false);
  if (word !== undefined) throw refuse(`next.${word} ${foreign[word]}`, ["next", word]);
  const about = textAt(spec, "resourceRef", "kind");
  if (about !== "" && about !== "Pod") throw refuse(`it is for a ${about}; only Pods go through stages here`);
  if (!check(spec)) {
    const [error] = check.errors ?? [];
    const field = error?.params.additionalProperty;
    const path = (error?.instancePath ?? "").split("/").slice(1).map((word) =>
      /^\d+$/.test(word) ? Number(word) : word
    );
    const what = ["spec", ...path].join(".");
    throw field === undefined
      ? refuse(`${what} ${error?.message}`, path)
      : refuse(`${what} has no ${String(field)}`, [...path, String(field)]);
  }
  return { name, ...spec as Omit<StageSpec, "name"> };
}
