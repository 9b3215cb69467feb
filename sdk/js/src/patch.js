const escaped = (key) => key.replaceAll("~", "~0").replaceAll("/", "~1");
const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);

export function equal(one, other) {
  if (one === other) return true;
  if (Array.isArray(one) && Array.isArray(other)) {
    return one.length === other.length && one.every((item, index) => equal(item, other[index]));
  }
  if (!isObject(one) || !isObject(other)) return false;
  const keys = Object.keys(one);
  return keys.length === Object.keys(other).length && keys.every((key) => key in other && equal(one[key], other[key]));
}

/** The operations (RFC 6902) that turn one value into the other. */
export function diff(before, after, path = "") {
  if (!isObject(before) || !isObject(after)) {
    return equal(before, after) ? [] : [{ op: "replace", path, value: after }];
  }
  const gone = Object.keys(before).filter((key) => !(key in after));
  const removed = gone.map((key) => ({ op: "remove", path: `${path}/${escaped(key)}` }));
  const others = Object.entries(after).flatMap(([key, value]) => {
    const at = `${path}/${escaped(key)}`;
    return key in before ? diff(before[key], value, at) : [{ op: "add", path: at, value }];
  });
  return [...removed, ...others];
}

/** The target with a merge patch (RFC 7386) applied. */
export function merged(target, patch) {
  if (!isObject(patch)) return patch;
  const result = isObject(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key];
    else result[key] = merged(result[key], value);
  }
  return result;
}

/** The target with `add`, `replace`, `remove` and `test` applied. */
export function applied(target, operations) {
  return operations.reduce(apply, structuredClone(target));
}

function apply(target, { op, path, value }) {
  const steps = path.split("/").slice(1).map((step) => step.replaceAll("~1", "/").replaceAll("~0", "~"));
  const last = steps.pop();
  if (last === undefined) return value;
  const place = steps.reduce((at, step) => at[step], target);
  if (!isObject(place) && !Array.isArray(place)) throw new Error(`${path}: there is no such place`);
  const index = last === "-" ? place.length : last;
  if (op === "test") {
    if (!equal(place[index], value)) throw new Error(`${path}: the test fails`);
  } else if (op === "remove") {
    if (!(index in place)) throw new Error(`${path}: there is nothing to remove`);
    if (Array.isArray(place)) place.splice(Number(index), 1);
    else delete place[index];
  } else if (op === "add" && Array.isArray(place)) {
    place.splice(Number(index), 0, value);
  } else if (op === "add" || (op === "replace" && index in place)) {
    place[index] = value;
  } else {
    throw new Error(`${path}: ${op} cannot be done`);
  }
  return target;
}
