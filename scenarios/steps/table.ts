// All steps there are, by name.
import { askStep, volumeStep } from "./asks.ts";
import { assertStep } from "./assert.ts";
import { apiserverStep, clockStep, edgeStep, faultStep, restartStep } from "./disturbances.ts";
import { reportStep, setStep } from "./devices.ts";
import { alwaysStep, expectStep, neverStep } from "./expectations.ts";
import { parallelStep, repeatStep, runStep, waitStep } from "./flow.ts";
import { applyStep, deleteStep, patchStep } from "./kubernetes.ts";
import { publishStep } from "./mqtt.ts";
import { podsStep } from "./pods.ts";
import { execStep, httpStep } from "./outside.ts";
import { showStep } from "./show.ts";
import { rolloutStep, scaleStep } from "./workloads.ts";
import type { StepKind, StepTable } from "../model/step-kind.ts";

/** The steps by their own types: functions of the same names take what the files' steps take. Each comment is the step's summary, and stands at the function, too. */
export const stepKinds = {
  /** Creates objects, or merges them into those that are there. */
  apply: applyStep,
  /** Changes one object by a JSON, merge or strategic merge patch. */
  patch: patchStep,
  /** Deletes objects; one that doesn't exist is no failure. */
  delete: deleteStep,
  /** Sets how many pods a Deployment, ReplicaSet or StatefulSet has, by its scale. */
  scale: scaleStep,
  /** Waits until a Deployment, DaemonSet or StatefulSet is rolled out, as `kubectl rollout status` does; with `restart` its pods are replaced first. */
  rollout: rolloutStep,
  /** Waits until the API has objects with these fields: files of partial objects. One without a name is any of its kind with its labels. */
  assert: assertStep,
  /** Waits until something is so; with `settle` it must then stay so. */
  expect: expectStep,
  /** Something is not so, for a time. */
  never: neverStep,
  /** Something is so, and stays so for a time. */
  always: alwaysStep,
  /** A device reports values of its properties, or its state. */
  report: reportStep,
  /** A device has these values from now on, without reporting them by itself. */
  set: setStep,
  /** Makes a running pod end, fail, lose or regain its readiness; or makes an image unpullable, or pullable again. */
  pods: podsStep,
  /** An MQTT client publishes something at an edge's own broker, as a mapper does (`mqtt: {}` in the cohort). */
  publish: publishStep,
  /** An edge sends its cloud a message and waits for the answer, whose content is the step's value. */
  ask: askStep,
  /** The CSI driver asks an edge, through cloudcore's socket, to make, remove, attach or detach a volume. */
  volume: volumeStep,
  /** Sends a request until its answer is the one that is wanted: status, and text or fields of JSON. */
  http: httpStep,
  /** Runs a command on this machine, in the scenario's folder, and checks its exit code and output. Only with --allow-exec; NAMESPACE and a KUBECONFIG of the target are in its environment. */
  exec: execStep,
  /** An edge stops, starts, restarts (with or without its store), or a new one joins; or its disk is full. */
  edge: edgeStep,
  /** Makes an edge's link bad, for a time or until it is healed. */
  fault: faultStep,
  /** Makes the API server fail for cloudcore and all others but the scenario itself, for a time or until it is healed. */
  apiserver: apiserverStep,
  /** Sets the clock of an edge, of cloudcore or of the API server forwards or back; timers go on as they were. */
  clock: clockStep,
  /** Stops a part of the cloud and starts it again. */
  restart: restartStep,
  /** Lets time pass. */
  wait: waitStep,
  /** Runs steps several times; $i counts from 0. */
  repeat: repeatStep,
  /** Runs steps at the same time and waits for all of them. */
  parallel: parallelStep,
  /** Puts what is at a place into the report; useful in `catch`. */
  show: showStep,
  /** Calls the default export of a TypeScript or JavaScript module with the step's context. */
  run: runStep,
} as const satisfies Record<string, StepKind>;

/** Name → step. */
export const stepTable: StepTable = new Map(Object.entries(stepKinds));
