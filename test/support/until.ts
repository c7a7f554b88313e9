// Waits for a condition, with a deadline that says what was missing.

/** Looks every few milliseconds. Rejects with `what` and what the last look found. */
export async function until<T>(what: string, look: () => T | Promise<T>, ms = 10_000): Promise<NonNullable<T>> {
  const deadline = performance.now() + ms;
  let last: unknown;
  for (;;) {
    try {
      const found = await look();
      if (found) return found as NonNullable<T>;
      last = found;
    } catch (error) {
      last = error;
    }
    if (performance.now() > deadline) {
      throw new Error(`not within ${ms} ms: ${what}; the last look found ${String(last)}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
