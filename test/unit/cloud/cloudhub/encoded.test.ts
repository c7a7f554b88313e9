// How messages look on the wire for nodes of each era.
import { expect, test } from "vitest";
import { encodedContent, encodeV11 } from "../../../../cloud/cloudhub/session/encoded.ts";
import { encodeWith } from "../../../../protocol/message/codec.ts";

const pod = { apiVersion: "v1", kind: "Pod", metadata: { name: "p", resourceVersion: "7" }, spec: {} };
const message = (content: unknown, parent?: string) => ({
  header: {
    msg_id: "m",
    ...(parent === undefined ? {} : { parent_msg_id: parent }),
    timestamp: 1,
    resourceversion: "7",
  },
  route: { source: "edgecontroller", group: "resource", operation: "update", resource: "default/pod/p" },
  content,
});

test("to v1.1 go no versions, and objects without the kind that its cloud never wrote", () => {
  expect(JSON.parse(encodeV11(message(pod)))).toEqual({
    header: { msg_id: "m", parent_msg_id: "", timestamp: 1 },
    route: { source: "edgecontroller", group: "resource", operation: "update", resource: "default/pod/p" },
    content: { metadata: { name: "p", resourceVersion: "7" }, spec: {} },
  });
  expect(JSON.parse(encodeV11(message([pod]))).content).toEqual([{ metadata: pod.metadata, spec: {} }]);
});

test("what answers nothing says so to v1.1: an edge of that age would take the parent of the last message", () => {
  expect(encodeV11(message("OK"))).toContain('"parent_msg_id":""');
  expect(encodeV11(message("OK", "q"))).toContain('"parent_msg_id":"q"');
  expect(encodeWith(message("OK"), '"OK"')).not.toContain("parent_msg_id");
});

test("the same object has both forms at once: one node's form is not another's", () => {
  expect(encodedContent(pod)).toContain('"kind":"Pod"');
  expect(encodeV11(message(pod))).not.toContain('"kind"');
  expect(encodedContent(pod)).toContain('"kind":"Pod"');
});
