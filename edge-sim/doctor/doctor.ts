// Walks the way of one edge to its cloudcore step by step, and says at the first step that fails what to do.
import { lookup } from "node:dns/promises";
import { connect as connectTcp } from "node:net";
import { connect as connectTls, createSecureContext, type PeerCertificate } from "node:tls";
import { decodeJwt } from "jose";
import { reasonOf } from "../../base/log/logger.ts";
import type { MessageSocket } from "../../base/transport/message-socket.ts";
import { DialError, dialWebSocket } from "../../base/transport/websocket-client.ts";
import { at, textAt } from "../../protocol/apis/kube-object.ts";
import { limits } from "../../protocol/limits.ts";
import { decodeMessage, encodeMessage } from "../../protocol/message/codec.ts";
import { type Message, newMessage, responseTo } from "../../protocol/message/message.ts";
import { defaultProjectId, edgeModules, edgeNodeLabel, groups, ok, operations } from "../../protocol/message/names.ts";
import { derOf, subjectOf, validityOf } from "../../protocol/pki/ca.ts";
import { nodeCommonName, nodeOrganization } from "../../protocol/pki/request.ts";
import { parseToken } from "../../protocol/pki/token.ts";
import { type EdgeCredentials, enrol, fetchCa } from "../edgehub/enrolment.ts";

/** What is walked. */
export interface DoctorOptions {
  readonly host: string;
  readonly websocketPort: number;
  readonly httpsPort: number;
  readonly token: string;
  /** The edge's name. */
  readonly node: string;
  /** Whether its Node is created: it stays in the cluster. */
  readonly registers: boolean;
  /** Milliseconds for each step. */
  readonly timeout: number;
  readonly now: () => number;
  readonly signal: AbortSignal;
}

/** One step. */
export interface DoctorStep {
  readonly name: string;
  readonly verdict: "ok" | "failed" | "not tried";
  /** What was found. */
  readonly found: string;
  /** What to do, where it failed. */
  readonly advice: string;
}

/** A step that failed. */
class Finding extends Error {
  readonly advice: string;
  constructor(message: string, advice: string) {
    super(message);
    this.advice = advice;
  }
}

/** What earlier steps have found. */
interface Walk {
  ca: string;
  credentials: EdgeCredentials | undefined;
  socket: MessageSocket | undefined;
  answers: Map<string, (message: Message) => void>;
  registered: boolean;
}

type Step = readonly [name: string, walk: (options: DoctorOptions, walk: Walk) => Promise<string>];

const steps: readonly Step[] = [
  ["address", address],
  ["hub port", (options) => port(options, options.websocketPort, "modules.cloudHub.websocket.port")],
  ["enrolment port", (options) => port(options, options.httpsPort, "modules.cloudHub.https.port")],
  ["TLS", tls],
  ["CA", authority],
  ["token", token],
  ["server's names", serverNames],
  ["certificate", certificate],
  ["certificate's names", certificateNames],
  ["hub", hub],
  ["first message", firstMessage],
  ["registration", registration],
  ["versions", versions],
];

/** Walks until a step fails; `onStep` is called after each. Resolves with all steps. */
export async function walk(options: DoctorOptions, onStep: (step: DoctorStep) => void): Promise<DoctorStep[]> {
  const state: Walk = { ca: "", credentials: undefined, socket: undefined, answers: new Map(), registered: false };
  const done: DoctorStep[] = [];
  let hasFailed = false;
  const add = (step: DoctorStep) => {
    done.push(step);
    onStep(step);
  };
  try {
    for (const [name, step] of steps) {
      if (hasFailed) {
        add({ name, verdict: "not tried", found: "", advice: "" });
        continue;
      }
      try {
        const found = await step(options, state);
        const isTried = !found.startsWith("not tried");
        add({
          name,
          verdict: isTried ? "ok" : "not tried",
          found: isTried ? found : found.slice("not tried: ".length),
          advice: "",
        });
      } catch (error) {
        hasFailed = true;
        const advice = error instanceof Finding ? error.advice : "see what the message names";
        add({ name, verdict: "failed", found: reasonOf(error), advice });
      }
    }
  } finally {
    state.socket?.close();
  }
  return done;
}

