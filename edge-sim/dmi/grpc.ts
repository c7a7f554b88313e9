// DMI over gRPC on unix sockets: the services by their names, and calls of them. Loaded where an edge has such a socket.
import * as grpc from "@grpc/grpc-js";
import { limits } from "../../protocol/limits.ts";
import { decodeDmi, encodeDmi, type ServiceName, services } from "../../protocol/dmi/messages.ts";
import {
  channelOptions,
  definitionOf,
  type Handler,
  type RpcMessage as DmiMessage,
  serveOnSocket,
  type Service,
} from "../grpc/socket.ts";

export type { DmiMessage, Handler };

/** Milliseconds an answer may take (edgecore's). */
export const CALL_MS = 10_000;

function serviceOf(name: ServiceName): Service {
  return { name: `v1beta1.${name}`, calls: services[name], encode: encodeDmi, decode: decodeDmi };
}

/** Serves a service on a unix socket; resolves with what closes it. Rejects where it can't listen there. */
export function serveDmi(
  service: ServiceName,
  path: string,
  handlers: Readonly<Record<string, Handler>>,
): Promise<() => Promise<void>> {
  return serveOnSocket(path, limits.dmiMessage, [{ service: serviceOf(service), handlers }]);
}

/** A client of a service on a unix socket. Whether the socket is served shows with the first call. */
export class DmiClient {
  readonly #client: grpc.Client;
  readonly #definition: grpc.ServiceDefinition;

  constructor(service: ServiceName, path: string) {
    const options = channelOptions(limits.dmiMessage);
    this.#client = new grpc.Client(`unix:${path}`, grpc.credentials.createInsecure(), options);
    this.#definition = definitionOf(serviceOf(service));
  }

  /** Rejects with the callee's message, or when there is no answer in time. */
  call(name: string, request: object): Promise<DmiMessage> {
    const { path, requestSerialize, responseDeserialize } = this.#definition[name] as grpc.MethodDefinition<
      object,
      DmiMessage
    >;
    return new Promise((resolve, reject) => {
      this.#client.makeUnaryRequest(
        path,
        requestSerialize,
        responseDeserialize,
        request,
        new grpc.Metadata(),
        { deadline: Date.now() + CALL_MS },
        (error, answer) => error === null ? resolve(answer ?? {}) : reject(new Error(error.details || error.message)),
      );
    });
  }

  close(): void {
    this.#client.close();
  }
}
