// What it costs that whole numbers keep their digits: parseJson against JSON.parse, in one run. A part of `npm run bench`.
import { parseJson } from "../../protocol/json.ts";

const ROUNDS = 20_000;
const container = (i: number) => ({
  name: `c${i}`,
  image: "nginx:1.27",
  env: [{ name: "A", value: "b" }],
  resources: { requests: { cpu: "100m", memory: "64Mi" } },
  volumeMounts: [{ name: "v", mountPath: "/var/run/secrets/kubernetes.io/serviceaccount", readOnly: true }],
});
const pod = {
  apiVersion: "v1",
  kind: "Pod",
  metadata: {
    name: "web",
    namespace: "default",
    uid: "b1a7c2d4-0000-4000-8000-1234567890ab",
    resourceVersion: "123456",
  },
  spec: { nodeName: "edge-1", containers: Array.from({ length: 6 }, (_, i) => container(i)) },
};
const usual = JSON.stringify(pod);
const long = JSON.stringify({ ...pod, metadata: { ...pod.metadata, annotations: { id: "1234567890123456" } } });
const big = usual.replace('"spec":{', '"spec":{"serial":9007199254740993,');

function timeOf(parse: (text: string) => unknown, text: string): number {
  for (let i = 0; i < ROUNDS / 10; i++) parse(text);
  const began = performance.now();
  for (let i = 0; i < ROUNDS; i++) parse(text);
  return performance.now() - began;
}

for (
  const [what, text] of [
    ["a pod", usual],
    ["a pod with sixteen digits in a text", long],
    ["a pod with a number beyond 2^53", big],
  ] as const
) {
  const bare = timeOf(JSON.parse, text);
  const ours = timeOf(parseJson, text);
  console.log(`reading ${what} (${text.length} bytes): ${(ours / bare).toFixed(2)} times JSON.parse`);
}