async function address({ host }: DoctorOptions): Promise<string> {
  try {
    const found = await lookup(host.replace(/^\[|\]$/g, ""), { all: true });
    return found.map(({ address: each }) => each).join(", ");
  } catch (error) {
    throw new Finding(
      `${host} has no address: ${reasonOf(error)}`,
      "check the name and the edge's DNS; an IP address does, too",
    );
  }
}

async function port({ host, timeout }: DoctorOptions, number: number, setting: string): Promise<string> {
  await new Promise<void>((resolve, reject) => {
    const socket = connectTcp({ host, port: number, timeout }, () => {
      socket.destroy();
      resolve();
    });
    const failed = (why: string) => {
      socket.destroy();
      reject(
        new Finding(
          `${host}:${number} can't be reached: ${why}`,
          `check that cloudcore runs, that ${setting} is ${number}, and that no firewall is in between`,
        ),
      );
    };
    socket.once("timeout", () => failed(`no answer within ${timeout} ms`));
    socket.once("error", (error) => failed(reasonOf(error)));
  });
  return `${host}:${number} answers`;
}

async function tls(options: DoctorOptions): Promise<string> {
  const { cipher, protocol } = await handshake(options, options.httpsPort, {});
  return `${protocol}, ${cipher}`;
}

/** A handshake that trusts anybody unless there is a CA. */
function handshake(
  { host, timeout }: DoctorOptions,
  number: number,
  trust: { readonly ca?: string },
): Promise<{ readonly protocol: string; readonly cipher: string; readonly peer: PeerCertificate }> {
  return new Promise((resolve, reject) => {
    const socket = connectTls(
      { host, port: number, rejectUnauthorized: trust.ca !== undefined, ...trust, timeout },
      () => {
        const found = {
          protocol: socket.getProtocol() ?? "",
          cipher: socket.getCipher().name,
          peer: socket.getPeerCertificate(),
        };
        socket.destroy();
        resolve(found);
      },
    );
    const failed = (error: Error) => {
      socket.destroy();
      reject(
        new Finding(
          `the TLS handshake with ${host}:${number} failed: ${reasonOf(error)}`,
          "check that this is cloudcore's port and that nothing between ends TLS or speaks another protocol there",
        ),
      );
    };
    socket.once("timeout", () => failed(new Error(`no answer within ${timeout} ms`)));
    socket.once("error", failed);
  });
}

async function authority(options: DoctorOptions, state: Walk): Promise<string> {
  try {
    state.ca = await fetchCa(enrolmentOf(options));
  } catch (error) {
    throw new Finding(
      reasonOf(error),
      "take the token of this cloudcore: kubectl get secret -n kubeedge tokensecret -o jsonpath='{.data.tokendata}' | base64 -d",
    );
  }
  const { to } = validityOf(state.ca);
  if (to < options.now()) {
    throw new Finding(
      `the CA has expired on ${day(to)}`,
      "make another CA: delete the secret kubeedge/casecret and restart cloudcore; every edge has to enrol again",
    );
  }
  return `its hash is the token's; it is good until ${day(to)}`;
}

async function token({ now, token: text }: DoctorOptions): Promise<string> {
  const { exp } = decodeJwt(parseToken(text).jwt);
  if (exp === undefined) return "it does not expire";
  if (exp * 1000 < now()) {
    throw new Finding(
      `the token has expired on ${new Date(exp * 1000).toISOString()}`,
      "take a fresh one: it is renewed every few hours in the secret kubeedge/tokensecret",
    );
  }
  return `it is good until ${new Date(exp * 1000).toISOString()}`;
}

