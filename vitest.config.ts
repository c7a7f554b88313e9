// How vitest finds and runs the tests; the same files run on Node and on Deno.
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    // Most tests wait for sockets and timers, not for the processor.
    maxWorkers: 3,
    // Far above what any of them takes: several files with processes of their own share two processors.
    testTimeout: 90_000,
    hookTimeout: 90_000,
    // A test that leaves something running is a fault; it must not end as a pass.
    teardownTimeout: 5_000,
    coverage: {
      provider: "v8",
      include: ["{base,protocol,cloud,edge-sim,proxy,scenarios,cli}/**/*.ts"],
      reporter: ["text-summary", "lcov"],
      reportsDirectory: "coverage",
    },
  },
});
