// Random input at the other places where something comes in: frames, files, filters, queries, the questions of a kubelet. Each gives a value or a typed error.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { randomBytes } from "node:crypto";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { compileHopFilter, HopFilterError } from "../../base/hop/filter.ts";
import { parseBody, parsePatch } from "../../cloud/apiserver/http/body.ts";
import { ApiError } from "../../cloud/apiserver/status.ts";
import { ConfigFileError, parseCloudCoreFile } from "../../cloud/config/file.ts";
import { decodeCri, encodeCri } from "../../protocol/cri/messages.ts";
import { limits } from "../../protocol/limits.ts";
import { parseToken, refuseJwt, TokenError } from "../../protocol/pki/token.ts";
import { createAuthority } from "../../protocol/pki/ca.ts";
import { FrameError as QuicFrameError, FrameReader as QuicFrameReader } from "../../protocol/viaduct/frame.ts";
import { FrameError, FrameReader } from "../../proxy/frames.ts";
import { ScenarioError } from "../../scenarios/files/position.ts";
import { parseProfiles } from "../../scenarios/load/parse.ts";
import { readRecording, RecordingError } from "../../scenarios/recording/format.ts";
import { parseTargets } from "../../scenarios/targets/description.ts";
import { frameBytes, messageBytes } from "../support/frame-bytes.ts";
import { fuzz, fuzzing, tolerates } from "../support/fuzz.ts";
import { corrupted } from "../support/corrupted.ts";

const folder = mkdtempSync(join(tmpdir(), "skep-fuzz-"));
afterAll(() => rmSync(folder, { recursive: true }));

const pieces = (words: readonly string[]) =>
  fc.array(fc.oneof({ weight: 4, arbitrary: fc.constantFrom(...words) }, fc.string({ maxLength: 6 })), {
    maxLength: 40,
  })
    .map((parts) => parts.join(""));

/** Cut into pieces of that size, as a socket gives them. */
function inPieces(bytes: Uint8Array, size: number): Uint8Array[] {
  return Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) => bytes.subarray(i * size, (i + 1) * size));
}

describe("frames", () => {
  const message = fc.string({ maxLength: 300 }).map((text) => messageBytes(Buffer.from(text), true, 50));

  test("of a WebSocket that passes a proxy: what is no frame is an error that has the rest, and no byte is lost before it", async () => {
    await fuzz(
      "websocket-frames",
      fc.property(
        fc.oneof(corrupted(message), fc.uint8Array({ maxLength: 200 })),
        fc.integer({ min: 1, max: 60 }),
        (bytes, size) => {
          const reader = new FrameReader(limits.message);
          let seen = 0;
          try {
            for (const piece of inPieces(bytes, size)) {
              for (const { bytes: part } of reader.read(Buffer.from(piece))) seen += part.length;
            }
          } catch (error) {
            if (!(error instanceof FrameError)) throw error;
          }
          expect(seen).toBeLessThanOrEqual(bytes.length);
        },
      ),
      fuzzing,
    );
  });

  test("of QUIC: a message, or a FrameError; a length beyond the limit takes no memory", async () => {
    await fuzz(
      "quic-frames",
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.integer({ min: 1, max: 60 }), (bytes, size) => {
        const reader = new QuicFrameReader();
        tolerates(() => {
          for (const piece of inPieces(bytes, size)) {
            for (const payload of reader.push(piece)) expect(payload.length).toBeLessThanOrEqual(bytes.length);
          }
        }, QuicFrameError);
      }),
      fuzzing,
    );
  });

  test("that are right come out as they went in, however they are cut", async () => {
    await fuzz(
      "frames-again",
      fc.property(fc.uint8Array({ maxLength: 500 }), fc.integer({ min: 1, max: 40 }), (payload, size) => {
        const bytes = frameBytes({ opcode: 1, payload, isMasked: true });
        const reader = new FrameReader(limits.message);
        const found = inPieces(bytes, size).flatMap((piece) => [...reader.read(Buffer.from(piece))]);
        expect(found.flatMap((piece) => piece.payload === undefined ? [] : [Buffer.from(piece.payload)])).toEqual([
          Buffer.from(payload),
        ]);
      }),
      fuzzing,
    );
  });
});

