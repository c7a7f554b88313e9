import { describe, expect, test } from "vitest";
import { levelledLogger, lowestLevel, parseLevels } from "../../../../base/log/levels.ts";
import type { Fields, Logger } from "../../../../base/log/logger.ts";

function heard() {
  const lines: string[] = [];
  const make = (fields: Fields): Logger => {
    const say = (level: string) => (message: string) => void lines.push(`${level} ${fields.module ?? "-"} ${message}`);
    return {
      debug: say("debug"),
      info: say("info"),
      warn: say("warn"),
      error: say("error"),
      with: (more) => make({ ...fields, ...more }),
    };
  };
  return { lines, logger: make({}) };
}

describe("levels by module", () => {
  test("print each module from its level on, and all else from the usual one", () => {
    const { lines, logger } = heard();
    const levelled = levelledLogger(logger, parseLevels("cloudhub=debug,edge=error", "warn"));
    const hub = levelled.with({ module: "cloudhub" });
    const edge = levelled.with({ module: "edge" }).with({ edge: "gw-0" });
    for (const each of [levelled, hub, edge]) {
      each.debug("d");
      each.info("i");
      each.warn("w");
      each.error("e");
    }
    expect(lines).toEqual([
      "warn - w",
      "error - e",
      "debug cloudhub d",
      "info cloudhub i",
      "warn cloudhub w",
      "error cloudhub e",
      "error edge e",
    ]);
  });

  test("have a usual level of their own where one is named", () => {
    expect(parseLevels("debug", "warn")).toEqual({ usual: "debug", modules: new Map() });
    expect(lowestLevel(parseLevels("error,kube=info", "warn"))).toBe("info");
    expect(lowestLevel(parseLevels("", "warn"))).toBe("warn");
  });

  test.each(["loud", "cloudhub=", "=debug", "a=b=c"])("%s is refused with what is needed", (text) => {
    expect(() => parseLevels(text, "info")).toThrow(/LEVEL or MODULE=LEVEL is needed/);
  });
});
