// What a target is, as a file describes it: which Kubernetes, which cloudcore, which edges, and what can be expected of them.
import { Ajv } from "ajv";
import { withoutBigInts } from "../../protocol/json.ts";
import { type Position, ScenarioError } from "../files/position.ts";
import { type Schema, schemas } from "../files/schemas.ts";
import { documentsIn, type YamlDocument } from "../files/yaml-document.ts";
import type { KubernetesBinaries, KubernetesImage } from "./kubernetes-image.ts";
import { capabilities, type Capability } from "../model/capabilities.ts";

/** Where the API is. */
export type KubernetesChoice =
  | "embedded"
  | { readonly kubeconfig: string; readonly context?: string }
  | KubernetesImage
  | { readonly binaries: KubernetesBinaries };

/** Where a secret text is: never in the file itself. */
export interface SecretPlace {
  readonly env?: string;
  readonly file?: string;
}

/** A cloudcore that runs already. Without token and certificates its token is read from the cluster. */
export interface CloudcoreElsewhere {
  readonly host: string;
  readonly port?: number;
  readonly enrolmentPort?: number;
  readonly token?: SecretPlace;
  /** A folder with its rootCA.crt and rootCA.key. */
  readonly certs?: string;
}

/** How many of it serve the same API, behind a balancer. Default: 1. */
export interface Replicated {
  readonly replicas?: number;
}

/** Which cloudcore. */
export type CloudcoreDescription =
  | "ours"
  | { readonly ours: "process" }
  | ({ readonly go: string } & Replicated)
  | ({ readonly goImage: string } & Replicated)
  | ({ readonly image: string } & Replicated)
  | CloudcoreElsewhere;

/** Which edges. */
export type EdgesDescription =
  | "ours"
  | { readonly nodes: Readonly<Record<string, string>> }
  | { readonly edgecore: string; readonly runtime?: string }
  | { readonly edgecoreImage: string; readonly runtime?: string };

/** One target. Durations are texts as written. */
export interface TargetDescription {
  readonly name: string;
  readonly kubernetes: KubernetesChoice;
  readonly cloudcore: CloudcoreDescription;
  readonly edges: EdgesDescription;
  readonly timeScale?: number;
  readonly timings: Readonly<Record<string, string>>;
  readonly patience?: number;
  readonly with: readonly Capability[];
  readonly without: readonly Capability[];
  readonly position: Position;
}

/** A `skep.yaml`, or a file with one target. */
export interface TargetsFile {
  readonly targets: ReadonlyMap<string, TargetDescription>;
  /** The targets that `skep matrix` runs where none is named. */
  readonly matrix: readonly string[];
}

/** The target that is meant where none is named. */
export const embeddedTarget: TargetDescription = {
  name: "embedded",
  kubernetes: "embedded",
  cloudcore: "ours",
  edges: "ours",
  timings: {},
  with: [],
  without: [],
  position: { file: "", line: 1, column: 1 },
};

const name = {
  type: "string",
  pattern: "^[a-z0-9]([a-z0-9.-]{0,60}[a-z0-9])?$",
  description: "small letters, digits, . and -",
};
const port = { type: "integer", minimum: 1, maximum: 65_535 };
const path = { type: "string", minLength: 1 };
const replicas = {
  type: "integer",
  minimum: 1,
  maximum: 9,
  description: "how many serve the same API, behind a balancer. Default: 1",
};
const object = (properties: Record<string, Schema>, required: readonly string[], description: string): Schema => ({
  type: "object",
  additionalProperties: false,
  required,
  properties,
  description,
});

