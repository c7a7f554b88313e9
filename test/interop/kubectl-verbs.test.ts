// Every verb of kubectl against `skep up`, in the order in which a person may type them; of each kubectl that is on the path.
import { execFile, spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Command, workFolder } from "../support/command.ts";

/** What is typed, what it answers, and whether it is to fail. `'…'` is one argument. */
type Row = readonly [typed: string, answer: RegExp, fails?: "fails"];

const deployment = (image: string) =>
  `apiVersion: apps/v1
kind: Deployment
metadata: { name: app, labels: { a: b } }
spec:
  replicas: 2
  selector: { matchLabels: { app: app } }
  template:
    metadata: { labels: { app: app } }
    spec: { terminationGracePeriodSeconds: 1, containers: [{ name: c, image: "${image}" }] }
`;

const creating: readonly Row[] = [
  ["create configmap c --from-literal=a=b", /configmap\/c created/],
  ["create secret generic s --from-literal=a=b", /secret\/s created/],
  ["create secret docker-registry d --docker-server=r --docker-username=u --docker-password=p", /secret\/d created/],
  ["create serviceaccount sa", /serviceaccount\/sa created/],
  ["create namespace other", /namespace\/other created/],
  ["create quota q --hard=pods=50", /resourcequota\/q created/],
  ["create role r --verb=get --resource=pods", /role.rbac.authorization.k8s.io\/r created/],
  ["create rolebinding rb --role=r --serviceaccount=default:sa", /rolebinding.rbac.authorization.k8s.io\/rb created/],
  ["create clusterrole cr --verb=get --resource=pods", /clusterrole.rbac.authorization.k8s.io\/cr created/],
  [
    "create clusterrolebinding crb --clusterrole=cr --user=u",
    /clusterrolebinding.rbac.authorization.k8s.io\/crb created/,
  ],
  ["create priorityclass pc --value=10", /priorityclass.scheduling.k8s.io\/pc created/],
  // kubectl 1.20 asks for a version that Kubernetes 1.25 has dropped.
  [
    "create poddisruptionbudget pdb --selector=app=none --min-available=1 --dry-run=client",
    /poddisruptionbudget.policy\/pdb created/,
  ],
  ["create ingress i --rule=h/p=web:80", /ingress.networking.k8s.io\/i created/],
  ["create service clusterip s1 --tcp=80:80", /service\/s1 created/],
  ["create service nodeport s2 --tcp=80:80", /service\/s2 created/],
  ["create service loadbalancer s3 --tcp=80:80", /service\/s3 created/],
  ["create service externalname s4 --external-name=x.y", /service\/s4 created/],
  ["create deployment web --image=nginx --replicas=2", /deployment.apps\/web created/],
  ["create job j --image=i -- true", /job.batch\/j created/],
  ["run p --image=nginx", /pod\/p created/],
  ["run x --image=nginx --dry-run=server", /pod\/x created \(server dry run\)/],
  ["expose deployment web --port=80", /service\/web exposed/],
  ["create configmap c", /configmaps "c" already exists/, "fails"],
];
const reading: readonly Row[] = [
  ["rollout status deployment/web --timeout=30s", /deployment "web" successfully rolled out/],
  ["wait --for=condition=Ready pod/p --timeout=20s", /pod\/p condition met/],
  ["get deployment web", /^NAME +READY +UP-TO-DATE +AVAILABLE +AGE\nweb +2\/2 +2 +2 +/],
  ["get all", /deployment\.apps\/web[^]*replicaset\.apps\/web-/],
  ["get pods -o wide", /^NAME +READY +STATUS +RESTARTS +AGE +IP +NODE/],
  ["get pod p -o yaml", /^apiVersion: v1\nkind: Pod\n/],
  ["get pod p -o json", /"kind": "Pod"/],
  ["get pods -o name", /^pod\/p$/m],
  ["get pod p -o jsonpath={.spec.containers[0].image}", /^nginx$/],
  ["get pods -o custom-columns=N:.metadata.name,P:.status.phase", /^N +P\n[^]*p +Running/],
  ["get pods '-o=go-template={{range .items}}{{.metadata.name}} {{end}}'", /\bp /],
  ["get pods --sort-by=.metadata.name --no-headers", /^p +1\/1/m],
  ["get pods -l app=web --show-labels", /pod-template-hash=/],
  ["get pods --field-selector=status.phase=Running -A", /^NAMESPACE/],
  ["get endpoints web", /web +10\.88\.\d+\.\d+:80/],
  ["get endpointslices -l kubernetes.io/service-name=web", /web-\S+ +IPv4 +80 +10\.88\./],
  ["get --raw /healthz", /^ok$/],
  [
    "describe deployment web",
    /Replicas: +2 desired \| 2 updated \| 2 total \| 2 available \| 0 unavailable[^]*NewReplicaSet: +web-/,
  ],
  ["describe pod p", /Node: +edge-\d[^]*Scheduled +[^]*Successfully assigned default\/p to edge-/],
  ["describe node edge-0", /Roles: +agent,edge[^]*Non-terminated Pods/],
  ["describe service web", /Selector: +app=web/],
  ["describe job j", /Pods Statuses: +1 (Active|Running)/],
  ["get events", /Normal +ScalingReplicaSet +deployment\/web +Scaled up replica set web-\S+ (from 0 )?to 2/],
  ["explain pod.spec.containers", /(FIELD|RESOURCE): +containers <\[\](Container|Object)>[^]*image\b/],
  ["explain deployment --recursive", /progressDeadlineSeconds/],
  ["explain devices.spec", /nodeName/],
  ["api-resources", /deployments +deploy +apps\/v1 +true +Deployment[^]*devices +\S*devices.kubeedge.io/],
  ["api-versions", /apps\/v1[^]*batch\/v1[^]*\nv1\n/],
  ["version", /Server Version:.*1\.32/],
  ["cluster-info", /running at/],
  ["auth can-i create deployments", /^yes/],
  ["auth can-i --list", /\*\.\* /],
  ["get pods nothing", /pods "nothing" not found/, "fails"],
  ["get nothing", /the server doesn't have a resource type "nothing"/, "fails"],
];
const changing: readonly Row[] = [
  ["apply -f one.yaml", /deployment.apps\/app created/],
  ["apply -f one.yaml", /deployment.apps\/app unchanged/],
  ["diff -f two.yaml", /\+ +- image: i:2/, "fails"],
  ["apply -f two.yaml", /deployment.apps\/app configured/],
  ["rollout status deployment/app --timeout=30s", /successfully rolled out/],
  ["rollout history deployment/app", /^1 +<none>\n2 +<none>/m],
  ["rollout history deployment/app --revision=1", /Image:\t+i:1/],
  ["rollout undo deployment/app", /deployment.apps\/app rolled back/],
  ["rollout status deployment/app --timeout=30s", /successfully rolled out/],
  ["get deployment app -o jsonpath={.spec.template.spec.containers[0].image}", /^i:1$/],
  ["rollout restart deployment/app", /deployment.apps\/app restarted/],
  ["rollout status deployment/app --timeout=30s", /successfully rolled out/],
  ["rollout pause deployment/app", /paused/],
  ["rollout resume deployment/app", /resumed/],
  ["apply --server-side -f one.yaml", /serverside-applied/],
  [
    "apply --server-side --field-manager=other -f two.yaml",
    /conflicts? with "kubectl[^]*\.spec\.template\.spec\.containers/,
    "fails",
  ],
  ["apply --server-side --field-manager=other --force-conflicts -f two.yaml", /serverside-applied/],
  // Between kubectl's get and its update of the whole object, a rollout under way would write a version of its own.
  ["rollout status deployment/app --timeout=30s", /successfully rolled out/],
  ["replace -f one.yaml", /deployment.apps\/app replaced/],
  ["set image deployment/app c=i:3", /image updated/],
  ["set env deployment/app A=b", /env updated/],
  ["set resources deployment/app --limits=cpu=1", /resource requirements updated/],
  ["scale deployment app --replicas=3", /scaled/],
  ["scale deployment app --current-replicas=3 --replicas=1", /scaled/],
  ["scale deployment app --current-replicas=3 --replicas=1", /Expected replicas to be 3, was 1/, "fails"],
  ["autoscale deployment app --min=1 --max=3", /horizontalpodautoscaler.autoscaling\/app autoscaled/],
  [`patch deployment app -p {"metadata":{"labels":{"x":"y"}}}`, /patched/],
  [`patch deployment app --type=merge -p {"metadata":{"labels":{"x":null}}}`, /patched/],
  [`patch deployment app --type=json -p [{"op":"add","path":"/metadata/labels/z","value":"1"}]`, /patched/],
  ["label deployment app q=r", /labeled/],
  ["label deployment app q=s", /already has a value/, "fails"],
  ["annotate deployment app q=r", /annotated/],
  ["edit deployment app", /deployment.apps\/app edited/],
  ["get deployment app -o jsonpath={.metadata.labels.a}", /^edited$/],
  ["cordon edge-0", /node\/edge-0 cordoned/],
  ["uncordon edge-0", /node\/edge-0 uncordoned/],
  ["taint node edge-1 k=v:NoSchedule", /node\/edge-1 tainted/],
  ["taint node edge-1 k-", /node\/edge-1 untainted/],
  [
    "drain edge-2 --ignore-daemonsets --force --delete-emptydir-data --timeout=60s",
    /node\/edge-2 (drained|evicted|cordoned)/,
  ],
  ["uncordon edge-2", /node\/edge-2 uncordoned/],
];
const ending: readonly Row[] = [
  ["run q --image=nginx", /pod\/q created/],
  ["wait --for=condition=Ready pod/q --timeout=20s", /condition met/],
  ["logs q", /log is not available: this API server has no connection to the node edge-/, "fails"],
  ["logs q --previous", /log is not available/, "fails"],
  ["exec q -- ls", /exec is not available/, "fails"],
  ["attach q", /attach is not available/, "fails"],
  ["port-forward q 8080:80", /portforward is not available/, "fails"],
  ["cp q:/a b", /exec is not available/, "fails"],
  ["top pods", /Metrics( API)? not available|[Mm]etrics/, "fails"],
  ["delete pod q --grace-period=1", /pod "q" (force )?deleted/],
  ["delete deployment app web", /deployment.apps "app" deleted\ndeployment.apps "web" deleted/],
  ["delete service s1 s2 s3 s4", /service "s4" deleted/],
  ["delete namespace other", /namespace "other" deleted/],
  ["delete configmap --all", /configmap "c" deleted/],
  ["delete nothing a", /the server doesn't have a resource type "nothing"/, "fails"],
];

const run = promisify(execFile);
const isThere = (name: string) => spawnSync(name, ["version", "--client"]).status === 0;
const found = ["kubectl", "kubectl-1.20"].filter(isThere);

describe.skipIf(found.length === 0)(
  `kubectl${found.length > 0 ? "" : " [needs kubectl, which is not on this machine]"}`,
  () => {
    describe.each(found.length > 0 ? found : ["kubectl"])("%s", (name) => {
      const folder = workFolder();
      let up: Command;
      beforeAll(async () => {
        writeFileSync(join(folder.path, "one.yaml"), deployment("i:1"));
        writeFileSync(join(folder.path, "two.yaml"), deployment("i:2"));
        writeFileSync(join(folder.path, "editor.sh"), "#!/bin/sh\nsed -i 's/^    a: b/    a: edited/' \"$1\"\n", {
          mode: 0o755,
        });
        up = new Command(folder.path, [
          "up",
          "--port",
          "0",
          "--edges",
          "3",
          "--write-kubeconfig",
          "kubeconfig",
          "--time-scale",
          "10",
        ]);
        await up.says("\nready\n");
      }, 30_000);
      afterAll(async () => {
        await up.interrupt();
        folder.remove();
      });

      const rows = [...creating, ...reading, ...changing, ...ending].map(([typed, answer, fails]) => ({
        typed,
        answer,
        fails,
      }));
      test.each(rows)("$typed", async ({ answer, fails, typed }) => {
        const args = [...typed.matchAll(/'([^']*)'|\S+/g)].map(([word, quoted]) => quoted ?? word);
        const env = {
          ...process.env,
          KUBECONFIG: join(folder.path, "kubeconfig"),
          HOME: folder.path,
          EDITOR: join(folder.path, "editor.sh"),
        };
        const ended = await run(name, args, { cwd: folder.path, env }).then(
          ({ stderr, stdout }) => ({ code: 0, text: stdout + stderr }),
          (error: { readonly code: number; readonly stdout: string; readonly stderr: string }) => ({
            code: error.code,
            text: error.stdout + error.stderr,
          }),
        );
        expect(ended.text).toMatch(answer);
        expect(ended.code !== 0).toBe(fails === "fails");
      }, 90_000);
    });
  },
);
