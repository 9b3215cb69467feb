import { diff } from "./patch.js";

/** Thrown by `review`: the Status the client gets. */
export class Denied extends Error {
  constructor(message, code = 403, reason = "Forbidden") {
    super(message);
    this.code = code;
    this.reason = reason;
  }
  static invalid(message) {
    return new Denied(message, 422, "Invalid");
  }
  static notFound(message) {
    return new Denied(message, 404, "NotFound");
  }
}

export class Request {
  constructor(source) {
    const raw = typeof source === "string" ? JSON.parse(source) : source;
    this.raw = raw;
    this.operation = raw.operation;
    this.resource = raw.resource ?? {};
    this.subResource = raw.subResource ?? "";
    this.kind = raw.kind ?? {};
    this.name = raw.name ?? "";
    this.namespace = raw.namespace ?? "";
    this.user = raw.userInfo ?? {};
    this.object = raw.object ?? null;
    this.oldObject = raw.oldObject ?? null;
    this.dryRun = raw.dryRun ?? false;
  }
  label(key) {
    return this.object?.metadata?.labels?.[key];
  }
}

/** The RFC 6902 operations of an answer, from the object that came to the one to be stored. */
export function patchOf(request, admitted) {
  return admitted?.object ? diff(request.object, admitted.object) : [];
}

export class Check {
  describe() {
    throw new Error("describe says which requests are reviewed");
  }
  configure(_config) {}
  conditions() {
    return [];
  }
  reads() {
    return [];
  }
  objectChanged(_object) {}
  objectGone(_identity) {}
  review(_request) {}
}
