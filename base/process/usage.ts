// Processor time and memory of another process of this machine.
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";

/** Seconds of processor time so far, and bytes of resident memory. */
export interface ProcessUsage {
  readonly cpu: number;
  readonly rss: number;
}

/** Ticks of a second in /proc, on every Linux that there is (`sysconf(_SC_CLK_TCK)`). */
const TICKS = 100;

/** What a process uses; undefined where there is none of that number, or this machine doesn't tell. */
export async function usageOf(pid: number): Promise<ProcessUsage | undefined> {
  try {
    if (process.platform === "linux") {
      const [stat, status] = await Promise.all([
        readFile(`/proc/${pid}/stat`, "utf8"),
        readFile(`/proc/${pid}/status`, "utf8"),
      ]);
      // The name in parentheses may hold anything; proc_pid_stat(5) counts it as the second field.
      const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      const [user = 0, system = 0] = [fields[11], fields[12]].map(Number);
      const [, kib = "0"] = /^VmRSS:\s+(\d+) kB$/m.exec(status) ?? [];
      return { cpu: (user + system) / TICKS, rss: Number(kib) * 1024 };
    }
    if (process.platform === "win32") return undefined;
    return fromPs(await output("ps", ["-o", "rss=,time=", "-p", String(pid)]));
  } catch {
    return undefined;
  }
}

/** `  12345   1-02:03:04.56`: kibibytes, and days, hours, minutes and seconds. */
function fromPs(text: string): ProcessUsage | undefined {
  const [, kib, days = "0", time = ""] = /^\s*(\d+)\s+(?:(\d+)-)?([\d:.]+)/.exec(text) ?? [];
  if (kib === undefined) return undefined;
  const seconds = time.split(":").reduce((sum, part) => sum * 60 + Number(part), 0);
  return { cpu: Number(days) * 86_400 + seconds, rss: Number(kib) * 1024 };
}

function output(program: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(program, args, (error, stdout) => error === null ? resolve(stdout) : reject(error as Error));
  });
}
