// The product with one line changed for the worse: the scenarios must notice each. Else they prove nothing.
import { execFile } from "node:child_process";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Command, workFolder } from "../support/command.ts";
import { copyClone } from "../support/package.ts";

/** One change, and what fails with it: a scenario of the library, or a file of tests. */
interface Mutant {
  readonly what: string;
  readonly file: string;
  readonly line: string;
  readonly instead: string;
  readonly proof: string;
}

const mutants: readonly Mutant[] = [
  {
    what: "an object is sent without a record of it",
    file: "cloud/cloudhub/session/session.ts",
    line: "      else await records.ensure(this.node, item.object);",
    instead: "",
    proof: "robustness/20-killed-before-the-answer",
  },
  {
    what: "an edge acknowledges before it stores, and stores nothing",
    file: "edge-sim/metamanager/metamanager.ts",
    line: '    store.put(path, object);\n    this.#stored(message, "put", object);',
    instead: '    this.#stored(message, "put", object);',
    proof: "configmaps/1-mounted",
  },
  {
    what: "a version that waits is not replaced by a newer one",
    file: "cloud/cloudhub/session/lane.ts",
    line: "!isDelete && !comesBack && !isNewer(item, other)) return",
    instead: "!isDelete && !comesBack && isNewer(item, other)) return",
    proof: "test/unit/cloud/cloudhub/lane.test.ts",
  },
  {
    what: "objects go to every edge",
    file: "cloud/edgecontroller/downstream/downstream.ts",
    line: "only === undefined ? { ...message, receivers: nodes } : message);",
    instead:
      '{ ...message, route: { ...message.route, resource: wirePath(namespace, type, name) }, receivers: ["gw-0", "gw-1", "gw-2", "gw-3", "gw-4"] });',
    proof: "robustness/15-not-to-everybody",
  },
  {
    what: "the end of an old connection takes the new session along",
    file: "cloud/cloudhub/session/sessions.ts",
    line: "    if (this.#byNode.get(session.node) !== session) return false;",
    instead: "",
    proof: "nodes/5-second-place",
  },
  {
    what: "a certificate of another node will do",
    file: "cloud/cloudhub/servers/admission.ts",
    line: "const isIts = commonName === nodeCommonName(node)",
    instead: "const isIts = commonName !== ''",
    proof: "bootstrap/1-foreign-name",
  },
  {
    what: "nothing is compared when an edge connects, or later",
    file: "cloud/synccontroller/synccontroller.ts",
    line: "        await this.#sync(node);",
    instead: "",
    proof: "test/wire/sync-loop.test.ts",
  },
  {
    what: "what an edge deleted while it was away is not deleted there",
    file: "cloud/synccontroller/synccontroller.ts",
    line: "if (isDeleted) await this.#send(node, held, operations.delete, stubOf(held));",
    instead: "if (isDeleted) continue;",
    proof: "links/1-away",
  },
  {
    what: "the first report of a property is lost, as with KubeEdge",
    file: "cloud/devicecontroller/upstream/reports.ts",
    line: "    const old = twins.get(propertyName) ?? { propertyName };",
    instead:
      "    const old = twins.get(propertyName) ?? { propertyName };\n    if (!twins.has(propertyName)) { twins.set(propertyName, old); continue; }",
    proof: "devices/2-report",
  },
  {
    what: "a twin keeps its old value",
    file: "cloud/devicecontroller/upstream/reports.ts",
    line: "actual === undefined ? {} : { reported: actual }",
    instead: "actual === undefined || old.reported !== undefined ? {} : { reported: actual }",
    proof: "devices/7-often",
  },
  {
    what: "connections of which nothing is heard stay",
    file: "cloud/cloudhub/session/session.ts",
    line: "() => this.end(`no keepalive for ${config.keepaliveInterval} ms`)",
    instead: "() => {}",
    proof: "robustness/9-half-open-noticed",
  },
  {
    what: "a session ends and leaves its socket open",
    file: "cloud/cloudhub/session/session.ts",
    line: "    this.#socket.close(isFarewell ? reason : undefined);",
    instead: "",
    proof: "nodes/5-second-place",
  },
  {
    what: "the late deletion of a former object takes the new one of its name along",
    file: "cloud/cloudhub/session/session.ts",
    line: "    if (isDelete && this.#isOfFormer(path, recorded, version)) {",
    instead: "    if (isDelete && version === 'never') {",
    proof: "test/wire/delivery.test.ts",
  },
  {
    what: "a cloudcore whose API server refuses something at its start ends",
    file: "cloud/kube/start-retries.ts",
    line: "  return code === 409 || code === 410 || code === 429 || code >= 500;",
    instead: "  return code === 0;",
    proof: "test/wire/api-faults.test.ts",
  },
  {
    what: "a DeviceStatus that another cloudcore has just made is an error",
    file: "cloud/devicecontroller/statuses.ts",
    line: "        if (!isAlreadyExists(error)) throw error;",
    instead: "        throw error;",
    proof: "test/wire/advisories.test.ts",
  },
  {
    what: "how long a node has said nothing is measured by the time of day",
    file: "cloud/apiserver/controllers/node-lifecycle.ts",
    line: "const now = clock.monotonic();",
    instead: "const now = clock.now();",
    proof: "test/unit/cloud/apiserver/controllers.test.ts",
  },
  {
    what: "a token with a wrong signature will do",
    file: "cloud/cloudhub/servers/https.ts",
    line: "  return refused === undefined ? undefined : `token validation failure, err: ${refused}`;",
    instead: "  return refused === '' ? '' : undefined;",
    proof: "bootstrap/2-wrong-token",
  },
  {
    what: "every edge is let in, whatever the limit",
    file: "cloud/cloudhub/cloudhub.ts",
    line: "    if (this.sessions.size < nodeLimit ||",
    instead: "    if (nodeLimit > 0 ||",
    proof: "nodes/6-over-the-limit",
  },
  {
    what: "a message that is lost is not sent again",
    file: "cloud/cloudhub/session/session.ts",
    line: "    this.#armRetry(item, this.#resends.waitAfter(item.attempts));\n  }",
    instead: "  }",
    proof: "robustness/6-deliver-to-half-open",
  },
  {
    what: "an edge whose disk is full acknowledges",
    file: "edge-sim/metamanager/metamanager.ts",
    line:
      '    if (store.isFull) return this.#refuse(message, "insert or update meta failed, database or disk is full");',
    instead: "    if (store.isFull) return this.#acknowledge(message);",
    proof: "robustness/22-disk-full",
  },
  {
    what: "a session that ends for want of keepalives leaves its socket open",
    file: "cloud/cloudhub/session/session.ts",
    line: "    this.#socket.close(isFarewell ? reason : undefined);",
    instead: "",
    proof: "robustness/10-keepalive-timeout",
  },
  {
    what: "the end of the connection of another machine takes the new session along",
    file: "cloud/cloudhub/session/sessions.ts",
    line: "    if (this.#byNode.get(session.node) !== session) return false;",
    instead: "",
    proof: "robustness/11-reconnect-race",
  },
  {
    what: "each of two cloudcores keeps the CA that it has made",
    file: "cloud/cloudhub/certificates.ts",
    line: "    if (!isAlreadyExists(error)) throw error;\n    return authorityIn(await client.get(ref));",
    instead: "    return made;",
    proof: "test/wire/certificates.test.ts",
  },
  ...["robustness/18-rolling-upgrade", "robustness/19-frozen-cloudcore"].map((proof): Mutant => ({
    what: "what a node is behind with is not sent",
    file: "cloud/synccontroller/synccontroller.ts",
    line: "      else if (isNewerVersion(object.metadata.resourceVersion, held.version)) {",
    instead: "      else if (object.metadata.uid === 'none') {",
    proof,
  })),
  {
    what: "reports of a device that wait are written in another order",
    file: "cloud/devicecontroller/devicecontroller.ts",
    line: "return void waiting.push({",
    instead: "return void waiting.unshift({",
    proof: "test/wire/devices.test.ts",
  },
  {
    what: "what is acknowledged stays in the lane",
    file: "cloud/cloudhub/session/lane.ts",
    line: "    const item = this.#land(id);\n    // The edge",
    instead: "    const item = this.#inFlight.get(id);\n    // The edge",
    proof: "pods/1-pod-running",
  },
  {
    what: "a timer outlives its connection",
    file: "edge-sim/edgehub/edgehub.ts",
    line: "    this.#keepalive.cancel();",
    instead: "",
    proof: "pods/1-pod-running",
  },
  {
    what: "what an edge asks waits before its keepalives",
    file: "cloud/cloudhub/intake.ts",
    line: "    if (concernsConnection(message)) {",
    instead: "    if (node === '') {",
    proof: "test/wire/intake.test.ts",
  },
  {
    what: "records of a node that is there again are removed",
    file: "cloud/synccontroller/synccontroller.ts",
    line: "      if (this.#stopped.signal.aborted || !isStillRight()) return;",
    instead: "",
    proof: "test/wire/sync-loop.test.ts",
  },
  {
    what: "what an edge asks is not checked",
    file: "cloud/cloudhub/cloudhub.ts",
    line: "    return isOn;\n  }",
    instead: "    return false;\n  }",
    proof: "test/wire/authorisation.test.ts",
  },
];

