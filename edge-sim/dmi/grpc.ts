// DMI over gRPC on unix sockets: the services by their names, and calls of them. Loaded where an edge has such a socket.
import * as grpc from "@grpc/grpc-js";
import { limits } from "../../protocol/limits.ts";
import { decodeDmi, encodeDmi, type ServiceName, services } from "../../protocol/dmi/messages.ts";

/** A message as an object; what it does not have is absent. */
export type DmiMessage = Readonly<Record<string, unknown>>;

/** One call of a service. The caller is sent what it throws or rejects with. */
export type Handler = (request: DmiMessage) => DmiMessage | Promise<DmiMessage>;

/** Milliseconds an answer may take (edgecore's). */
export const CALL_MS = 10_000;

const options: grpc.ChannelOptions = {
  "grpc.max_receive_message_length": limits.dmiMessage,
  "grpc.max_send_message_length": limits.dmiMessage,
};

function definitionOf(service: ServiceName): grpc.ServiceDefinition {
  return Object.fromEntries(services[service].map((call) => {
    const codec = (message: string) => ({
      serialize: (value: object) => Buffer.from(encodeDmi(message, value)),
      deserialize: (bytes: Uint8Array) => decodeDmi(message, bytes),
    });
    const request = codec(`${call}Request`);
    const response = codec(`${call}Response`);
    return [call, {
      path: `/v1beta1.${service}/${call}`,
      requestStream: false,
      responseStream: false,
      requestSerialize: request.serialize,
      requestDeserialize: request.deserialize,
      responseSerialize: response.serialize,
      responseDeserialize: response.deserialize,
    }];
  }));
}

/** Serves a service on a unix socket; resolves with what closes it. Rejects where it can't listen there. */
export async function serveDmi(
  service: ServiceName,
  path: string,
  handlers: Readonly<Record<string, Handler>>,
): Promise<() => Promise<void>> {
  const server = new grpc.Server(options);
  const implementation = Object.fromEntries(
    Object.entries(handlers).map(([call, handler]) => [
      call,
      (request: { readonly request: DmiMessage }, done: (error: object | null, answer?: DmiMessage) => void) => {
        Promise.resolve().then(() => handler(request.request)).then(
          (answer) => done(null, answer),
          (error: Error) => done({ code: grpc.status.UNKNOWN, details: error.message }),
        );
      },
    ]),
  );
  server.addService(definitionOf(service), implementation as grpc.UntypedServiceImplementation);
  await new Promise<void>((resolve, reject) =>
    server.bindAsync(
      `unix:${path}`,
      grpc.ServerCredentials.createInsecure(),
      (error) => error === null ? resolve() : reject(error),
    )
  );
  return () => {
    server.forceShutdown();
    return Promise.resolve();
  };
}

/** A client of a service on a unix socket. Whether the socket is served shows with the first call. */
export class DmiClient {
  readonly #client: grpc.Client;
  readonly #definition: grpc.ServiceDefinition;

  constructor(service: ServiceName, path: string) {
    this.#client = new grpc.Client(`unix:${path}`, grpc.credentials.createInsecure(), options);
    this.#definition = definitionOf(service);
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
