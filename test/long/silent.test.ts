// Ten thousand connections to a hub that say nothing: they cost little, they go again, and nobody is kept out.
import { readdirSync, readFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { afterAll, describe, expect, test } from "vitest";
import { limits } from "../../protocol/limits.ts";
import { Command, workFolder } from "../support/command.ts";
import { until } from "../support/until.ts";

const COUNT = 10_000;
const folder = workFolder();
const open = new Set<Socket>();
let up: Command | undefined;
afterAll(async () => {
  for (const socket of open) socket.destroy();
  await up?.interrupt();
  folder.remove();
});

/** Files that this process may have open: Linux says so. */
function filesAllowed(): number {
  return Number(/^Max open files +(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8"))?.[1] ?? 0);
}

const isPossible = process.platform === "linux" && filesAllowed() > COUNT + 1000;

describe.skipIf(!isPossible)(`a hub${isPossible ? "" : " [needs 11,000 open files]"}`, () => {
  test("ten thousand connections that say nothing keep nobody out", async () => {
    up = new Command(folder.path, ["up", "--edges", "1", "--port", "0", "--write-kubeconfig", "kubeconfig"]);
    const said = await up.says("\nready\n");
    const [port = "", enrolment = ""] = ["wss", "https"].map((scheme) =>
      new RegExp(`(?:websocket|enrolment) +${scheme}://127.0.0.1:(\\d+)`).exec(said)?.[1] ?? ""
    );
    const hub = `127.0.0.1:${port}`;
    const resident = () =>
      Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${up?.child.pid}/status`, "utf8"))?.[1] ?? 0) / 1024;
    // What the hub has of them: a client whose connection waits in the kernel's full queue believes that it is there.
    const files = () => readdirSync(`/proc/${up?.child.pid}/fd`).length;
    const before = { resident: resident(), files: files() };
    for (let i = 0; i < COUNT; i++) {
      // Every tenth says hello, and nothing after it.
      const socket = i % 10 === 0
        ? connectTls({ host: "127.0.0.1", port: Number(port), rejectUnauthorized: false })
        : connect(Number(port), "127.0.0.1");
      socket.on("error", () => {});
      socket.resume();
      open.add(socket);
      if (i % 100 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    const comes = async (prefix: string) => {
      const flags = ["--cloudcore", hub, "--enrolment-port", enrolment, "--kubeconfig", "kubeconfig"];
      const fleet = new Command(folder.path, ["fleet", ...flags, "--edges", "3", "--prefix", prefix]);
      await fleet.says(/3 Ready/, 60_000);
      await fleet.interrupt();
    };
    await comes("meanwhile");
    const during = { resident: resident(), files: files() };
    const more = Math.round(during.resident - before.resident);
    console.log(`silent: the hub has ${during.files - before.files} of ${COUNT} connections, and ${more} MiB more`);
    expect(during.files - before.files).toBeLessThanOrEqual(limits.handshakes + 100);
    expect(more).toBeLessThan(300);
    await until("none of them is left", () => files() <= before.files + 20, 4 * limits.handshakeTimeout);
    await comes("afterwards");
  }, 180_000);
});
