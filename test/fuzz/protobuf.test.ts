// Protobuf bodies of the embedded API, whole and broken: an object comes back as it was, bytes that are none are refused with a
// typed error, and nothing else happens.
import fc from "fast-check";
import { expect, test } from "vitest";
import { fuzz, fuzzing } from "../support/fuzz.ts";
import { decodeProtobuf, openEnvelope, ProtobufError } from "../../cloud/apiserver/types/protobuf-read.ts";
import { encodeEnvelope } from "../../cloud/apiserver/types/protobuf-write.ts";
import { typeNameOf } from "../../cloud/apiserver/types/table.ts";

const typeOf = (group: string, version: string, kind: string) => typeNameOf(group, version, kind) as string;

const text = fc.string({ maxLength: 20 });
const labels = fc.dictionary(fc.string({ minLength: 1, maxLength: 10 }).filter((key) => key !== "__proto__"), text, {
  maxKeys: 4,
});
const quantity = fc.constantFrom("1", "100m", "1Gi", "0");
const container = fc.record({
  name: text,
  image: text,
  command: fc.array(text, { minLength: 1, maxLength: 3 }),
  env: fc.array(fc.record({ name: text, value: fc.string({ minLength: 1, maxLength: 9 }) }), {
    minLength: 1,
    maxLength: 3,
  }),
  ports: fc.array(fc.record({ containerPort: fc.integer({ min: 1, max: 65_535 }) }), { minLength: 1, maxLength: 2 }),
  resources: fc.record({ requests: fc.record({ cpu: quantity }) }),
  readinessProbe: fc.record({
    httpGet: fc.record({ port: fc.oneof(fc.integer({ min: 1, max: 9999 }), fc.constantFrom("http")) }),
    periodSeconds: fc.integer({ min: -1000, max: 1000 }).filter((n) => n !== 0),
  }),
}, { requiredKeys: ["name", "image"] });
const pod = fc.record({
  metadata: fc.record({ name: text, labels, generation: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }) }, {
    requiredKeys: ["name"],
  }),
  spec: fc.record({
    containers: fc.array(container, { minLength: 1, maxLength: 3 }),
    hostNetwork: fc.constant(true),
    tolerations: fc.array(
      fc.record({ key: fc.string({ minLength: 1, maxLength: 9 }), tolerationSeconds: fc.integer() }),
      { minLength: 1, maxLength: 2 },
    ),
  }, { requiredKeys: ["containers"] }),
});

/** Without what Go leaves out of JSON: empty texts, maps and lists. */
function bare(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(bare);
  if (typeof value !== "object" || value === null) return value;
  const kept = Object.entries(value).map(([key, one]) => [key, bare(one)] as const)
    .filter(([, one]) =>
      one !== "" && one !== null && !(typeof one === "object" && Object.keys(one as object).length === 0)
    );
  return Object.fromEntries(kept);
}

test("what is encoded is decoded as it was", async () => {
  await fuzz(
    "protobuf-again",
    fc.property(pod, (object) => {
      const { apiVersion, kind, raw } = openEnvelope(encodeEnvelope(typeOf("", "v1", "Pod"), "v1", "Pod", object));
      expect([apiVersion, kind]).toEqual(["v1", "Pod"]);
      expect(bare(decodeProtobuf(typeOf("", "v1", "Pod"), raw))).toEqual(bare(JSON.parse(JSON.stringify(object))));
    }),
    fuzzing,
  );
});

const types = [["", "v1", "Pod"], ["apps", "v1", "Deployment"], ["", "v1", "Event"], [
  "apiextensions.k8s.io",
  "v1",
  "CustomResourceDefinition",
], ["coordination.k8s.io", "v1", "Lease"]] as const;

test("bytes that are broken anywhere give an object or a ProtobufError, in little time and memory", async () => {
  const change = fc.record({ at: fc.nat(), to: fc.nat({ max: 255 }), cut: fc.boolean() });
  await fuzz(
    "protobuf-broken",
    fc.property(
      pod,
      fc.array(change, { minLength: 1, maxLength: 8 }),
      fc.constantFrom(...types),
      (object, changes, [group, version, kind]) => {
        let bytes = Buffer.from(encodeEnvelope(typeOf("", "v1", "Pod"), "v1", "Pod", object));
        for (const { at, cut, to } of changes) {
          const place = at % bytes.length;
          if (cut) bytes = bytes.subarray(0, Math.max(4, place));
          else bytes[place] = to;
        }
        try {
          decodeProtobuf(typeOf(group, version, kind), openEnvelope(bytes).raw);
        } catch (error) {
          expect(error).toBeInstanceOf(ProtobufError);
        }
      },
    ),
    fuzzing,
  );
});

test("random bytes, too", async () => {
  await fuzz(
    "protobuf-random",
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.constantFrom(...types), (bytes, [group, version, kind]) => {
      try {
        decodeProtobuf(typeOf(group, version, kind), bytes);
      } catch (error) {
        expect(error).toBeInstanceOf(ProtobufError);
      }
    }),
    fuzzing,
  );
});
