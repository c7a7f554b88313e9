// Who is connected: one session a node; a new connection takes the place of the old one.
import type { NodeSession } from "./session.ts";

/** The registry of sessions. */
export class Sessions {
  readonly #byNode = new Map<string, NodeSession>();

  get size(): number {
    return this.#byNode.size;
  }

  of(node: string): NodeSession | undefined {
    return this.#byNode.get(node);
  }

  all(): IterableIterator<NodeSession> {
    return this.#byNode.values();
  }

  /** Registers a session; the one it replaces ends. */
  add(session: NodeSession): void {
    const old = this.#byNode.get(session.node);
    this.#byNode.set(session.node, session);
    old?.end("the node connected again");
  }

  /** Removes a session, if it is still the registered one: an old connection's end must not take the new one with it. */
  remove(session: NodeSession): boolean {
    if (this.#byNode.get(session.node) !== session) return false;
    return this.#byNode.delete(session.node);
  }
}