/** The fields of one target. */
const target = {
  kubernetes: {
    description:
      "embedded, { kubeconfig: FILE, context: NAME }, { image: IMAGE } (Docker; K3s) or { binaries: { apiserver: FILE, etcd: FILE, controllerManager: FILE, scheduler: FILE } }",
    oneOf: [
      { const: "embedded" },
      object({ kubeconfig: path, context: path }, ["kubeconfig"], "a cluster that is there"),
      object(
        { image: path, command: { type: "array", items: { type: "string" } }, kubeconfigPath: path, port },
        ["image"],
        "a Kubernetes that Docker starts",
      ),
      object(
        {
          binaries: object(
            { apiserver: path, etcd: path, controllerManager: path, scheduler: path },
            ["apiserver", "etcd", "controllerManager"],
            "programs of this machine",
          ),
        },
        ["binaries"],
        "an API server and etcd that Docker starts, in images made on the spot",
      ),
    ],
  },
  cloudcore: {
    description:
      "ours, { ours: process }, { go: PROGRAM }, { goImage: IMAGE }, { image: IMAGE } or { host: HOST } with port, enrolmentPort, token: { env: NAME } or { file: FILE }, certs: FOLDER",
    oneOf: [
      { const: "ours" },
      object({ ours: { const: "process" } }, ["ours"], "skep's, in a process of its own"),
      object({ go: path, replicas }, ["go"], "KubeEdge's program, which is started and configured"),
      object(
        { goImage: path, replicas },
        ["goImage"],
        "KubeEdge's image, which Docker starts on this machine's network",
      ),
      object({ image: path, replicas }, ["image"], "an image of skep, which Docker starts on this machine's network"),
      object(
        {
          host: path,
          port,
          enrolmentPort: port,
          token: object({ env: path, file: path }, [], "where the bootstrap token is"),
          certs: path,
        },
        ["host"],
        "one that runs already",
      ),
    ],
  },
  edges: {
    description:
      "ours, { nodes: { COHORT: LABEL=VALUE } }: real edges, selected by the labels of their Nodes, or { edgecore: PROGRAM } or { edgecoreImage: IMAGE }: KubeEdge's edgecore, started for each edge, with runtime: SOCKET of a container runtime where its pods shall become containers",
    oneOf: [
      { const: "ours" },
      object(
        { nodes: { type: "object", minProperties: 1, additionalProperties: { type: "string", minLength: 1 } } },
        ["nodes"],
        "Nodes that are there",
      ),
      object({ edgecore: path, runtime: path }, ["edgecore"], "KubeEdge's program; Linux, as root"),
      object({ edgecoreImage: path, runtime: path }, ["edgecoreImage"], "KubeEdge's image, in Docker; Linux, as root"),
    ],
  },
  timeScale: {
    type: "number",
    exclusiveMinimum: 0,
    description: "divides every protocol timer of our cloudcore and our edges",
  },
  timings: object(
    {
      heartbeat: schemas.duration,
      reconnectWait: schemas.duration,
      lease: schemas.duration,
      ackRetry: schemas.duration,
    },
    [],
    "timers that are not KubeEdge's own",
  ),
  patience: { type: "number", minimum: 0.1, description: "what `within` of scenarios is multiplied by" },
  with: { type: "array", items: { enum: capabilities }, description: "what it has although its parts don't say so" },
  without: { type: "array", items: { enum: capabilities }, description: "what scenarios must not use here" },
} satisfies Record<string, Schema>;

/** A file with one target. */
const oneSchema: Schema = {
  type: "object",
  additionalProperties: false,
  required: ["skep"],
  properties: { skep: { const: 1, description: "the version of the format" }, name, ...target },
};

/** `skep.yaml`: several by their names. */
const manySchema: Schema = {
  type: "object",
  additionalProperties: false,
  required: ["skep", "targets"],
  properties: {
    skep: { const: 1, description: "the version of the format" },
    targets: {
      type: "object",
      minProperties: 1,
      propertyNames: name,
      additionalProperties: { type: "object", additionalProperties: false, properties: target },
    },
    matrix: {
      type: "array",
      minItems: 1,
      uniqueItems: true,
      items: { type: "string" },
      description: "targets that `skep matrix` compares, the first with the others",
    },
  },
};

