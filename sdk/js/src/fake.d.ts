import { Check, Description as AdmissionDescription } from "./admission.js";
import { Api, ApiError, Kind } from "./controller.js";
import { Json, Taint } from "./objects.js";
import { Description, Policy } from "./scheduler.js";

/** A Node as JSON would have it. */
export function node(
  name: string,
  parts?: { labels?: object; allocatable?: object; taints?: Taint[]; unschedulable?: boolean },
): Json;
/** A Pod as JSON would have it; further parts are fields of its spec. */
export function pod(name: string, parts?: { labels?: object; requests?: object; [field: string]: any }): Json;

/** Nodes and pods by name, and one policy's opinion of them. */
export class Scheduler {
  constructor(policy: Policy, config?: Json);
  readonly description: Description;
  /** Adds or changes a node: an object, or a name and parts as `node` takes them. */
  node(source: string | object, parts?: object): void;
  removeNode(name: string): void;
  place(pod: object, nodeName: string): void;
  removePod(pod: object): void;
  /** The reason for each node that is not feasible, by name. */
  rejected(pod: object): Record<string, string>;
  feasible(pod: object): string[];
  /** The feasible nodes' scores by name, normalized as the host does. */
  scores(pod: object): Record<string, number>;
}

/** Sends requests to one check. Answers the object as it would be stored; throws `Denied`. */
export class Admission {
  constructor(check: Check, config?: Json);
  readonly description: AdmissionDescription;
  readonly warnings: string[];
  create(object: Json, fields?: object): Json;
  update(oldObject: Json, object: Json, fields?: object): Json;
  delete(oldObject: Json, fields?: object): Json;
}

/**
 * An API in memory: uids, versions and their conflicts, generated names, generations, the split between
 * an object and its status, finalizers and owner references. No schema, no permission.
 */
export class Cluster implements Api {
  constructor(...objects: Json[]);
  /** Stores an object as it is, its status included. */
  put(object: Json): Json;
  advanceMs(millis: number): void;
  /** Makes the next call of this verb fail. */
  failNext(verb: string, error: ApiError): void;
  /** What was written since the last call: `create Pod default/web`. */
  takeWrites(): string[];
  /** As `get`, for one that must be there. */
  object(kind: Kind, namespace: string, name: string): Json;
  readonly events: { regarding: string; eventType: string; reason: string; message: string }[];
  readonly writes: string[];
  /** The controller's own metrics: `made_total{kind="site"}`; of histograms `…_count` and `…_sum`. */
  readonly metrics: Record<string, number>;
  get: Api["get"];
  list: Api["list"];
  dependents: Api["dependents"];
  create: Api["create"];
  update: Api["update"];
  updateStatus: Api["updateStatus"];
  patch: Api["patch"];
  apply: Api["apply"];
  delete: Api["delete"];
  deleteCollection: Api["deleteCollection"];
  event: Api["event"];
  count: Api["count"];
  gauge: Api["gauge"];
  observe: Api["observe"];
  forget: Api["forget"];
  nowMs: Api["nowMs"];
}