async function serverNames(options: DoctorOptions, { ca }: Walk): Promise<string> {
  const { peer } = await handshake(options, options.websocketPort, {});
  const names = (peer.subjectaltname ?? "").replaceAll(/DNS:|IP Address:/g, "");
  try {
    await handshake(options, options.websocketPort, { ca });
  } catch (error) {
    // A server that wants a certificate may end the connection after that; only its own is judged here.
    if (!/altnames|certificate|unable to|self.signed/i.test(reasonOf(error))) return `it is for ${names}`;
    throw new Finding(
      `the hub's certificate is not good for ${options.host}: it is for ${names || "no name"} (${reasonOf(error)})`,
      `add ${options.host} to modules.cloudHub.advertiseAddress of cloudcore.yaml (--advertise), and restart cloudcore`,
    );
  }
  return `it is for ${names}`;
}

async function certificate(options: DoctorOptions, state: Walk): Promise<string> {
  try {
    state.credentials = await enrol(options.node, state.ca, enrolmentOf(options));
  } catch (error) {
    const reason = reasonOf(error);
    const advice = /expired|token|signature/i.test(reason)
      ? "take a fresh token of this cloudcore, and compare the clocks of both machines"
      : "see cloudcore's log; the enrolment server signs with the CA of the secret kubeedge/casecret";
    throw new Finding(reason, advice);
  }
  return `signed for ${options.node}`;
}

async function certificateNames({ node, now }: DoctorOptions, { credentials }: Walk): Promise<string> {
  const { cert } = credentials as EdgeCredentials;
  const { commonName, organization } = subjectOf(derOf(cert));
  const { from, to } = validityOf(cert);
  if (commonName !== nodeCommonName(node) || organization !== nodeOrganization) {
    throw new Finding(
      `the certificate is for ${commonName} of ${String(organization)}, not for ${
        nodeCommonName(node)
      } of ${nodeOrganization}`,
      "cloudcore signs names of another version of KubeEdge: the versions of both have to fit",
    );
  }
  if (from > now()) {
    throw new Finding(
      `the certificate begins at ${new Date(from).toISOString()}`,
      "the clocks of cloudcore and edge differ: set them by NTP",
    );
  }
  return `${commonName}, ${organization}, until ${day(to)}`;
}

async function hub(options: DoctorOptions, state: Walk): Promise<string> {
  const { host, node, signal, timeout, websocketPort } = options;
  const { ca, cert, key } = state.credentials as EdgeCredentials;
  try {
    state.socket = await dialWebSocket({
      url: `wss://${host}:${websocketPort}/${defaultProjectId}/${node}/events`,
      secureContext: createSecureContext({ ca, cert, key }),
      headers: { node_id: node, project_id: defaultProjectId, ConnectionUse: "msg" },
      handshakeTimeout: timeout,
      maxMessage: limits.message,
      maxFragments: limits.fragments,
      maxRefusal: limits.refusalBody,
      signal,
    });
  } catch (error) {
    const reason = reasonOf(error);
    const status = error instanceof DialError ? error.status : undefined;
    const advice = /limit/i.test(reason) || status === 503 || status === 500
      ? "raise modules.cloudHub.nodeLimit of cloudcore.yaml (--node-limit), or let another cloudcore serve this edge"
      : status === 403
      ? "the hub takes the certificate of this name alone: check the edge's hostnameOverride, and whether another edge has the name"
      : "see cloudcore's log for this node";
    throw new Finding(`the hub refuses the connection: ${reason}`, advice);
  }
  state.socket.onMessage((text) => receive(text, options, state));
  // The hub counts nothing but these as a sign of life.
  state.socket.send(
    encodeMessage(
      newMessage(options.now(), {
        source: edgeModules.hub,
        group: groups.resource,
        operation: operations.keepalive,
        resource: "node",
        content: "ping",
      }),
    ),
  );
  return "the upgrade was accepted, within the node limit";
}

