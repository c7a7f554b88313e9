// The same work for many items, a bounded number of them at the same time.

/** Calls `work` for each item, in order, with at most `limit` calls under way. Rejects with the first failure. */
export async function atOnce<T>(items: Iterable<T>, limit: number, work: (item: T) => Promise<unknown>): Promise<void> {
  // All workers draw from one iterator.
  const waiting = Iterator.from(items);
  const worker = async () => {
    for (let next = waiting.next(); !next.done; next = waiting.next()) await work(next.value);
  };
  await Promise.all(Array.from({ length: limit }, worker));
}
