// What Go's cloudcore did with requests for another node's objects under hub authorisation: ours does the same, or what
// docs/deviations.md says.
import { describe, expect, test } from "vitest";
import { type Resource, resources } from "../../cloud/kube/resource.ts";
import { textAt } from "../../protocol/apis/kube-object.ts";
import type { Message } from "../../protocol/message/message.ts";
import { behaviourLines } from "../support/captured.ts";
import { edgeLabels } from "../support/nodes.ts";
import { rawEdge } from "../support/raw-edge.ts";
import { startCloud } from "../support/start.ts";
import { until } from "../support/until.ts";

describe("z1: hub authorisation is on", () => {
  /** Where Go executes for another node what only NodeRestriction would stop (docs/deviations.md). */
  const refusedHere = [
    "insert another node",
    "patch another node's status",
    "podpatch of another node's pod",
    "delete of another node's pod",
  ];
  /** The requests of the node's own connection, in order, each with what became of it. */
  const cases: { name: string; request: Message; isAnswered: boolean }[] = [];
  let request: Message | undefined;
  for (const { dir, message, note } of behaviourLines().filter(({ step }) => step.startsWith("z1"))) {
    if (note?.startsWith("connection still open")) break;
    const operation = message?.route.operation ?? "";
    if (dir === "edge>cloud" && !["", "keepalive", "response"].includes(operation)) request = message;
    if (request === undefined || note === undefined || !/: (NO answer|answered)/.test(note)) continue;
    const name = note.replace(/: (NO answer|answered)[\s\S]*/, "");
    cases.push({ name, request, isAnswered: !note.includes(": NO answer") && !refusedHere.includes(name) });
    request = undefined;
  }

  test("each request is answered or dropped as it was, and never carried out for another node", async () => {
    const guarded = await startCloud({ config: { authorization: "on" } });
    try {
      const create = (resource: Resource, name: string, rest: Record<string, unknown>) => {
        const { apiVersion, kind, namespaced } = resource;
        const metadata = { name, ...(namespaced ? { namespace: "default" } : { labels: edgeLabels }) };
        return guarded.kube.create(resource, { apiVersion, kind, metadata, ...rest });
      };
      for (const name of ["z-used", "z-unused"]) {
        await create(resources.configmaps, name, { data: { a: "b" } });
        await create(resources.secrets, name, { stringData: { a: "b" } });
      }
      await create(resources.nodes, "n-z2", {});
      const podOn = (nodeName: string) => ({
        spec: {
          nodeName,
          containers: [{
            name: "c",
            image: "i",
            envFrom: [{ configMapRef: { name: "z-used" } }, { secretRef: { name: "z-used" } }],
          }],
        },
      });
      await create(resources.pods, "z-pod", podOn("n-z1"));
      await create(resources.pods, "z-other", podOn("n-z2"));
      const edge = await rawEdge(guarded, "n-z1");
      edge.acknowledgeAll();
      expect(cases).toHaveLength(24);
      const unanswered: [name: string, answer: () => Message | undefined][] = [];
      for (const { isAnswered, name, request } of cases) {
        const { operation = "", resource = "", source = "" } = request.route;
        const sent = edge.send({ operation, resource, source, content: request.content });
        const answer = () => edge.received.find(({ header }) => header.parent_msg_id === sent.header.msg_id);
        if (isAnswered) await until(`an answer to: ${name}`, answer);
        else {
          // Requests of one connection are dealt with in order: once this one is answered, that one has been.
          const query = edge.send({ operation: "query", resource: "k8s/ca.crt", source: "metamanager", content: null });
          await edge.expect("the CA", ({ header }) => header.parent_msg_id === query.header.msg_id);
          unanswered.push([name, answer]);
        }
      }
      // Looked at after all of them: an answer that comes late must not be missed.
      for (const [name, answer] of unanswered) expect(answer(), name).toBeUndefined();
      expect(await guarded.kube.find({ resource: resources.nodes, name: "n-z9" })).toBeUndefined();
      const other = await guarded.kube.get({ resource: resources.pods, namespace: "default", name: "z-other" });
      expect(textAt(other, "status", "phase")).not.toBe("Running");
      await expect(rawEdge(guarded, "n-z2", {}, "somebody-else")).rejects.toThrow("HTTP 403");
      edge.close();
    } finally {
      await guarded.stop();
    }
  });
});