/** Answers go to the request that waits for them; objects are acknowledged, as an edge does. */
function receive(text: string, { now }: DoctorOptions, { answers, socket }: Walk): void {
  const message = decodeMessage(text);
  const waiting = answers.get(message.header.parent_msg_id ?? "");
  if (waiting !== undefined) return waiting(message);
  if (message.header.parent_msg_id === undefined) socket?.send(encodeMessage(responseTo(now(), message, ok)));
}

async function ask(
  { now, timeout }: DoctorOptions,
  { answers, socket }: Walk,
  operation: string,
  resource: string,
  content: unknown,
): Promise<Message> {
  const message = newMessage(now(), { source: edgeModules.edged, group: groups.meta, operation, resource, content });
  const { promise, reject, resolve } = Promise.withResolvers<Message>();
  const late = setTimeout(() => reject(new Error(`no answer within ${timeout} ms`)), timeout);
  socket?.onClose((reason) => reject(new Error(`the hub ended the connection: ${reason}`)));
  answers.set(message.header.msg_id, resolve);
  socket?.send(encodeMessage(message));
  return await promise.finally(() => clearTimeout(late));
}

async function firstMessage(options: DoctorOptions, state: Walk): Promise<string> {
  const began = performance.now();
  let answer: Message;
  try {
    answer = await ask(options, state, operations.query, `default/node/${options.node}`, null);
  } catch (error) {
    throw new Finding(
      `a question about the Node was not answered: ${reasonOf(error)}`,
      "cloudcore's edgecontroller does not work: is modules.edgeController.enable true, and does cloudcore reach the API server?",
    );
  }
  const took = Math.round(performance.now() - began);
  const status = at(answer.content, "Err", "ErrStatus") ?? at(answer.content, "ErrStatus");
  const message = textAt({ status }, "status", "message");
  if (/forbidden/i.test(message)) {
    throw new Finding(
      `the API does not let cloudcore read Nodes: ${message}`,
      "give cloudcore's service account its rights: KubeEdge's ClusterRole cloudcore",
    );
  }
  return `answered in ${took} ms: ${
    status === undefined ? "the Node is there" : message || "there is no such Node yet"
  }`;
}

async function registration(options: DoctorOptions, state: Walk): Promise<string> {
  const { node } = options;
  if (!options.registers) return "not tried: it would leave a Node in the cluster (--register)";
  const content = {
    metadata: { name: node, labels: { [edgeNodeLabel]: "", "kubernetes.io/hostname": node } },
    spec: {},
    status: {},
  };
  const answer = await ask(options, state, operations.insert, `default/node/${node}`, content);
  const status = at(answer.content, "Err", "ErrStatus") ?? at(answer.content, "ErrStatus");
  const message = textAt({ status }, "status", "message");
  if (status !== undefined && !/already exists/i.test(message)) {
    throw new Finding(
      `the Node can't be created: ${message}`,
      "let cloudcore create Nodes, or create it by hand with the label node-role.kubernetes.io/edge",
    );
  }
  state.registered = true;
  return status === undefined ? `Node ${node} was created` : `Node ${node} is there already`;
}

async function versions(options: DoctorOptions, state: Walk): Promise<string> {
  if (!options.registers) return "not tried: a Node's versions come with its registration (--register)";
  const answer = await ask(options, state, operations.query, `default/node/${options.node}`, null);
  const object = at(answer.content, "Object") ?? answer.content;
  const kubelet = textAt(object, "status", "nodeInfo", "kubeletVersion");
  return kubelet === "" ? "the Node names no version until its edge reports one" : `its Node says ${kubelet}`;
}

function enrolmentOf({ host, httpsPort, signal, timeout, token: text }: DoctorOptions) {
  return { server: `https://${host}:${httpsPort}`, token: text, timeout, signal };
}

function day(time: number): string {
  return new Date(time).toISOString().slice(0, 10);
}
