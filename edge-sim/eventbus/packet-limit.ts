// A bound for what an MQTT client sends: the broker library would read a packet of 256 MiB into memory before it looks at it.
import type { Socket } from "node:net";

/**
 * Watches what comes in on a socket and destroys it where a packet announces more than `bytes`. Only the lengths of
 * packets are read (MQTT 3.1.1 §2.2.3: up to four bytes, seven bits each, least first).
 */
export function packetLimit(socket: Socket, bytes: number): void {
  /** Bytes of the present packet still to come; 0 while its header is read. */
  let rest = 0;
  let length = 0;
  let shift = -1;
  socket.on("data", (chunk: Buffer) => {
    for (let i = 0; i < chunk.length && !socket.destroyed;) {
      if (rest > 0) {
        const taken = Math.min(rest, chunk.length - i);
        rest -= taken;
        i += taken;
        continue;
      }
      const byte = chunk[i++] as number;
      if (shift < 0) {
        // The first byte: the packet's type and flags.
        length = 0;
        shift = 0;
        continue;
      }
      length += (byte & 0x7f) << shift;
      shift += 7;
      if (length > bytes || shift > 28) {
        socket.destroy();
        return;
      }
      if ((byte & 0x80) !== 0) continue;
      rest = length;
      shift = -1;
    }
  });
}
