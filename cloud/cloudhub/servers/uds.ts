// The server for the CSI driver: a unix domain socket that takes one JSON document and answers with one (KubeEdge v1.23 `cloud/pkg/cloudhub/servers/udsserver`).
import { mkdir, unlink } from "node:fs/promises";
import { createServer, type Socket } from "node:net";
import { dirname } from "node:path";
import { reasonOf } from "../../../base/log/logger.ts";
import { ListenError } from "../../../base/transport/listen.ts";
import { limits } from "../../../protocol/limits.ts";
import { decodeMessage, encodeMessage } from "../../../protocol/message/codec.ts";
import { type Message, newMessage } from "../../../protocol/message/message.ts";
import { groups, modules, operations } from "../../../protocol/message/names.ts";

/** Injected dependencies. */
export interface UdsServerDeps {
  /** Path of the socket; a file that is there is replaced, folders that are missing are made. */
  readonly path: string;
  readonly now: () => number;
  /** Forwards a checked volume operation to its edge; resolves with the answer. */
  readonly forward: (message: Message) => Promise<Message>;
}

const volumeOperations: ReadonlySet<string> = new Set([
  "createvolume",
  "deletevolume",
  "controllerpublishvolume",
  "controllerunpublishvolume",
]);
/** `node/{node}/default/volume/{volume}`. */
const volumePath = /^node\/[^/]+\/default\/volume\/[^/]+$/;

/**
 * Timeouts for silence, milliseconds. The protocol has no framing: input that isn't complete by then is an error. A peer that
 * has sent nothing at all gets more time.
 */
const HALF_DOCUMENT_MS = 250;
const NO_DOCUMENT_MS = 10_000;

/** Starts it; resolves with a function that stops it. Rejects with ListenError. */
export async function serveCsi(deps: UdsServerDeps): Promise<{ stop(): Promise<void> }> {
  const { path } = deps;
  const open = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    open.add(socket);
    socket.once("close", () => open.delete(socket));
    void serve(deps, socket);
  });
  server.maxConnections = limits.csiConnections;
  try {
    await mkdir(dirname(path), { recursive: true });
    await unlink(path).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "ENOENT") throw error;
    });
    await new Promise<void>((resolve, reject) => server.once("error", reject).listen(path, resolve));
  } catch (error) {
    throw new ListenError(
      `can't listen on unix://${path}: ${
        reasonOf(error)
      }; modules.cloudHub.unixsocket.address says where, and enable: false leaves it out`,
      "EACCES",
    );
  }
  return {
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of open) socket.destroy();
      }),
  };
}

async function serve(deps: UdsServerDeps, socket: Socket): Promise<void> {
  socket.on("error", () => socket.destroy());
  const answer = await answerTo(deps, socket).catch((error) => failure(deps.now(), undefined, reasonOf(error)));
  if (!socket.destroyed) socket.end(answer === undefined ? "" : encodeMessage(answer).trimEnd());
  socket.resume();
}

async function answerTo(deps: UdsServerDeps, socket: Socket): Promise<Message | undefined> {
  const given = await readDocument(socket);
  // As with Go: a client that closes without a request gets no answer.
  if (given === undefined) return undefined;
  const now = deps.now();
  let request: Message;
  try {
    request = decodeMessage(given);
  } catch (error) {
    return failure(now, undefined, reasonOf(error));
  }
  const { operation = "", resource = "" } = request.route;
  if (!volumeOperations.has(operation)) {
    return failure(
      now,
      request,
      `operation ${JSON.stringify(operation)} is none of ${[...volumeOperations].join(", ")}`,
    );
  }
  if (!volumePath.test(resource)) {
    return failure(now, request, `resource ${JSON.stringify(resource)} is not node/NODE/default/volume/VOLUME`);
  }
  if (request.header.msg_id === "") return failure(now, request, "header.msg_id is empty; the answer is matched by it");
  try {
    return await deps.forward(request);
  } catch (error) {
    return failure(deps.now(), request, reasonOf(error));
  }
}

/** One document as text; undefined where the peer closed without sending anything. Rejects with an error for a person. */
function readDocument(socket: Socket): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    const chunks: Uint8Array[] = [];
    let size = 0;
    let timer: ReturnType<typeof setTimeout>;
    const done = (settle: () => void) => {
      clearTimeout(timer);
      socket.off("data", take).off("end", ended).off("close", ended);
      settle();
    };
    const text = () => Buffer.concat(chunks).toString("utf8");
    const ended = () => done(() => resolve(size === 0 ? undefined : text()));
    const wait = (ms: number, late: () => void) => {
      clearTimeout(timer);
      timer = setTimeout(() => done(late), ms);
    };
    const take = (chunk: Uint8Array) => {
      size += chunk.length;
      if (size > limits.csiDocument) {
        return done(() => reject(new Error(`the request is longer than ${limits.csiDocument} bytes`)));
      }
      chunks.push(chunk);
      if (isDocument(text())) return ended();
      // An incomplete document: the rest arrives at once or never.
      wait(HALF_DOCUMENT_MS, () => resolve(text()));
    };
    wait(NO_DOCUMENT_MS, () => reject(new Error(`no request within ${NO_DOCUMENT_MS / 1000} s`)));
    socket.on("data", take).on("end", ended).on("close", ended);
  });
}

function isDocument(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function failure(now: number, request: Message | undefined, why: string): Message {
  const message = newMessage(now, {
    source: modules.cloudhub,
    group: request === undefined ? "" : groups.resource,
    operation: operations.error,
    resource: request?.route.resource ?? "",
    content: why,
    parent: request?.header.msg_id ?? "",
  });
  if (request !== undefined) return message;
  // What could not be read has no group and no resource to name.
  const { source, operation } = message.route;
  return { ...message, route: { source: source as string, operation: operation as string } };
}
