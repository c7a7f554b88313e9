// Waits for work with a timeout by the system's time; used where something stops.

/**
 * Settles as `work` does, or resolves after `ms` milliseconds of the system's time, whichever is first: a clock that is set or stands still
 * must not keep anything from ending. No timer is left, which would keep the process from ending.
 */
export async function settledWithin(work: Promise<unknown>, ms: number): Promise<void> {
  const late = Promise.withResolvers<void>();
  const timer = setTimeout(late.resolve, ms);
  try {
    await Promise.race([work, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
