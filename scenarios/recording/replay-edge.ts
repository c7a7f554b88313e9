// Plays the cloudcore of a recording to edges that connect: what it sent by itself at its times, and its answers to what they ask.
import type { Tap } from "../../base/hop/hop.ts";
import type { Logger } from "../../base/log/logger.ts";
import { type Clock, sleep } from "../../base/time/clock.ts";
import type { ListenOptions } from "../../base/transport/listen.ts";
import type { MessageSocket } from "../../base/transport/message-socket.ts";
import { serveEnrolment } from "../../cloud/cloudhub/servers/https.ts";
import { serveEdges } from "../../cloud/cloudhub/servers/websocket.ts";
import { decodeMessage, encodeMessage } from "../../protocol/message/codec.ts";
import { hopOf } from "../../protocol/message/hops.ts";
import type { Message } from "../../protocol/message/message.ts";
import { createAuthority, issueServer } from "../../protocol/pki/ca.ts";
import { createToken } from "../../protocol/pki/token.ts";
import { type EdgeScript, headOf } from "./script.ts";

/** Injected dependencies. */
export interface EdgeReplayDeps {
  readonly websocket: ListenOptions;
  readonly https: ListenOptions;
  /** Names and addresses that edges reach it by. */
  readonly hosts: readonly string[];
  readonly clock: Clock;
  readonly logger: Logger;
  readonly speed: number;
  readonly tap: Tap;
}

/** A cloudcore that says again what one said. */
export interface EdgeReplay extends AsyncDisposable {
  readonly websocketPort: number;
  readonly httpsPort: number;
  /** The token that edges enrol with. */
  readonly token: string;
  /** Settles when everything that is not an answer has been sent to an edge, with its name. */
  readonly played: Promise<string>;
}

const YEAR_MS = 365 * 86_400_000;
const TOKEN_MS = 86_400_000;

/** Listens. Rejects with ListenError. */
export async function replayToEdges(scripts: readonly EdgeScript[], deps: EdgeReplayDeps): Promise<EdgeReplay> {
  const { clock, hosts, logger } = deps;
  await using cleanup = new AsyncDisposableStack();
  const authority = await createAuthority("KubeEdge", Date.now());
  const server = await issueServer(authority, { commonName: "replay" }, hosts, Date.now());
  const stop = new AbortController();
  cleanup.defer(() => stop.abort());
  const played = Promise.withResolvers<string>();
  const enrolment = await serveEnrolment({
    listen: deps.https,
    authority,
    server,
    certLifetime: YEAR_MS,
    identity: "certificate",
    now: () => clock.now(),
    logger,
    nodeExists: () => Promise.resolve(true),
  });
  cleanup.defer(enrolment.stop);
  const edges = await serveEdges({
    listen: deps.websocket,
    authority,
    server,
    identity: "certificate",
    legacyCa: undefined,
    isV11: () => false,
    refuse: (node) =>
      scriptFor(scripts, node) === undefined ? { status: 403, reason: `the recording has no edge ${node}` } : undefined,
    refused: (node, reason) => logger.warn("an edge was refused", { node, reason }),
    accept: (node, socket) => {
      const script = scriptFor(scripts, node) as EdgeScript;
      void play(node, socket, script, deps, stop.signal).then(() => played.resolve(node), () => {});
    },
  });
  cleanup.defer(edges.stop);
  const token = await createToken(authority, clock.now() + TOKEN_MS);
  const rest = cleanup.move();
  return {
    websocketPort: edges.port,
    httpsPort: enrolment.port,
    token,
    played: played.promise,
    [Symbol.asyncDispose]: () => rest.disposeAsync(),
  };
}

/** The edge's own part; where the recording has one edge alone, any edge may take its place, by its own name. */
function scriptFor(scripts: readonly EdgeScript[], node: string): EdgeScript | undefined {
  const own = scripts.find((script) => script.node === node);
  const [only, ...others] = scripts;
  if (own !== undefined || only === undefined || others.length > 0) return own;
  const rename = (message: Message) => JSON.parse(JSON.stringify(message).replaceAll(only.node, node)) as Message;
  return {
    node,
    up: only.up,
    down: only.down.map(({ at, message }) => ({ at, message: rename(message) })),
    answers: new Map(
      [...only.answers].map(([head, messages]) => [head.replaceAll(only.node, node), messages.map(rename)]),
    ),
    acknowledged: only.acknowledged,
  };
}

/** Settles when all has been sent that was sent unasked. */
async function play(
  node: string,
  socket: MessageSocket,
  script: EdgeScript,
  deps: EdgeReplayDeps,
  signal: AbortSignal,
): Promise<void> {
  const { clock, speed, tap } = deps;
  const turns = new Map<string, number>();
  const closed = new AbortController();
  socket.onClose(() => closed.abort());
  const send = (message: Message) => {
    const text = encodeMessage(message);
    socket.send(text);
    tap.on?.(
      hopOf(message, {
        time: clock.now(),
        hop: "hub.write",
        direction: "down",
        node,
        size: text.length,
        text,
        outcome: "sent",
      }),
    );
  };
  socket.onMessage((text) => {
    const message = decodeMessage(text);
    tap.on?.(hopOf(message, { time: clock.now(), hop: "hub.read", direction: "up", node, size: text.length, text }));
    const head = headOf(message);
    const answers = script.answers.get(head);
    if (answers === undefined) return;
    // What is asked more often than it was then gets the last answer again.
    const turn = turns.get(head) ?? 0;
    turns.set(head, turn + 1);
    const answer = answers[Math.min(turn, answers.length - 1)] as Message;
    send({ ...answer, header: { ...answer.header, parent_msg_id: message.header.msg_id } });
  });
  const began = clock.now();
  const over = AbortSignal.any([signal, closed.signal]);
  for (const { at, message } of script.down) {
    const wait = at / speed - (clock.now() - began);
    if (wait > 0) await sleep(clock, wait, over);
    over.throwIfAborted();
    send(message);
  }
}