/** The format for editors: `target.schema.json`. */
export const targetsSchema: Schema = {
  $schema: "http://json-schema.org/draft-07/schema#",
  title: "Targets of skep: skep.yaml, or a file with one target",
  anyOf: [manySchema, oneSchema],
};

type Fields = Partial<Omit<TargetDescription, "name" | "position">>;

/** The targets in a text; `file` is for positions. A file with one target may leave its name out: it is called as the file is. Throws ScenarioError. */
export function parseTargets(text: string, file: string): TargetsFile {
  const [document, second] = documentsIn(text, file);
  if (document === undefined) throw new ScenarioError({ file, line: 1, column: 1 }, "the file describes no target");
  if (second !== undefined) throw new ScenarioError(second.where([]), "a file of targets is one YAML document");
  const value = withoutBigInts(document.value()) as Record<string, unknown>;
  const isMany = typeof value === "object" && value !== null && "targets" in value;
  const check = new Ajv({ allErrors: true, strict: false, verbose: true }).compile(isMany ? manySchema : oneSchema);
  if (!check(value)) throw document.refusal(check.errors ?? [], []);
  if (!isMany) {
    const { name: own, skep: _, ...fields } = value as Fields & { readonly name?: string; readonly skep: unknown };
    const called = own ?? (/([^/\\]+?)(\.target)?\.ya?ml$/.exec(file)?.[1] ?? "target");
    const only = described(called, fields, document, []);
    return { targets: new Map([[called, only]]), matrix: [called] };
  }
  const { matrix, targets } = value as { readonly targets: Record<string, Fields>; readonly matrix?: string[] };
  const found = new Map(
    Object.entries(targets).map(([key, fields]) => [key, described(key, fields, document, ["targets", key])]),
  );
  for (const [i, wanted] of (matrix ?? []).entries()) {
    if (found.has(wanted) || wanted === embeddedTarget.name) continue;
    throw new ScenarioError(
      document.where(["matrix", i]),
      `there is no target ${wanted}; there are ${[...found.keys()].join(", ")}`,
    );
  }
  return { targets: found, matrix: matrix ?? [...found.keys()] };
}

function described(
  called: string,
  fields: Fields,
  document: YamlDocument,
  at: readonly (string | number)[],
): TargetDescription {
  const position = document.where(at);
  const described = { ...embeddedTarget, ...fields, name: called, position };
  const { cloudcore, edges, kubernetes, timeScale } = described;
  const isGo = typeof cloudcore === "object" && ("go" in cloudcore || "goImage" in cloudcore);
  const refuse = (key: string, why: string): never => {
    throw new ScenarioError(document.where([...at, key]), why);
  };
  if (kubernetes === "embedded" && typeof cloudcore === "object" && "host" in cloudcore) {
    refuse(
      "cloudcore",
      "a cloudcore that runs already has a cluster: say kubernetes: { kubeconfig: FILE }, the one it works on",
    );
  }
  const areThere = typeof edges === "object" && "nodes" in edges;
  if (kubernetes === "embedded" && areThere) {
    refuse("edges", "Nodes that are there are in a cluster: say kubernetes: { kubeconfig: FILE }");
  }
  if (areThere && (typeof cloudcore === "string" || !("host" in cloudcore))) {
    refuse("edges", "real edges are connected to a cloudcore that runs already: say cloudcore: { host: HOST }");
  }
  if (
    Object.keys(described.timings).length > 0 && cloudcore !== "ours" &&
    !(typeof cloudcore === "object" && "host" in cloudcore)
  ) {
    refuse(
      "timings",
      "only skep's cloudcore in this process and one that runs already have timers of their own here: leave them out",
    );
  }
  if (edges !== "ours" && !areThere && timeScale !== undefined && timeScale !== 1) {
    refuse("timeScale", "the timers of a real edgecore can't be divided: leave it out");
  }
  if (isGo && timeScale !== undefined && timeScale !== 1) {
    refuse("timeScale", "the timers of a cloudcore that is not skep's can't be divided: leave it out");
  }
  return described;
}
