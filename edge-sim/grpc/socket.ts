// gRPC services on unix sockets: unary calls by their names. Loaded where an edge has such a socket.
import * as grpc from "@grpc/grpc-js";

/** A message as an object; what it does not have is absent. */
export type RpcMessage = Readonly<Record<string, unknown>>;

/** One call of a service. The caller is sent what it throws or rejects with. */
export type Handler = (request: RpcMessage) => RpcMessage | Promise<RpcMessage>;

/** A service: a call takes `{call}Request` and gives `{call}Response`. */
export interface Service {
  /** With its package, as in `v1beta1.DeviceMapperService`. */
  readonly name: string;
  readonly calls: readonly string[];
  encode(message: string, value: object): Uint8Array;
  decode(message: string, bytes: Uint8Array): RpcMessage;
}

/** A failure with one of gRPC's codes, such as 5 for what is not found. */
export class RpcError extends Error {
  readonly code: number;
  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

/** The service as the gRPC library takes it. */
export function definitionOf({ calls, decode, encode, name }: Service): grpc.ServiceDefinition {
  return Object.fromEntries(calls.map((call) => {
    const codec = (message: string) => ({
      serialize: (value: object) => Buffer.from(encode(message, value)),
      deserialize: (bytes: Uint8Array) => decode(message, bytes),
    });
    const request = codec(`${call}Request`);
    const response = codec(`${call}Response`);
    return [call, {
      path: `/${name}/${call}`,
      requestStream: false,
      responseStream: false,
      requestSerialize: request.serialize,
      requestDeserialize: request.deserialize,
      responseSerialize: response.serialize,
      responseDeserialize: response.deserialize,
    }];
  }));
}

/** Channel options for messages of at most so many bytes. */
export function channelOptions(maxMessage: number): grpc.ChannelOptions {
  return { "grpc.max_receive_message_length": maxMessage, "grpc.max_send_message_length": maxMessage };
}

/** Serves services on a unix socket; resolves with what closes it. Rejects where it can't listen there. */
export async function serveOnSocket(
  path: string,
  maxMessage: number,
  services: readonly { readonly service: Service; readonly handlers: Readonly<Record<string, Handler>> }[],
): Promise<() => Promise<void>> {
  const server = new grpc.Server(channelOptions(maxMessage));
  for (const { handlers, service } of services) {
    const implementation = Object.fromEntries(
      Object.entries(handlers).map(([call, handler]) => [
        call,
        (request: { readonly request: RpcMessage }, done: (error: object | null, answer?: RpcMessage) => void) => {
          Promise.resolve().then(() => handler(request.request)).then(
            (answer) => done(null, answer),
            (error: Error) =>
              done({ code: error instanceof RpcError ? error.code : grpc.status.UNKNOWN, details: error.message }),
          );
        },
      ]),
    );
    server.addService(definitionOf(service), implementation as grpc.UntypedServiceImplementation);
  }
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
