// Finds and reads load profiles: those shipped with skep by their names, others by their files.
import { readdir } from "node:fs/promises";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { InputFileError } from "../files/manifest.ts";
import { ScenarioError } from "../files/position.ts";
import { readText } from "../files/yaml-document.ts";
import { parseProfiles } from "./parse.ts";
import type { LoadProfile } from "./profile.ts";

const shipped = fileURLToPath(new URL("../library/load", import.meta.url));

/** The names of the profiles that are shipped, in their order. */
export async function profileNames(): Promise<string[]> {
  const files = (await readdir(shipped)).filter((file) => /^\d.*\.yaml$/.test(file));
  return files.sort((a, b) => parseInt(a) - parseInt(b)).map((file) =>
    file.replace(/^\d+-/, "").replace(/\.yaml$/, "")
  );
}

/** All profiles that are shipped, with their names. */
export async function shippedProfiles(): Promise<{ readonly name: string; readonly profile: LoadProfile }[]> {
  const names = await profileNames();
  return await Promise.all(names.map(async (name) => ({ name, profile: await loadProfile(name) })));
}

/** A profile by its name or file. Rejects with ScenarioError, or InputFileError where there is none of that name. */
export async function loadProfile(name: string): Promise<LoadProfile> {
  const file = /\.ya?ml$/.test(name) ? name : await shippedFile(name);
  const [profile, second] = parseProfiles(await readText(file), relative(process.cwd(), file) || file);
  if (second !== undefined) throw new ScenarioError(second.position, "a load profile is one YAML document");
  return profile as LoadProfile;
}

async function shippedFile(name: string): Promise<string> {
  const files = await readdir(shipped);
  const found = files.find((file) => file.replace(/^\d+-/, "") === `${name}.yaml`);
  if (found !== undefined) return join(shipped, found);
  throw new InputFileError(
    `there is no load profile ${name}; shipped are ${(await profileNames()).join(", ")}, and a file ends in .yaml`,
  );
}
