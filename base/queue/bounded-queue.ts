// A queue with an owner, a bound and a gauge. Nothing in this project queues without one.
import { SkepError } from "../error/skep-error.ts";

/** Rejects callers that wait on a queue when it is closed. */
export class QueueClosedError extends SkepError {
  readonly code = "SKEP_QUEUE_CLOSED";
  constructor(name: string) {
    super(`queue ${name} is closed`);
  }
}

interface WaitingSender<T> {
  readonly item: T;
  resolve(): void;
  reject(error: Error): void;
}

/**
 * First in, first out, of at most `capacity` items. `send` waits for room (as a Go channel does), so nothing is dropped;
 * waiting senders keep their order. Callers that must not wait use `trySend`.
 */
export class BoundedQueue<T> {
  readonly name: string;
  readonly capacity: number;
  #items: T[] = [];
  #head = 0;
  #receivers: { resolve(item: T): void; reject(error: Error): void }[] = [];
  #senders: WaitingSender<T>[] = [];
  #closed = false;

  constructor(name: string, capacity: number) {
    if (!(capacity >= 1)) throw new RangeError(`queue ${name}: capacity ${capacity} must be at least 1`);
    this.name = name;
    this.capacity = capacity;
  }

  /** How many items wait: the gauge. Senders that wait for room are not counted. */
  get size(): number {
    return this.#items.length - this.#head;
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  /** Adds the item and returns true, or returns false when the queue is full or closed. */
  trySend(item: T): boolean {
    if (this.#closed) return false;
    const receiver = this.#receivers.shift();
    if (receiver !== undefined) {
      receiver.resolve(item);
      return true;
    }
    if (this.size >= this.capacity) return false;
    this.#items.push(item);
    return true;
  }

  /** Settles when the item is in. Rejects with QueueClosedError, or with the signal's reason; then it is not in. */
  send(item: T, signal?: AbortSignal): Promise<void> {
    if (this.#senders.length === 0 && this.trySend(item)) return Promise.resolve();
    if (this.#closed) return Promise.reject(new QueueClosedError(this.name));
    if (signal?.aborted) return Promise.reject(signal.reason);
    return new Promise((resolve, reject) => {
      const sender: WaitingSender<T> = {
        item,
        resolve: () => {
          signal?.removeEventListener("abort", aborted);
          resolve();
        },
        reject,
      };
      const aborted = () => {
        this.#senders = this.#senders.filter((waiting) => waiting !== sender);
        reject(signal?.reason);
      };
      signal?.addEventListener("abort", aborted, { once: true });
      this.#senders.push(sender);
    });
  }

  /** The next item; waits for one. After `close`, what is still queued is handed out first. */
  receive(): Promise<T> {
    if (this.size > 0) {
      const item = this.#items[this.#head] as T;
      this.#head++;
      if (this.#head > 1024 || this.#head === this.#items.length) {
        this.#items = this.#items.slice(this.#head);
        this.#head = 0;
      }
      const sender = this.#senders.shift();
      if (sender !== undefined) {
        this.#items.push(sender.item);
        sender.resolve();
      }
      return Promise.resolve(item);
    }
    if (this.#closed) return Promise.reject(new QueueClosedError(this.name));
    return new Promise((resolve, reject) => this.#receivers.push({ resolve, reject }));
  }

  /** Takes nothing any more; callers that wait get QueueClosedError. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    const error = new QueueClosedError(this.name);
    for (const receiver of this.#receivers.splice(0)) receiver.reject(error);
    for (const sender of this.#senders.splice(0)) sender.reject(error);
  }
}
