// Connects an edge over QUIC: a connection with its certificate, and the header frame that names it.
import type { MessageSocket } from "../../base/transport/message-socket.ts";
import { dialQuic, type QuicCredentials, type QuicDial } from "../../base/transport/quic.ts";
import { DialError } from "../../base/transport/websocket-client.ts";
import { headerMessage, messagesOf, viaductSocket } from "../../protocol/viaduct/connection.ts";
import { encodeFrame } from "../../protocol/viaduct/frame.ts";
import { defaultProjectId } from "../../protocol/message/names.ts";

/** Milliseconds the hub has to answer the header frame. */
const ANSWER_MS = 10_000;

/** Resolves with an open socket once the hub has answered. Rejects with DialError that says why not. */
export async function dialHubByQuic(
  where: QuicDial,
  credentials: QuicCredentials,
  node: string,
  now: number,
): Promise<MessageSocket> {
  let closed: string | undefined;
  try {
    const connection = await dialQuic(where, credentials);
    connection.onClose((reason) => closed = reason);
    const late = setTimeout(() => connection.close("the hub did not answer the header frame"), ANSWER_MS);
    try {
      const control = connection.open();
      await control.write(encodeFrame(headerMessage(now, { node, project: defaultProjectId })));
      const answers = messagesOf(control);
      const { done } = await answers.next();
      if (done) throw new Error("the hub ended the control stream");
      return viaductSocket(connection);
    } catch (error) {
      connection.close("");
      throw error;
    } finally {
      clearTimeout(late);
    }
  } catch (error) {
    throw new DialError(closed ?? (error as Error)?.message ?? "the connection broke");
  }
}