describe("a mutant is noticed", () => {
  const folder = workFolder();
  const source = join(folder.path, "skep");
  beforeAll(() => copyClone(source));
  afterAll(() => rmSync(folder.path, { recursive: true, force: true }));

  /** Ends with 1 where a scenario or a test fails. */
  const run = (proof: string) =>
    proof.endsWith(".ts")
      ? promisify(execFile)(process.execPath, [join("node_modules", "vitest", "vitest.mjs"), "run", proof], {
        cwd: source,
        env: { ...process.env, NO_COLOR: "1" },
        // A file that isn't there, or can't be read, ends with 1, too.
      }).then(() => 0, ({ stdout }: { readonly stdout: string }) => /Tests .*\b[1-9]\d* failed/.test(stdout) ? 1 : 2)
      : new Command(source, ["run", `scenarios/library/${proof}.yaml`, "--timeout", "60s"], {}, source).ended().then((
        { code },
      ) => code);

  test.each(mutants)("$what: $proof fails", async ({ file, instead, line, proof }) => {
    const path = join(source, file);
    const text = readFileSync(path, "utf8");
    expect(text.split(line), `${file} has no line to change: ${line}`).toHaveLength(2);
    writeFileSync(path, text.replace(line, () => instead));
    try {
      expect(await run(proof)).toBe(1);
    } finally {
      writeFileSync(path, text);
    }
  }, 180_000);
});
