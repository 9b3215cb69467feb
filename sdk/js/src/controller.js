export class ApiError extends Error {
  constructor(code, reason, message) {
    super(message);
    this.code = code;
    this.reason = reason;
  }
  get isNotFound() {
    return this.code === 404;
  }
  get isConflict() {
    return this.code === 409 && this.reason === "Conflict";
  }
}

export class Controller {
  describe() {
    throw new Error("describe says what is watched");
  }
  configure(_config) {}
  keys(_watch, _change, _object, _before) {
    return [];
  }
  reconcile(_api, _key) {}
}

export function splitKey(key) {
  const slash = key.indexOf("/");
  return [key.slice(0, Math.max(slash, 0)), key.slice(slash + 1)];
}

export function keyOf({ metadata: { namespace, name } }) {
  return namespace ? `${namespace}/${name}` : name;
}

export function ownerReference({ apiVersion, kind, metadata: { name, uid } }) {
  return { apiVersion, kind, name, uid, controller: true, blockOwnerDeletion: true };
}

export const isBeingDeleted = (object) => Boolean(object.metadata.deletionTimestamp);
export const hasFinalizer = (object, finalizer) => (object.metadata.finalizers ?? []).includes(finalizer);
export const rfc3339 = (nowMs) => new Date(nowMs).toISOString().replace(/\.\d+Z$/, "Z");

export function setCondition(status, { type, isTrue, reason, message, observedGeneration }, nowMs) {
  const value = isTrue === null ? "Unknown" : isTrue ? "True" : "False";
  status.conditions ??= [];
  let known = status.conditions.find((one) => one.type === type);
  if (!known) status.conditions.push((known = { type }));
  if (known.status !== value) known.lastTransitionTime = rfc3339(nowMs);
  Object.assign(known, { status: value, reason, message, observedGeneration });
}
