import { NodeSet } from "./nodeset.js";
import { Json, Node, Pod } from "./objects.js";
export { NodeSet, Node, Pod };

/** A kind, and the parts of it that are sent; no fields: the whole object. */
export interface Interest {
  apiVersion: string;
  kind: string;
  /** `spec.containers[*].resources.requests` */
  fields?: string[];
}

/** What the answer for one node depends on: `node`: the pod, the node and the pods on it. */
export type Scope = "node" | "cluster";

/**
 * What the host makes of raw scores. `none`: they are 0 to 100 already; `highest`: the highest becomes
 * 100, the others in proportion; `highest-reversed`: the same, subtracted from 100.
 */
export type Normalization = "none" | "highest" | "highest-reversed";

export interface Description {
  /** What is kept resident: its changes call `nodeChanged` and the like. */
  interests?: Interest[];
  /** What is read of the pod to be placed; nothing but its namespace when left out, all when empty. */
  pod?: string[];
  filterScope?: Scope;
  scoreScope?: Scope;
  normalization?: Normalization;
  /** Used where the Plugin object names none. */
  weight?: number;
  order?: number;
}

/** One reason, as a user reads it after a count (`Insufficient cpu`), and the nodes it rules out. */
export interface Rejection {
  reason: string;
  nodes: NodeSet;
  /** Evicting pods could not help. */
  unresolvable?: boolean;
}

/** Pods (by uid) that may have to leave a node, those to be spared first coming first. */
export interface Eviction {
  node: number;
  victims: string[];
}

/** Allowed, unless it waits (milliseconds) or is rejected (a reason). */
export interface Permission {
  wait?: number;
  rejected?: string;
}

/** A write the host makes for the policy before the pod is bound. */
export interface Patch {
  apiVersion: string;
  kind: string;
  namespace?: string;
  name: string;
  body: object;
  subresource?: string;
  patchType?: "json" | "merge" | "strategic" | "apply";
}

export interface Advice {
  patches?: Patch[];
  /** False: asked again when something changed, until `timeoutMs` have passed. */
  ready?: boolean;
  timeoutMs?: number;
}

export class PodRejected extends Error {}
export class NotEligible extends Error {}

/**
 * A scheduling policy. It takes part at the extension points whose functions it overrides; those from
 * `rank` on need `witWorld: scheduler-full` in orch-plugin.yaml. What is thrown fails the call with its
 * message. Nothing may be remembered from one question to the next.
 */
export class Policy {
  describe(): Description;
  /** `spec.config`; what is thrown refuses the plugin: name the field. */
  configure(config: Json): void;
  nodeChanged(index: number, node: Node): void;
  nodeGone(index: number): void;
  /** A pod assigned to the node at this index. */
  podChanged(uid: string, node: number, pod: Pod): void;
  podGone(uid: string): void;
  objectChanged(object: Json): void;
  objectGone(identity: Json): void;
  /** Why some of `nodes` are not feasible. */
  filter(pod: Pod, nodes: NodeSet): Rejection[];
  /** One whole number for each of `nodes`, in ascending order of index. */
  score(pod: Pod, nodes: NodeSet): number[];
  /** A place in the queue: higher goes first. */
  rank(pod: Pod): number;
  propose(pod: Pod, nodes: NodeSet): Eviction[];
  /** The position of the eviction to carry out. */
  choose(pod: Pod, candidates: Eviction[]): number | null;
  reserve(pod: Pod, node: number): void;
  unreserve(pod: Pod, node: number): void;
  permit(pod: Pod, node: number): Permission;
  preBind(pod: Pod, node: number): Advice;
  points(): Record<string, boolean>;
}
