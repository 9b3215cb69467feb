import { Json } from "./objects.js";

export interface Pod {
  sandboxId: string;
  namespace: string;
  name: string;
  uid: string;
}

export interface Attachment {
  sandboxId: string;
  /** Without prefix length, the primary one first. */
  ips: string[];
  nodeInterface: string;
}

export interface Route {
  /** CIDR */
  destination: string;
  /** Left out: the destination is on the link. */
  gateway?: string;
}

export interface Settings {
  podCIDRs: string[];
  mtu: number;
  config: Json;
}

export type Side = "sandbox" | "node";

/** A pod's network namespace. Failures throw. `fake.Sandbox` records the calls. */
export interface Sandbox {
  addVeth(nodeName: string, sandboxName: string, mtu?: number): void;
  removeVeth(nodeName: string): void;
  addAddress(side: Side, cidr: string): void;
  addRoute(side: Side, route: Route): void;
  addNeighbour(ip: string): void;
  setSysctl(side: Side, key: string, value: string): void;
}

export class Driver {
  configure(settings: Settings): void;
  /** What is attached already, before the first `add`. */
  restore(attachments: Attachment[]): void;
  /** Called again for the same id it returns the same attachment. */
  add(sandbox: Sandbox, pod: Pod): Attachment;
  /** No error when there is nothing. */
  delete(sandbox: Sandbox, attachment: Attachment): void;
}
