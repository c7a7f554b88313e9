// The file by which a running skep can be found: `.skep/run/PID.json`, readable by its user alone, removed when it ends.
import { rmdirSync, unlinkSync } from "node:fs";
import { chmod, mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";

/** What the file says. */
export interface RunFile {
  readonly pid: number;
  /** The command: `up`, `run`, `load`, `cloudcore`, `fleet` or `proxy`. */
  readonly what: string;
  readonly url: string;
  readonly token: string;
  /** Unix milliseconds. */
  readonly startedAt: number;
  readonly version: string;
  /** The process that it is a part of, where it is one. */
  readonly parent?: number;
}

/** Where the files are: in the working folder, unless SKEP_RUN_FOLDER names another. */
export function runFolder(): string {
  return process.env.SKEP_RUN_FOLDER ?? join(".skep", "run");
}

/** Writes the file; resolves with a function that removes it. It is removed at the end of the process in any case, and the folders with the last one. Rejects where the folder can't be written. */
export async function writeRunFile(file: RunFile, folder = runFolder()): Promise<() => void> {
  const path = join(folder, `${file.pid}.json`);
  try {
    await write(path, folder, file);
  } catch (error) {
    // The last one that ended may have removed the folder meanwhile.
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    await write(path, folder, file);
  }
  const remove = () => {
    try {
      unlinkSync(path);
      // The folders go with the last file in them.
      rmdirSync(folder);
      if (basename(dirname(folder)) === ".skep") rmdirSync(dirname(folder));
    } catch {
      // It has been removed already, or others are there.
    }
  };
  process.once("exit", remove);
  return () => {
    process.off("exit", remove);
    remove();
  };
}

async function write(path: string, folder: string, file: RunFile): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const half = `${path}.new`;
  // Readers see the whole file or none; its mode is set before the token is in it.
  await writeFile(half, "", { mode: 0o600 });
  await chmod(half, 0o600);
  await writeFile(half, `${JSON.stringify(file)}\n`);
  await rename(half, path);
}

/** What runs, oldest first. Files of processes that are gone, as after a SIGKILL, are removed. */
export async function readRunFiles(folder = runFolder()): Promise<RunFile[]> {
  const names = await readdir(folder).catch(() => []);
  const found: RunFile[] = [];
  for (const name of names.filter((each) => /^\d+\.json$/.test(each))) {
    const path = join(folder, name);
    const file = await readFile(path, "utf8").then((text) => JSON.parse(text) as RunFile, () => undefined);
    if (file === undefined) continue;
    if (isRunning(file.pid)) found.push(file);
    else await rm(path, { force: true });
  }
  return found.sort((a, b) => a.startedAt - b.startedAt);
}

/** The file of one process; undefined while it has none. */
export async function readRunFile(pid: number, folder = runFolder()): Promise<RunFile | undefined> {
  return await readFile(join(folder, `${pid}.json`), "utf8").then(
    (text) => JSON.parse(text) as RunFile,
    () => undefined,
  );
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // Another user's process may not be signalled, but is there.
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
