// Random bytes at every decoder: the answer is a value or a typed error, never a crash.
import { stepTable } from "../../scenarios/steps/table.ts";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fuzz, fuzzing, tolerates } from "../support/fuzz.ts";
import { applyJsonPatch } from "../../cloud/apiserver/patch/json-patch.ts";
import { applyMergePatch } from "../../protocol/apis/merge-patch.ts";
import { applyStrategicPatch } from "../../cloud/apiserver/patch/strategic.ts";
import { structOf } from "../../cloud/apiserver/types/shape.ts";
import { ApiError } from "../../cloud/apiserver/status.ts";
import { mergeTwins, ReportError } from "../../cloud/devicecontroller/upstream/reports.ts";
import { referencesOf } from "../../protocol/apis/pod.ts";
import { decodeMessage, encodeMessage, MessageFormatError } from "../../protocol/message/codec.ts";
import type { Message } from "../../protocol/message/message.ts";
import { CsrError, readRequest } from "../../protocol/pki/ca.ts";
import { parseNodePath, parseWirePath } from "../../protocol/resource/path.ts";
import { parseScenarios } from "../../scenarios/engine/parse.ts";
import { ScenarioError } from "../../scenarios/files/position.ts";

const words = [
  "null",
  "{",
  "}",
  "[",
  "]",
  '"',
  "header",
  "route",
  "content",
  "msg_id",
  "timestamp",
  ":",
  ",",
  "1",
  "\\u0000",
  "__proto__",
];
const nearlyJson = fc.array(fc.oneof(fc.constantFrom(...words), fc.string({ maxLength: 5 })), { maxLength: 40 }).map((
  parts,
) => parts.join(""));

describe("fuzzing", () => {
  test("decoding a message gives a message or says why not", async () => {
    await fuzz(
      "message",
      fc.property(
        fc.oneof(nearlyJson, fc.json(), fc.string()),
        (text) => tolerates(() => decodeMessage(text), MessageFormatError),
      ),
      fuzzing,
    );
  });

  test("what is encoded is decoded as it was", async () => {
    const text = fc.string({ unit: "binary", maxLength: 20 }).filter((s) => s.isWellFormed());
    const word = fc.string({ minLength: 1, maxLength: 10 });
    const message = fc.record({
      header: fc.record({ msg_id: text, timestamp: fc.integer({ min: 0 }) }),
      route: fc.record({ source: word, group: word, operation: word, resource: word }),
      content: fc.jsonValue({ maxDepth: 5 }),
    });
    await fuzz(
      "message-again",
      fc.property(message, (m) => {
        const expected = JSON.parse(JSON.stringify(m)) as Message;
        expect(decodeMessage(encodeMessage(m as Message))).toEqual(expected);
      }),
      fuzzing,
    );
  });

  test("resource paths are taken apart or are none", async () => {
    const path = fc.oneof(
      fc.string(),
      fc.array(fc.constantFrom("node", "", "a", "pod", "..", "null")).map((parts) => parts.join("/")),
    );
    await fuzz(
      "resource-path",
      fc.property(path, (text) => {
        parseNodePath(text);
        parseWirePath(text);
      }),
      fuzzing,
    );
  });

  test("patches of any shape give an object or an API error", async () => {
    const json = fc.jsonValue({ maxDepth: 4 });
    await fuzz(
      "patches",
      fc.property(json, json, (target, patch) => {
        tolerates(() => applyJsonPatch(target as never, patch), ApiError);
        tolerates(() => applyMergePatch(target as never, patch as never), ApiError);
        tolerates(
          () => applyStrategicPatch(structOf("io.k8s.api.core.v1.Pod"), target as never, patch as never),
          ApiError,
        );
      }),
      fuzzing,
    );
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
  });

  test("reports and pods of any shape do no harm", async () => {
    const device = { metadata: { name: "d" }, spec: { properties: [{ name: "t" }] } };
    const json = fc.jsonValue({ maxDepth: 4 });
    await fuzz(
      "reports-and-pods",
      fc.property(json, (value) => {
        tolerates(() => mergeTwins(device, { metadata: { name: "d" } }, { twin: { t: value } }), ReportError);
        referencesOf({ metadata: { name: "p" }, spec: value });
      }),
      fuzzing,
    );
  });

  test("bytes that are no certificate request are refused", async () => {
    await fuzz(
      "certificate-request",
      fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), async (bytes) => {
        await readRequest(bytes).catch((error) => {
          if (!(error instanceof CsrError)) throw error;
        });
      }),
      "interruptAfterTimeLimit" in fuzzing ? fuzzing : { numRuns: 300 },
    );
  });

  test("any text is a scenario or is refused with its place", async () => {
    const line = fc.constantFrom(
      "skep: 1",
      "name: x",
      "steps:",
      "  - wait: 1s",
      "  - expect: { at: kube }",
      "  - { a: [",
      "---",
      "fleet: [{}]",
      "  - repeat: { times: 1, steps: [",
      "\t",
      "&a [*a]",
    );
    await fuzz(
      "scenario",
      fc.property(
        fc.oneof(fc.array(line, { maxLength: 12 }).map((l) => l.join("\n")), fc.string()),
        (text) => tolerates(() => parseScenarios(text, "f", stepTable), ScenarioError),
      ),
      fuzzing,
    );
  });
});
