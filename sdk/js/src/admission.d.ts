import { Json } from "./objects.js";
import { Operation as PatchOperation } from "./patch.js";
import { Interest } from "./scheduler.js";
export { Interest };

export type Operation = "CREATE" | "UPDATE" | "DELETE" | "CONNECT";

/** Which requests are worth a call. `*` matches all; `pods/status` is a sub-resource. */
export interface Rule {
  operations: Operation[];
  /** The core group (`""`) when left out. */
  apiGroups?: string[];
  resources: string[];
}

export interface Description {
  rules: Rule[];
  /** Kinds kept resident through `objectChanged`. */
  interests?: Interest[];
  /** `review` may change the object. */
  mutates?: boolean;
}

/**
 * What a request must be to matter: all that is said must hold. Resources of the rules that no condition
 * names always matter; of several that name one, one must hold.
 */
export interface Condition {
  resources: string[];
  /** Whoever asks is in one of these groups. */
  groups?: string[];
  /** The namespace has a label with one of these keys; `example.com/*`: that begins so. */
  namespaceLabels?: string[];
}

/** What is read of requests: of several that name a resource all count; what none names is sent whole. */
export interface Reading {
  resources: string[];
  /**
   * Paths in the AdmissionRequest: `namespace`, `object.spec.containers[*].image`. Its kind, resource,
   * subResource and operation are always there. What a patch adds to must be named.
   */
  fields: string[];
}

/** `admission.k8s.io/v1` AdmissionRequest. */
export class Request {
  constructor(source: string | object);
  readonly operation: Operation;
  readonly resource: { group?: string; version?: string; resource?: string };
  readonly subResource: string;
  readonly kind: { group?: string; version?: string; kind?: string };
  readonly name: string;
  readonly namespace: string;
  readonly user: { username?: string; uid?: string; groups?: string[] };
  readonly object: Json | null;
  readonly oldObject: Json | null;
  readonly dryRun: boolean;
  readonly raw: Json;
  label(key: string): string | undefined;
}

export interface Admitted {
  /** The object as it is to be stored; left out: as it came. */
  object?: Json;
  /** Sent to the client as `Warning` headers. */
  warnings?: string[];
}

export class Denied extends Error {
  constructor(message: string, code?: number, reason?: string);
  static invalid(message: string): Denied;
  static notFound(message: string): Denied;
  readonly code: number;
  readonly reason: string;
}

export function patchOf(request: Request, admitted: Admitted | void): PatchOperation[];

export class Check {
  describe(): Description;
  /** `spec.config`; what is thrown refuses the plugin: name the field. */
  configure(config: Json): void;
  /** Spare other requests the call; asked after each `configure`. Needs `witWorld: admission-relevance`. */
  conditions(): Condition[];
  /**
   * What is sent of a request; nothing said: all. Requests that are alike as far as they are read may get
   * one answer. Asked after each `configure`. Needs `witWorld: admission-view`.
   */
  reads(): Reading[];
  /** An object of interest, current at every `review`. */
  objectChanged(object: Json): void;
  objectGone(identity: Json): void;
  /** Throws `Denied` to refuse. Any other exception is no verdict: `spec.failurePolicy` decides. */
  review(request: Request): Admitted | void;
}
