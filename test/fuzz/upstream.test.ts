// Whatever an edge says in a message that can be read: nothing of cloudcore fails of it, and what the edge asks rightly afterwards is answered.
import fc from "fast-check";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { type Logger, silentLogger } from "../../base/log/logger.ts";
import { edgeModules, groups, modules, operations, resourceTypes } from "../../protocol/message/names.ts";
import { fuzz, fuzzing } from "../support/fuzz.ts";
import { addDevice, addNode, addPod } from "../support/nodes.ts";
import { type RawEdge, rawEdge } from "../support/raw-edge.ts";
import { type Cloud, startCloud } from "../support/start.ts";

/** Messages that are sent before it is looked whether all is well. */
const AT_ONCE = 20;

const words = [
  "metadata",
  "name",
  "namespace",
  "uid",
  "resourceVersion",
  "annotations",
  "labels",
  "spec",
  "status",
  "nodeName",
  "conditions",
  "phase",
  "Name",
  "Status",
  "ObjectMeta",
  "PodStatus",
  "twin",
  "actual",
  "expected",
  "value",
  "timestamp",
  "t",
  "state",
  "items",
  "objectMeta",
  "containerStatuses",
  "__proto__",
  "constructor",
  "toString",
  "",
];
const scalar = fc.oneof(
  fc.constantFrom("p", "d", "fuzz", "default", "1", "1e999", "9007199254740993", "\u0000", "..", "Running"),
  fc.jsonValue({ maxDepth: 0 }),
);
const content = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 5, depthSize: "small" },
    scalar,
    fc.array(tie("value"), { maxLength: 3 }),
    fc.dictionary(fc.constantFrom(...words), tie("value"), { maxKeys: 6 }),
  ),
})).value;
/** What edges really say, with values that they don't. */
const shaped = fc.oneof(
  content.map((status) => ({ Name: "p", Namespace: "default", Status: status })),
  content.map((value) => ({ timestamp: 1, twin: { t: { actual: { value, metadata: value } } } })),
  content.map((twin) => ({ timestamp: 1, twin })),
  content.map((status) => ({ metadata: { name: "fuzz" }, status })),
  content.map((spec) => ({ metadata: { name: "fuzz", namespace: "kube-node-lease" }, spec })),
  content.map((metadata) => ({ apiVersion: "v1", kind: "Event", metadata, involvedObject: metadata })),
  // A patch is a text with JSON in it.
  content.map((value) => JSON.stringify(value)),
  content.map((value) => JSON.stringify([{ op: "replace", path: "/status", value }])),
);
const name = fc.constantFrom("p", "d", "m", "fuzz", "last", "", "..", "__proto__", "P p", "x".repeat(300));
const namespace = fc.constantFrom("default", "kube-node-lease", "null", "", "nowhere", "node/fuzz/default");
const resource = fc.oneof(
  { weight: 8, arbitrary: fc.tuple(namespace, fc.constantFrom(...Object.values(resourceTypes)), name) },
  fc.tuple(namespace, fc.string({ maxLength: 12 }), name),
  fc.tuple(
    fc.constantFrom("device/default/d/twin/edge_updated", "device/default/d/state/update", "membership", "k8s/ca.crt"),
  ),
).map((parts) => parts.filter((part) => part !== "").join("/"));
const said = fc.record({
  operation: fc.oneof(
    {
      weight: 8,
      arbitrary: fc.constantFrom(...Object.values(operations), "ping", "config", "upgrade", "createvolume"),
    },
    fc.string({ maxLength: 8 }),
  ),
  resource,
  source: fc.constantFrom(...Object.values(edgeModules), ...Object.values(modules), "metaserver", "edged", ""),
  group: fc.constantFrom(...Object.values(groups), "hub", ""),
  content: fc.oneof(content, shaped),
});

describe.each(["off", "on"] as const)("with authorisation %s", (authorization) => {
  let cloud: Cloud;
  const failed: unknown[] = [];
  const logger: Logger = {
    ...silentLogger,
    error: (message, fields) => void failed.push({ message, ...fields }),
    with: () => logger,
  };
  beforeAll(async () => {
    cloud = await startCloud({ config: { authorization, keepaliveInterval: 600_000 }, logger });
    await addNode(cloud.kube, "fuzz");
    await addPod(cloud.kube, "fuzz", "p");
    await addDevice(cloud.kube, "fuzz", "d");
  });
  afterEach(() => void failed.splice(0));
  afterAll(() => cloud.stop());

  test("whatever an edge says, nothing fails of it, and what it asks rightly afterwards is answered", async () => {
    let edge: RawEdge | undefined;
    await fuzz(
      `upstream-${authorization}`,
      fc.asyncProperty(fc.array(said, { minLength: 1, maxLength: AT_ONCE }), async (messages) => {
        edge ??= await rawEdge(cloud, "fuzz");
        for (const message of messages) edge.send(message);
        const query = edge.send({ operation: "query", resource: "kube-node-lease/lease/fuzz", content: null });
        const isAnswer: Parameters<RawEdge["expect"]>[1] = ({ header }) => header.parent_msg_id === query.header.msg_id;
        await edge.expect("the answer about its lease", isAnswer);
        edge.received.splice(0);
        expect([failed, edge.ended()]).toEqual([[], undefined]);
      }),
      "interruptAfterTimeLimit" in fuzzing ? fuzzing : { numRuns: 50 },
    );
    edge?.close();
  });
});
