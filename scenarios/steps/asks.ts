// Steps that ask: an edge its cloud, by a message of its own; the CSI driver an edge, through the cloud's socket.
import { connect } from "node:net";
import { sleep } from "../../base/time/clock.ts";
import { reasonOf } from "../../base/log/logger.ts";
import { at, textAt } from "../../protocol/apis/kube-object.ts";
import { type Message, newMessage, responseTo } from "../../protocol/message/message.ts";
import { edgeModules, groups, modules, ok, operations } from "../../protocol/message/names.ts";
import { nodePath } from "../../protocol/resource/path.ts";
import { UnansweredError } from "../../edge-sim/edgehub/pending-requests.ts";
import { edgeNamed } from "../checks/place.ts";
import type { StepContext } from "../model/context.ts";
import { describeDifference, describeSecretDifference, differences, isSecret } from "../model/match.ts";
import { schemas } from "../files/schemas.ts";
import { StepFailure } from "../model/step-failure.ts";
import type { StepKind } from "../model/step-kind.ts";

/** What the step takes. */
export interface AskArgs {
  readonly edge: string;
  readonly operation: string;
  readonly resource: string;
  readonly content?: unknown;
  readonly source?: string;
  readonly group?: string;
  readonly match?: unknown;
  readonly answered?: false;
  readonly within?: string;
}

export const askStep = {
  name: "ask",
  summary: "An edge sends its cloud a message and waits for the answer, whose content is the step's value.",
  schema: {
    type: "object",
    required: ["edge", "operation", "resource"],
    additionalProperties: false,
    properties: {
      edge: { type: "string" },
      operation: { type: "string", description: "such as query, insert, update or patch" },
      resource: { type: "string", description: "the path on the wire, such as default/configmap/app" },
      content: { description: "Default: null" },
      source: { type: "string", description: "Default: edged" },
      group: { type: "string", description: "Default: meta" },
      match: { description: "fields that the answer's content must have" },
      answered: { const: false, description: "there must be no answer within that time" },
      within: schemas.duration,
    },
    not: { required: ["match", "answered"] },
  },
  needs: () => ["edge-control"],
  async run(context: StepContext, args: AskArgs) {
    const { clock, fleet } = context.environment;
    const edge = edgeNamed(fleet.get(args.edge), args.edge, fleet.edges());
    const what = `${args.operation} ${args.resource}`;
    const request = newMessage(clock.now(), {
      source: args.source ?? edgeModules.edged,
      group: args.group ?? groups.meta,
      operation: args.operation,
      resource: args.resource,
      content: args.content,
    });
    const answer = await answerTo(context, edge.hub.request(request), args, what);
    // As MetaManager does with whatever it has asked for: else the cloud sends it again.
    if (answer?.route.group === groups.resource && edge.era.acknowledgesAnswers) {
      edge.hub.send(responseTo(clock.now(), answer, ok));
    }
    if (args.answered === false) {
      if (answer === undefined) return undefined;
      throw new StepFailure(`${what}: there is an answer`, [JSON.stringify(answer.content)], args.resource);
    }
    if (answer === undefined) throw new StepFailure(`${what}: there was no answer`, [], args.resource);
    const describe = isSecret(args.resource) ? describeSecretDifference : describeDifference;
    const hasMatch = Object.hasOwn(args, "match");
    const missing = hasMatch ? differences(args.match, answer.content).map(describe) : [];
    if (missing.length > 0) {
      throw new StepFailure(`${what}: the answer is another one`, missing, args.resource);
    }
    return answer.content;
  },
} as const satisfies StepKind;

/** The answer, or undefined where none came in time. */
async function answerTo(
  { signal, within, environment: { clock } }: StepContext,
  asked: Promise<Message>,
  args: AskArgs,
  what: string,
): Promise<Message | undefined> {
  const abort = new AbortController();
  const late = sleep(clock, within(args.within), AbortSignal.any([signal, abort.signal]));
  late.catch(() => {});
  asked.catch(() => {});
  try {
    return await Promise.race([asked, late.then(() => undefined)]);
  } catch (error) {
    if (error instanceof UnansweredError) return undefined;
    throw new StepFailure(`${what}: ${reasonOf(error)}`, [], args.resource);
  } finally {
    abort.abort();
  }
}

