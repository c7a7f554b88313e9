// Answers about what passes a proxy, and the faults that can be put on its links.
import { Ajv } from "ajv";
import { ControlError } from "../../base/control/server.ts";
import type { Clock } from "../../base/time/clock.ts";
import type { ProxiedEdge, Proxy } from "../../proxy/proxy.ts";
import { putFault } from "../files/faults.ts";
import { type FaultArgs, faultStep } from "../steps/disturbances.ts";
import { type ActionTaker, stepIn } from "./actions.ts";
import type { EdgePage, EdgeRow, ObjectRef, TapSource, Where } from "./source.ts";

/** Edges are what has connected through it; their stores and the API can't be seen. */
export class ProxySource implements TapSource {
  readonly #proxy: () => Proxy;

  constructor(proxy: () => Proxy) {
    this.#proxy = proxy;
  }

  edges(): Promise<EdgeRow[]> {
    return Promise.resolve(this.#proxy().edges().map(rowOf));
  }

  edge(node: string): Promise<EdgePage | undefined> {
    const edge = this.#proxy().edge(node);
    if (edge === undefined) return Promise.resolve(undefined);
    const { edge: summary } = rowOf(edge);
    const view = { ...summary as NonNullable<EdgeRow["edge"]>, faults: edge.link.faults, held: [], twins: [] };
    return Promise.resolve({ node, edge: view, holdings: [], log: [] });
  }

  names(): Promise<ObjectRef[]> {
    return Promise.resolve([]);
  }

  where(): Promise<Where> {
    return Promise.resolve({ deliveries: [], hasCloud: false });
  }

  delivery(_ref: ObjectRef, _node: string): Promise<Where> {
    return this.where();
  }

  gauges(): Promise<Readonly<Record<string, number>>> {
    const edges = this.#proxy().edges();
    const sum = (of: (edge: ProxiedEdge) => number) => edges.reduce((total, edge) => total + of(edge), 0);
    return Promise.resolve({
      edges: edges.length,
      connected: edges.filter(({ isConnected }) => isConnected).length,
      up: sum(({ up }) => up),
      down: sum(({ down }) => down),
    });
  }
}

function rowOf({ connections, down, isConnected, node, problem, up }: ProxiedEdge): EdgeRow {
  const edge = {
    node,
    isRunning: true,
    isConnected,
    isReady: isConnected,
    problem,
    objects: 0,
    pods: 0,
    devices: 0,
    connections,
    up,
    down,
  };
  return { node, edge };
}

/** Faults on the links of a proxy: the step `fault`, of one edge. */
export class ProxyFaults implements ActionTaker {
  readonly names = ["fault"];
  readonly #proxy: () => Proxy;
  readonly #clock: Clock;
  readonly #signal: AbortSignal;
  readonly #check = new Ajv({ allErrors: true, strict: false });

  constructor(proxy: () => Proxy, clock: Clock, signal: AbortSignal) {
    this.#proxy = proxy;
    this.#clock = clock;
    this.#signal = signal;
  }

  take(step: unknown): Promise<void> {
    const { args } = stepIn(step, { fault: faultStep });
    const isValid = this.#check.compile(faultStep.schema);
    if (!isValid(args)) {
      return Promise.reject(
        new ControlError(400, `fault: ${this.#check.errorsText(isValid.errors, { dataVar: "fault" })}`),
      );
    }
    const fault = args as FaultArgs;
    const edge = fault.edge === undefined ? undefined : this.#proxy().edge(fault.edge);
    if (edge === undefined) {
      const some = this.#proxy().edges().slice(0, 5).map(({ node }) => node).join(", ") || "none yet";
      return Promise.reject(
        new ControlError(
          409,
          `no edge ${fault.edge ?? `of cohort ${fault.cohort}`} has come through this proxy; there are ${some}`,
        ),
      );
    }
    void putFault([edge.link], fault, this.#clock, this.#signal)?.catch(() => {});
    return Promise.resolve();
  }
}
