// The differences between edges of KubeEdge's eras, as one interface.
import type { IdSegments } from "../../protocol/twin/topics.ts";

/** One era's behaviour, by module. Device ids are `namespace/name` today, and were bare names in v1.1. */
export interface EdgeEra {
  // MetaManager
  /** Whether answers to MetaManager's own requests are acknowledged. */
  readonly acknowledgesAnswers: boolean;
  /** Whether the cloud sends lists of objects in one message, and an insert of a known object is ignored. */
  readonly takesLists: boolean;
  // edged
  /** Whether the edge registers and patches its objects itself; otherwise it reports whole statuses of Nodes made beforehand. */
  readonly patchesObjects: boolean;
  /** Whether the cloud answers a query for something that is missing. */
  readonly isAnsweredWhenMissing: boolean;
  readonly writesEvents: boolean;
  // DeviceTwin
  readonly segments: IdSegments;
  /** The id by which the node knows the device `namespace/name`. */
  idOf(id: string): string;
  /** The event id of the request for the node's devices. */
  detailEvent(): string;
  /** Why a state is not taken; undefined where it is. */
  refuseState(state: string): string | undefined;
  /** Below `device/{id}`: where a state is reported. */
  readonly statePath: string;
  /** What is reported of a state: `device` of the message. */
  deviceOf(name: string, state: string, now: number): Readonly<Record<string, string>>;
  /** The answer to a mapper that reports an unknown device. */
  readonly unknownDevice: string;
  /** Whether an answer of the cloud may carry devices, too. */
  readonly answersCarryDevices: boolean;
  /** Whether the times of reported values outlive a restart. */
  readonly keepsReportedTimes: boolean;
  /** Whether a delta lists twins without a desired value, too. */
  readonly deltaHasAllTwins: boolean;
  // Devices and mappers
  /** Whether devices are operated by a mapper over DMI; otherwise twins set their values directly. */
  readonly hasDmi: boolean;
  // EventBus
  /** Whether mappers are notified whether the cloud is connected. */
  readonly announcesConnection: boolean;
  readonly canUnsubscribe: boolean;
  /** The resource of an application's message, by its topic. */
  resourceOf(topic: string): string;
  /** The operation of an application's message. */
  readonly uploadOperation: string;
  // ServiceBus
  /** Whether the cloud starts and stops the edge's own HTTP server. */
  readonly hasServiceServer: boolean;
  /** The operation of a service's answer; none in v1.1. */
  readonly serviceAnswerOperation: string | undefined;
  /** Whether the HTTP method is the message's operation, not a part of its content. */
  readonly methodIsOperation: boolean;
}
