// The twin of one edge with its simulated mapper, on a hub that keeps what is sent and a bus that keeps what is published.
import { Random } from "../../base/random/random.ts";
import { ManualClock } from "../../base/time/manual-clock.ts";
import type { Report } from "../../edge-sim/device/device.ts";
import { EdgeDevices } from "../../edge-sim/device/devices.ts";
import { SimulatedMapper } from "../../edge-sim/device/mapper.ts";
import { DeviceTwin } from "../../edge-sim/devicetwin/devicetwin.ts";
import { eraOf } from "../../edge-sim/era/era.ts";
import type { EdgeHub } from "../../edge-sim/edgehub/edgehub.ts";
import { EdgeStore } from "../../edge-sim/metamanager/store.ts";
import { edgecoreTimings } from "../../edge-sim/timings/timings.ts";
import { type Message, newMessage } from "../../protocol/message/message.ts";

export function twinsOf(
  node: string,
  options: { readonly isV11?: boolean; readonly mapper?: boolean; readonly store?: EdgeStore } = {},
) {
  const { isV11 = false, mapper: isActive = false } = options;
  const clock = new ManualClock();
  const sent: Message[] = [];
  const published: { readonly topic: string; readonly payload: Record<string, unknown> }[] = [];
  let isConnected = true;
  const hub = {
    forget: () => {},
    send: (message: Message) => isConnected && sent.push(message) > 0,
    holds: () => false,
  } as unknown as EdgeHub;
  const store = options.store ?? new EdgeStore();
  const era = eraOf(isV11 ? "v1.1" : "v1.23");
  const mapper = new SimulatedMapper({
    clock,
    random: new Random(1),
    millisecond: 1,
    behaviours: {},
    isActive,
    report: (id, { property, value }: Report) => twin.reported(id, { [property]: { actual: { value } } }),
    state: (id, state) => twin.reportState(id, state),
    onApplied: (id, property, value) => void (isV11 && mapper.get(id)?.set(property, value)),
  });
  const twin = new DeviceTwin({
    node,
    era,
    hub,
    store,
    timings: edgecoreTimings,
    clock,
    publish: (topic, payload) => void published.push({ topic, payload: JSON.parse(payload) }),
    onDelete: (id) => mapper.remove(id),
    onDesired: (id, expected) => isV11 && mapper.want(id, expected),
  });
  const devices = new EdgeDevices(twin, mapper, era);
  twin.start();
  const says = (resource: string, content: unknown, parent?: string) =>
    twin.receive(newMessage(0, {
      source: "devicecontroller",
      group: "twin",
      operation: "update",
      resource,
      content,
      ...(parent === undefined ? {} : { parent }),
    }));
  return {
    clock,
    sent,
    published,
    store,
    twin,
    mapper,
    devices,
    says,
    connect: (on: boolean) => void (isConnected = on),
    /** What was published on topics that end so, since the last call. */
    heard: (suffix: string) => {
      const found = published.filter(({ topic }) => topic.endsWith(suffix)).map(({ payload }) => payload);
      published.length = 0;
      return found;
    },
  };
}
