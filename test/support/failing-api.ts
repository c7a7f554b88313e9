// An API that fails, or is slow: calls of a client of the API that are held back or rejected before they are made.
import { KubeApiError, type KubeClient } from "../../cloud/kube/client.ts";

const methods = ["get", "find", "create", "update", "patch", "delete", "createSub", "writeText"] as const;
type Method = typeof methods[number];

/** Calls that are intercepted until `stop`, or the end of the block. */
interface Interception extends Disposable {
  /** Calls so far, those included that went through. */
  readonly calls: number;
  stop(): void;
}

/**
 * Runs `before` ahead of each call of `client` for resources of this plural, with the number of the call from 1; where it throws or
 * rejects, so does the call, which is not made. Default: all methods.
 */
export function interceptCalls(
  client: KubeClient,
  plural: string,
  before: (call: number) => void | Promise<void>,
  only: readonly Method[] = methods,
): Interception {
  const own = client as unknown as Record<string, unknown>;
  let calls = 0;
  for (const method of only) {
    const real = Object.getPrototypeOf(own)[method] as (...args: unknown[]) => Promise<unknown>;
    own[method] = async (...args: unknown[]) => {
      const [first] = args as [{ plural?: string; resource?: { plural: string } }];
      if ((first.resource?.plural ?? first.plural) === plural) await before(++calls);
      return await Reflect.apply(real, own, args);
    };
  }
  const stop = () => {
    for (const method of only) delete own[method];
  };
  return {
    get calls() {
      return calls;
    },
    stop,
    [Symbol.dispose]: stop,
  };
}

/** The first `times` calls fail with `error`. Default: all of them, of all methods. */
export function failCalls(
  client: KubeClient,
  plural: string,
  error: Error,
  { only = methods, times = Infinity }: { readonly only?: readonly Method[]; readonly times?: number } = {},
): Interception {
  return interceptCalls(client, plural, (call) => {
    if (call <= times) throw error;
  }, only);
}

/** An answer of the API that refuses. Default: an overloaded API's. */
export function refusal(code: number, reason = "Timeout"): KubeApiError {
  return new KubeApiError({ status: "Failure", message: "no", reason, code });
}
