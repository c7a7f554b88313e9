// client-node's Watch with a reader of our own: numbers keep their digits, and lines end at line feeds alone.
import { STATUS_CODES } from "node:http";
import { HttpMethod, type KubeConfig, RequestContext, Watch } from "@kubernetes/client-node";
import { type Dispatcher, request } from "undici";
import { parseJson } from "../../protocol/json.ts";

/** Milliseconds without a byte after which a watch is restarted, as in client-node. */
const SILENCE_MS = 30_000;

type Callback = Parameters<Watch["watch"]>[2];
type Done = Parameters<Watch["watch"]>[3];

export class JsonWatch extends Watch {
  readonly #opened: () => void;

  /** `opened` is called whenever a watch has begun. */
  constructor(config: KubeConfig, opened: () => void = () => {}) {
    super(config);
    this.#opened = opened;
  }

  /** Every failure is given to `done`: client-node's own ListWatch leaves a rejection unhandled. */
  override async watch(path: string, query: object, callback: Callback, done: Done): Promise<AbortController> {
    const controller = new AbortController();
    let isDone = false;
    let silence: NodeJS.Timeout | undefined;
    const finish = (error: unknown) => {
      if (isDone) return;
      isDone = true;
      clearTimeout(silence);
      controller.abort();
      done(error);
    };
    const restartTimer = () => {
      if (isDone) return;
      clearTimeout(silence);
      // By this name client-node knows that nothing is wrong, and goes on from the version that it has.
      const quiet = () => finish(new DOMException(`nothing came for ${SILENCE_MS} ms`, "TimeoutError"));
      silence = setTimeout(quiet, SILENCE_MS);
      silence.unref();
    };
    restartTimer();
    this.#open(path, query, controller.signal).then(async (body) => {
      restartTimer();
      this.#opened();
      let rest = "";
      body.setEncoding("utf8");
      for await (const chunk of body as AsyncIterable<string>) {
        restartTimer();
        const lines = (rest + chunk).split("\n");
        rest = lines.pop() ?? "";
        for (const line of lines) if (line !== "") tell(line, callback);
      }
      finish(null);
    }).catch(finish);
    return await Promise.resolve(controller);
  }

  async #open(path: string, query: object, signal: AbortSignal): Promise<Dispatcher.ResponseData["body"]> {
    const cluster = this.config.getCurrentCluster();
    if (!cluster) throw new Error("the kubeconfig names no cluster");
    const url = new URL(cluster.server + path);
    url.searchParams.set("watch", "true");
    for (const [key, value] of Object.entries(query)) if (value !== undefined) url.searchParams.set(key, String(value));
    const context = new RequestContext(url.toString(), HttpMethod.GET);
    await this.config.applySecurityAuthentication(context);
    const dispatcher = context.getDispatcher() as unknown as Dispatcher | undefined;
    const response = await request(url, {
      headers: { ...context.getHeaders(), accept: "application/json" },
      signal,
      bodyTimeout: 0,
      ...(dispatcher === undefined ? {} : { dispatcher }),
    });
    if (response.statusCode === 200) return response.body;
    await response.body.dump();
    const text = STATUS_CODES[response.statusCode] ?? "the server did not say what";
    throw Object.assign(new Error(text), { statusCode: response.statusCode });
  }
}

function tell(line: string, callback: Callback): void {
  let data: { readonly type: string; readonly object: unknown };
  try {
    data = parseJson(line) as typeof data;
  } catch {
    // As client-node does: lines that are no JSON are ignored.
    return;
  }
  callback(data.type, data.object, data);
}
