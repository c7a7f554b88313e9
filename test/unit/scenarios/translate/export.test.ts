// Scenarios of YAML as TypeScript.
import { expect, test } from "vitest";
import { parseScenarios } from "../../../../scenarios/engine/parse.ts";
import type { Scenario } from "../../../../scenarios/model/scenario.ts";
import { stepTable } from "../../../../scenarios/steps/table.ts";
import { scenarioModule } from "../../../../scenarios/translate/export.ts";

const text = (rest: string) =>
  scenarioModule(
    parseScenarios(`skep: 1\nname: it's a test\n${rest}`, "f.yaml", stepTable)[0] as Scenario,
    stepTable,
    "skep",
    "../yaml",
  );

test("a step is a function of its name, with its words beside its arguments", () => {
  expect(text(`tags: [a]
fleet: [{ cohort: gw, count: 2 }]
steps:
  - { name: one, id: one, apply: x.yaml }
  - { delete: [x.yaml, { apiVersion: v1, kind: Pod, metadata: { name: p } }] }
`)).toBe(`import { scenario } from "skep";

export default scenario("it's a test", {
  tags: ["a"],
  fleet: [{ cohort: "gw", count: 2 }],
}, async ({ apply, delete: remove }) => {
  await apply("../yaml/x.yaml", { name: "one", id: "one" });
  await remove(["../yaml/x.yaml", { apiVersion: "v1", kind: "Pod", metadata: { name: "p" } }]);
});
`);
});

test("repeat is a loop whose counter stands in templates, parallel is Promise.all", () => {
  const made = text(`steps:
  - repeat:
      times: 3
      every: 1s
      steps:
        - parallel:
            - { wait: 1ms }
            - { apply: { apiVersion: v1, kind: Pod, metadata: { name: "p-$i", labels: { "l\${i}": "a\`b $other" } } } }
`);
  expect(made).toContain("for (let i = 0; i < 3; i++) {");
  expect(made).toContain('if (i > 0) await wait("1s");');
  expect(made).toContain("await Promise.all([");
  expect(made).toContain("name: `p-${i}`");
  expect(made).toContain('[`l${i}`]: "a`b $other"');
});

test("what steps need is said, since code's steps are not known beforehand; words that code has not are refused", () => {
  expect(text("steps: [{ fault: { edge: gw-0, heal: true } }]\n")).toContain('needs: ["link-faults"]');
  expect(() => text('steps: [{ if: "true", repeat: { times: 2, steps: [{ wait: 1ms }] } }]\n')).toThrow(
    /f\.yaml:3:\d+: if at repeat is not exported/,
  );
});

test("catch and finally are the language's own", () => {
  const made = text("steps: [{ wait: 1ms }]\ncatch: [{ show: messages }]\nfinally: [{ wait: 2ms }]\n");
  expect(made).toContain(
    '  try {\n    await wait("1ms");\n  } catch (error) {\n    await show("messages");\n    throw error;\n  } finally {\n    await wait("2ms");\n  }',
  );
});