describe("files", () => {
  const yaml = (words: readonly string[]) =>
    pieces([
      ...words,
      ": ",
      "\n",
      "  ",
      "- ",
      "{",
      "}",
      "[",
      "]",
      "&a ",
      "*a",
      "<<: ",
      "!!binary ",
      "null",
      "'",
      "|",
      "---\n",
      "1e400",
    ]);

  test("a cloudcore.yaml is a configuration, or an error that says where", async () => {
    const text = yaml([
      "apiVersion",
      "kind",
      "modules",
      "cloudHub",
      "websocket",
      "port",
      "nodeLimit",
      "skep",
      "__proto__",
    ]);
    await fuzz(
      "cloudcore-yaml",
      fc.property(text, (each) => tolerates(() => parseCloudCoreFile(each, "c.yaml"), ConfigFileError)),
      fuzzing,
    );
  });

  test("a skep.yaml, and a load profile, so too", async () => {
    const target = yaml(["skep", "1", "targets", "kubernetes", "cloudcore", "edges", "nodes", "matrix", "timings"]);
    const profile = yaml([
      "skep",
      "1",
      "name",
      "load",
      "phases",
      "for",
      "rate",
      "mix",
      "pods",
      "faults",
      "thresholds",
      "5s",
    ]);
    await fuzz(
      "skep-yaml",
      fc.property(target, (each) => tolerates(() => parseTargets(each, "t.yaml"), ScenarioError)),
      fuzzing,
    );
    await fuzz(
      "load-profile",
      fc.property(profile, (each) => tolerates(() => parseProfiles(each, "p.yaml"), ScenarioError)),
      fuzzing,
    );
  });

  test("a recording is hops, or an error that says in which line", async () => {
    const header = '{"skep":"recording","version":1,"by":"x","startedAt":1,"isMasked":true,"of":"x"}\n';
    const lines = pieces([
      '{"hop":"hub.write",',
      '"time":1',
      '"text":"',
      "}",
      "\n",
      "null",
      "[]",
      '"__proto__":{}',
      ",",
    ]);
    const { numRuns } = fuzzing;
    await fuzz(
      "recording",
      fc.asyncProperty(fc.boolean(), lines, async (isHeaded, text) => {
        const file = join(folder, `${randomBytes(4).toString("hex")}.jsonl`);
        writeFileSync(file, isHeaded ? header + text : text);
        await readRecording(file).catch((error) => expect(error).toBeInstanceOf(RecordingError));
        rmSync(file);
      }),
      { ...fuzzing, numRuns: Math.min(numRuns, "interruptAfterTimeLimit" in fuzzing ? numRuns : 200) },
    );
  });
});

test("a filter is a condition, or an error that says what it may name", async () => {
  const text = pieces([
    "hop",
    "node",
    "==",
    "!=",
    "&&",
    "||",
    "(",
    ")",
    '"a"',
    ".contains(",
    "size",
    "1",
    "? :",
    "[",
    "]",
    "in",
    "has(",
  ]);
  await fuzz("filter", fc.property(text, (each) => tolerates(() => compileHopFilter(each), HopFilterError)), fuzzing);
});

test("bodies of the API, of any type, are objects or an ApiError", async () => {
  const bytes = fc.oneof(
    pieces(['{"apiVersion":"v1"', ',"kind":"Pod"', "metadata", "{", "}", "[", "]", ":", ",", "1e999", '"__proto__"'])
      .map((text) => Buffer.from(text)),
    fc.uint8Array({ maxLength: 100 }),
  );
  const type = fc.constantFrom(
    "application/json",
    "application/yaml",
    "application/vnd.kubernetes.protobuf",
    "text/plain",
    "",
  );
  const patch = fc.constantFrom(
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
  );
  await fuzz(
    "api-body",
    fc.property(bytes, type, (each, kind) => tolerates(() => parseBody(each, kind, "Pod"), ApiError)),
    fuzzing,
  );
  await fuzz(
    "api-patch",
    fc.property(bytes, patch, (each, kind) => tolerates(() => parsePatch(each, kind), ApiError)),
    fuzzing,
  );
});

test("a token is none, or refused, unless it is the right one", async () => {
  const authority = await createAuthority("KubeEdge", Date.now());
  const text = pieces([".", "eyJhbGciOiJub25lIn0", "eyJhbGciOiJIUzI1NiJ9", "e30", "=", "a".repeat(64)]);
  await fuzz("token", fc.property(text, (each) => tolerates(() => parseToken(each), TokenError)), fuzzing);
  await fuzz(
    "jwt",
    fc.asyncProperty(text, async (each) => {
      expect(await refuseJwt(authority, each, Date.now())).toBeTypeOf("string");
    }),
    { ...fuzzing, numRuns: Math.min(fuzzing.numRuns, 2000) },
  );
});

test("what a kubelet asks is a message, or an error; what is encoded is decoded as it was", async () => {
  const whole = fc.record({ name: fc.string(), uid: fc.string(), namespace: fc.string(), attempt: fc.nat() }).map((
    metadata,
  ) => encodeCri("RunPodSandboxRequest", { config: { metadata, labels: { a: "b" } } }));
  await fuzz(
    "cri",
    fc.property(
      fc.oneof(corrupted(whole), fc.uint8Array({ maxLength: 60 })),
      (bytes) => tolerates(() => decodeCri("RunPodSandboxRequest", bytes), Error, RangeError),
    ),
    fuzzing,
  );
});
