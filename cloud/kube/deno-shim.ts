// Makes undici's fetch notice on Deno that a stream has ended: imported first, before anything that loads undici.
// Deno's `stream.isReadable(webStream)` answers null, so a watch that is aborted or reset would hang.
import stream from "node:stream";

type Probe = (subject: never) => boolean | null;

if ("Deno" in globalThis && stream.isReadable(new ReadableStream() as never) !== true) {
  const original: { readonly isReadable: Probe; readonly isErrored: Probe } = {
    isReadable: stream.isReadable as Probe,
    isErrored: stream.isErrored as Probe,
  };
  const stateOf = (subject: object): string | undefined => {
    const symbol = Object.getOwnPropertySymbols(subject).find((s) => s.description === "[[state]]");
    return symbol === undefined ? undefined : (subject as Record<symbol, string>)[symbol];
  };
  Object.assign(stream, {
    isReadable: (subject: never) =>
      (subject as object) instanceof ReadableStream
        ? (stateOf(subject) ?? "readable") === "readable"
        : original.isReadable(subject),
    isErrored: (subject: never) =>
      (subject as object) instanceof ReadableStream ? stateOf(subject) === "errored" : original.isErrored(subject),
  });
}
