// When an unacknowledged message is sent again: later each time, and not while the edge still works through what it has.

/** What is remembered of a message's writes. */
export interface Written {
  /** Number of its first write and of its last, counted over all messages of the session. */
  readonly first: number;
  readonly last: number;
  /** Messages of the edge read before the last write. */
  readonly received: number;
  /** How often its resend was put off since. */
  putOff: number;
}

/**
 * An edge that has sent this many messages since a write is at its message limit (edgecore: 30 a second and a burst of 60,
 * KubeEdge v1.23 `edge/pkg/edgehub/edgehub.go`), and its acknowledgement may wait in the same queue.
 */
const BUSY_MESSAGES = 30;
/** A busy edge gets this many times the interval; then the message counts as lost all the same. */
const PUT_OFF_MOST = 12;
/** Intervals between two sends double, from one up to this many. */
const LONGEST_WAIT = 8;

export class Resends {
  readonly #interval: number;
  #writes = 0;
  #received = 0;
  /** The latest first write that was acknowledged: the edge reads in order, and has read all before it. */
  #acknowledged = 0;

  /** `interval`: milliseconds until the first resend (KubeEdge: 5 s). */
  constructor(interval: number) {
    this.#interval = interval;
  }

  /** A message of the edge was read; keepalives say nothing about its queue and don't count. */
  received(): void {
    this.#received++;
  }

  wrote(before: Written | undefined): Written {
    const last = ++this.#writes;
    return { first: before?.first ?? last, last, received: this.#received, putOff: 0 };
  }

  acknowledged(written: Written | undefined): void {
    this.#acknowledged = Math.max(this.#acknowledged, written?.first ?? 0);
  }

  /** Milliseconds until the next resend is considered. */
  waitAfter(attempts: number): number {
    return this.#interval * Math.min(LONGEST_WAIT, 2 ** (attempts - 1));
  }

  /**
   * Whether a due resend is put off. It is not where the edge has acknowledged something sent later, since this message or its
   * acknowledgement is lost then.
   */
  isPutOff(written: Written): boolean {
    if (this.#acknowledged > written.last || written.putOff >= PUT_OFF_MOST) return false;
    if (this.#received - written.received < BUSY_MESSAGES) return false;
    written.putOff++;
    return true;
  }
}
