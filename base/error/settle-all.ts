// Several things at once, of which none may be left under way.

/** Waits for all of them, then throws the first error: so nothing goes on to open what its caller has begun to close. */
export async function settleAll<T>(work: readonly Promise<T>[]): Promise<T[]> {
  const outcomes = await Promise.allSettled(work);
  return outcomes.map((outcome) => {
    if (outcome.status === "rejected") throw outcome.reason;
    return outcome.value;
  });
}
