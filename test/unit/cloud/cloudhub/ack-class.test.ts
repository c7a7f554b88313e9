import { describe, expect, test } from "vitest";
import { needsAck } from "../../../../cloud/cloudhub/dispatcher/ack-class.ts";
import { newMessage } from "../../../../protocol/message/message.ts";

function needs(
  source: string,
  operation: string,
  wire: string,
  content: unknown = { metadata: {} },
  group = "resource",
): boolean {
  return needsAck(newMessage(1, { source, group, operation, resource: wire, content }), wire);
}

describe("messages that must be acknowledged", () => {
  test.each([
    ["edgecontroller", "insert", "default/pod/web"],
    ["edgecontroller", "update", "default/configmap/app"],
    ["edgecontroller", "delete", "default/secret/key"],
    ["edgecontroller", "update", "null/node/n1"],
    ["edgecontroller", "response", "default/configmap/app"],
    ["devicecontroller", "insert", "default/device/d"],
    ["devicecontroller", "update", "default/devicemodel/m"],
  ])("%s %s %s", (source, operation, wire) => {
    expect(needs(source, operation, wire)).toBe(true);
  });

  test.each(["default/pod/my-podlist-1", "default/pod/membership-0", "default/configmap/x-serviceaccounttoken"])(
    "%s, whose name merely contains a word (Go's substring test loses these)",
    (wire) => {
      expect(needs("edgecontroller", "update", wire)).toBe(true);
    },
  );
});

describe("messages that must not", () => {
  test.each([
    ["devicecontroller", "update", "membership"],
    ["devicecontroller", "response", "twin"],
    ["cloudhub", "response", "k8s/ca.crt"],
    ["edgecontroller", "response", "default/podpatch/web"],
    ["edgecontroller", "response", "null/nodepatch/n1"],
    ["edgecontroller", "response", "kube-node-lease/lease/n1"],
    ["edgecontroller", "response", "default/serviceaccounttoken/default"],
    ["edgecontroller", "response", "default/podstatus/web"],
    ["edgecontroller", "delete", "null/node/n1"],
    ["edgecontroller", "response", "default/pod/web"],
    ["edgecontroller", "createvolume", "default/volume/v"],
    ["taskmanager", "upgrade", "default/x/y"],
  ])("%s %s %s", (source, operation, wire) => {
    expect(needs(source, operation, wire)).toBe(false);
  });

  test("answers that carry OK or an error, and messages of users", () => {
    expect(needs("edgecontroller", "response", "default/configmap/a", "OK")).toBe(false);
    expect(needs("edgecontroller", "response", "default/configmap/a", { ErrStatus: {} })).toBe(false);
    expect(needs("router_eventbus", "publish", "some/topic/x", {}, "user")).toBe(false);
  });
});
