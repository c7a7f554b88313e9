// The hub's QUIC server for edges (port 10001): viaduct's frames, with the same certificates and refusals.
import type { ListenOptions } from "../../../base/transport/listen.ts";
import { type QuicConnection, serveQuic } from "../../../base/transport/quic.ts";
import { subjectOf } from "../../../protocol/pki/ca.ts";
import { headerAnswer, messagesOf, viaductSocket } from "../../../protocol/viaduct/connection.ts";
import { encodeFrame } from "../../../protocol/viaduct/frame.ts";
import { type AdmissionDeps, refusalOf } from "./admission.ts";

/** Injected dependencies. */
export interface QuicServerDeps extends AdmissionDeps {
  readonly listen: ListenOptions;
  /** Streams an edge may have open. */
  readonly maxIncomingStreams: number;
  readonly now: () => number;
}

/** Milliseconds an edge has to say who it is. */
const HEADER_MS = 10_000;

/** Starts it; resolves with the port and a function that stops it. Rejects with QuicMissingError or ListenError. */
export function serveQuicEdges(
  deps: QuicServerDeps,
): Promise<{ readonly port: number; stop(): Promise<void> }> {
  const { authority, listen, maxIncomingStreams, server } = deps;
  const credentials = { ca: authority.certPem, cert: server.certPem, key: server.keyPem, streams: maxIncomingStreams };
  return serveQuic(listen, credentials, (connection) => {
    greet(deps, connection).catch((error) => connection.close((error as Error)?.message ?? "it broke"));
  });
}

/** The first stream is the control stream: its first frame names the node, and every frame on it is answered. */
async function greet(deps: QuicServerDeps, connection: QuicConnection): Promise<void> {
  const late = setTimeout(() => connection.close("no header frame came on the control stream"), HEADER_MS);
  connection.onClose(() => clearTimeout(late));
  const control = await connection.nextStream();
  let isKnown = false;
  for await (const message of messagesOf(control)) {
    const { answer, headers } = headerAnswer(deps.now(), message);
    if (!isKnown) {
      clearTimeout(late);
      const refusal = refusalOf(deps, headers.node, { der: connection.peer, subject: subjectOf(connection.peer) });
      if (refusal !== undefined) {
        deps.refused(headers.node, refusal.reason);
        return connection.close(refusal.reason);
      }
      isKnown = true;
      await control.write(encodeFrame(answer));
      deps.accept(headers.node, viaductSocket(connection));
    } else await control.write(encodeFrame({ ...answer, content: "ack" }));
  }
}
