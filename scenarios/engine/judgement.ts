// What invariants say, and what they look at.

/** What is wrong, in words; nothing where it holds. "not judged" where what it needs can't be seen. */
export type Judgement = string[] | "not judged";

/** Types of the store that mirror the API. */
export const mirrored: ReadonlySet<string> = new Set(["pod", "configmap", "secret", "device", "devicemodel", "node"]);
