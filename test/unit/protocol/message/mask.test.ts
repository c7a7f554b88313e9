import { describe, expect, test } from "vitest";
import { encodeMessage } from "../../../../protocol/message/codec.ts";
import { hopOf } from "../../../../protocol/message/hops.ts";
import { maskHop } from "../../../../protocol/message/mask.ts";
import { newMessage } from "../../../../protocol/message/message.ts";

function hop(resource: string, content: unknown) {
  const message = newMessage(1, {
    source: "edgecontroller",
    group: "resource",
    operation: "update",
    resource,
    content,
  });
  return hopOf(message, { time: 1, hop: "hub.write", direction: "down", node: "gw-0", text: encodeMessage(message) });
}

const secret = {
  apiVersion: "v1",
  kind: "Secret",
  metadata: {
    name: "s",
    annotations: { "kubectl.kubernetes.io/last-applied-configuration": '{"data":{"p":"aHVudGVyMg=="}}', note: "seen" },
  },
  data: { p: "aHVudGVyMg==" },
  stringData: { q: "hunter2" },
};

describe("a hop that is shown", () => {
  test.each([
    ["a secret", hop("default/secret/s", secret)],
    ["an answer with a secret", hop("default/secret/s", { Object: secret, Err: null })],
    ["a secret as a text", hop("default/secret/s", JSON.stringify(secret))],
    ["a token", hop("default/serviceaccounttoken/sa", { status: { token: "hunter2", expirationTimestamp: "2030" } })],
    [
      "secrets for a CSI driver",
      hop("node/gw-0/default/volume/v", JSON.stringify({ name: "pvc-1", secrets: { key: "hunter2" } })),
    ],
    ["a request to a CSI driver that can't be read", hop("node/gw-0/default/volume/v", "{hunter2")],
  ])("has no value of %s", (_what, record) => {
    const { text } = maskHop(record);
    expect(text).not.toMatch(/hunter2|aHVudGVyMg/);
    expect(text).toContain("(masked)");
  });

  test("keeps the names of the values, and everything else", () => {
    const { content } = JSON.parse(maskHop(hop("default/secret/s", secret)).text);
    expect(content.data).toEqual({ p: "(masked)" });
    expect(content.metadata.annotations.note).toBe("seen");
  });

  test("keeps what a CSI driver is asked beside its secrets, and its answer", () => {
    const asked = hop("node/gw-0/default/volume/v", JSON.stringify({ name: "pvc-1", secrets: { key: "hunter2" } }));
    const { content } = JSON.parse(maskHop(asked).text);
    expect(JSON.parse(content)).toEqual({ name: "pvc-1", secrets: { key: "(masked)" } });
    const answer = { ...asked, operation: "response" };
    expect(maskHop(answer)).toBe(answer);
  });

  test("is the same record where there is nothing to mask", () => {
    const record = hop("default/configmap/app", { data: { a: "1" } });
    expect(maskHop(record)).toBe(record);
  });

  test("has nothing of a text that can't be read", () => {
    expect(maskHop({ ...hop("default/secret/s", null), text: "{hunter2" }).text).toBe("(masked)");
  });
});