/** What the step takes. */
export interface VolumeArgs {
  readonly create?: string;
  readonly delete?: string;
  readonly publish?: string;
  readonly unpublish?: string;
  readonly edge: string;
  readonly capacity?: number;
  readonly refused?: boolean;
}

/** The driver's operations on the wire, by the step's words. */
const csiOperations = {
  create: "createvolume",
  delete: "deletevolume",
  publish: "controllerpublishvolume",
  unpublish: "controllerunpublishvolume",
} as const;

export const volumeStep = {
  name: "volume",
  summary: "The CSI driver asks an edge, through cloudcore's socket, to make, remove, attach or detach a volume.",
  schema: {
    type: "object",
    required: ["edge"],
    additionalProperties: false,
    properties: {
      create: { type: "string", description: "the volume's id" },
      delete: { type: "string" },
      publish: { type: "string" },
      unpublish: { type: "string" },
      edge: { type: "string", description: "the edge that has the volume" },
      capacity: { type: "integer", minimum: 0, description: "with create: bytes" },
      refused: { type: "boolean", description: "the edge, or cloudcore, must say no" },
    },
    oneOf: [{ required: ["create"] }, { required: ["delete"] }, { required: ["publish"] }, { required: ["unpublish"] }],
  },
  needs: () => ["csi"],
  async run({ environment, within, signal }: StepContext, args: VolumeArgs) {
    if (environment.csi === undefined) {
      throw new StepFailure("the cloudcore serves no CSI driver here: say cloudcore: { csi: true }");
    }
    const [word, operation] = Object.entries(csiOperations).find(([name]) => at(args, name) !== undefined) ?? [];
    const id = textAt(args, word ?? "");
    const request = newMessage(environment.clock.now(), {
      source: modules.cloudhub,
      group: groups.resource,
      operation: operation ?? "",
      resource: nodePath(args.edge, "default", "volume", id),
      content: JSON.stringify(contentOf(args, id)),
    });
    const timeout = AbortSignal.timeout(Math.max(within(undefined), 1000));
    const answer = await exchange(environment.csi, request, AbortSignal.any([signal, timeout]));
    const isRefused = answer.route.operation === operations.error;
    if (isRefused !== (args.refused === true)) {
      throw new StepFailure(`${word} ${id} on ${args.edge}: ${isRefused ? "refused" : "not refused"}`, [
        String(answer.content),
      ], id);
    }
    return isRefused ? answer.content : JSON.parse(Buffer.from(String(answer.content), "base64").toString("utf8"));
  },
} as const satisfies StepKind;

/** What the driver's requests hold, in the JSON of CSI. */
function contentOf({ capacity, create, edge }: VolumeArgs, id: string) {
  if (create === undefined) return { volumeId: id, nodeId: edge };
  return { name: id, ...(capacity === undefined ? {} : { capacityRange: { requiredBytes: String(capacity) } }) };
}

/** One document in, one out, then the end. */
function exchange(path: string, request: Message, signal: AbortSignal): Promise<Message> {
  const { promise, reject, resolve } = Promise.withResolvers<Message>();
  let text = "";
  const socket = connect(path, () => void socket.write(JSON.stringify(request)));
  const end = () => void socket.destroy(new Error("no answer in time"));
  signal.addEventListener("abort", end, { once: true });
  socket.on("data", (chunk) => text += String(chunk));
  socket.once("error", (error) => reject(new StepFailure(`the CSI socket: ${error.message}`)));
  socket.once("close", () => {
    signal.removeEventListener("abort", end);
    try {
      resolve(JSON.parse(text) as Message);
    } catch {
      reject(new StepFailure("the CSI socket was closed without an answer", [text]));
    }
  });
  return promise;
}
