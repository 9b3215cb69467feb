import { ApiError, rfc3339 } from "./controller.js";
import { applied, equal, merged } from "./patch.js";

const copy = (value) => structuredClone(value);
const keyOf = ({ apiVersion, kind, metadata: { namespace = "", name } }) => [apiVersion, kind, namespace, name].join("\0");
const owners = (object) => (object.metadata.ownerReferences ?? []).map((owner) => owner.uid);
const total = (counter) => `${counter.replace(/_total$/, "")}_total`;
const sample = (name, labels) => {
  const told = Object.entries(labels).sort(([one], [other]) => (one < other ? -1 : 1));
  return told.length ? `${name}{${told.map(([label, value]) => `${label}="${value}"`).join(",")}}` : name;
};

export class Cluster {
  #objects = new Map();
  #revision = 0;
  #now = 1_795_262_400_000;
  #failures = [];
  events = [];
  writes = [];
  metrics = {};

  constructor(...objects) {
    for (const object of objects) this.put(object);
  }

  put(object) {
    return copy(this.#store(this.#completed(copy(object))));
  }
  advanceMs(millis) {
    this.#now += millis;
  }
  failNext(verb, error) {
    this.#failures.push([verb, error]);
  }
  takeWrites() {
    return this.writes.splice(0);
  }
  object(kind, namespace, name) {
    const found = this.get(kind, namespace, name);
    if (!found) throw new Error(`there is no ${kind.kind} ${namespace}/${name}`);
    return found;
  }

  get({ apiVersion, kind }, namespace, name) {
    this.#mayFail("get");
    return copy(this.#objects.get([apiVersion, kind, namespace, name].join("\0")) ?? null);
  }
  list({ apiVersion, kind }, namespace = "", labels = "", fields = "") {
    this.#mayFail("list");
    const found = [...this.#objects.values()].filter(
      (object) =>
        object.apiVersion === apiVersion &&
        object.kind === kind &&
        (namespace === "" || object.metadata.namespace === namespace) &&
        matchesLabels(object.metadata.labels ?? {}, labels) &&
        matchesFields(object, fields),
    );
    return copy(found.sort((one, other) => (keyOf(one) < keyOf(other) ? -1 : 1)));
  }
  dependents(ownerUid) {
    this.#mayFail("dependents");
    const owned = [...this.#objects.values()].filter((object) => owners(object).includes(ownerUid));
    return copy(owned.map(({ apiVersion, kind, metadata }) => ({ apiVersion, kind, metadata })));
  }
  create(object) {
    this.#mayFail("create");
    const made = this.#completed(copy(object));
    if (this.#objects.has(keyOf(made))) {
      throw new ApiError(409, "AlreadyExists", `${made.kind} "${made.metadata.name}" already exists`);
    }
    delete made.status;
    this.#note("create", made);
    return copy(this.#store(made));
  }
  update(object, subresource = "") {
    this.#mayFail("update");
    const before = this.#current(keyOf(object));
    const version = object.metadata.resourceVersion;
    if (version && version !== before.metadata.resourceVersion) {
      const what = `${object.kind} "${object.metadata.name}"`;
      const remedy = "the object has been modified; please apply your changes to the latest version and try again";
      throw new ApiError(409, "Conflict", `Operation cannot be fulfilled on ${what}: ${remedy}`);
    }
    return this.#write(subresource || "update", before, object, subresource);
  }
  updateStatus(object) {
    return this.update(object, "status");
  }
  patch({ apiVersion, kind }, namespace, name, body, patchType = "merge", subresource = "") {
    this.#mayFail("patch");
    const key = [apiVersion, kind, namespace, name].join("\0");
    if (patchType === "apply" && !this.#objects.has(key)) return this.create(body);
    const before = this.#current(key);
    const after = patchType === "json" ? applied(before, body) : merged(before, body);
    return this.#write("patch", before, after, subresource);
  }
  apply(object) {
    const { namespace = "", name } = object.metadata;
    return this.patch(object, namespace, name, object, "apply");
  }
  delete({ apiVersion, kind }, namespace, name) {
    this.#mayFail("delete");
    const object = this.#current([apiVersion, kind, namespace, name].join("\0"));
    this.#note("delete", object);
    if (!object.metadata.finalizers?.length) this.#remove(object);
    else if (!object.metadata.deletionTimestamp) {
      object.metadata.deletionTimestamp = rfc3339(this.#now);
      this.#store(object);
    }
  }
  deleteCollection(kind, namespace) {
    for (const object of this.list(kind, namespace)) this.delete(kind, namespace, object.metadata.name);
  }
  event({ metadata: { namespace, name } }, eventType, reason, message) {
    this.events.push({ regarding: namespace ? `${namespace}/${name}` : name, eventType, reason, message });
  }
  count(metric, by = 1, labels = {}) {
    this.#add(total(metric), by, labels);
  }
  gauge(metric, value, labels = {}) {
    this.metrics[sample(metric, labels)] = value;
  }
  observe(metric, value, labels = {}) {
    this.#add(`${metric}_count`, 1, labels);
    this.#add(`${metric}_sum`, value, labels);
  }
  forget(metric, labels = {}) {
    for (const name of [metric, total(metric), `${metric}_count`, `${metric}_sum`]) {
      delete this.metrics[sample(name, labels)];
    }
  }
  #add(name, by, labels) {
    const key = sample(name, labels);
    this.metrics[key] = (this.metrics[key] ?? 0) + by;
  }
  nowMs() {
    return this.#now;
  }

  #mayFail(verb) {
    const place = this.#failures.findIndex(([scripted]) => scripted === verb);
    if (place >= 0) throw this.#failures.splice(place, 1)[0][1];
  }
  #note(verb, { kind, metadata: { namespace, name } }) {
    this.writes.push(`${verb} ${kind} ${namespace ? `${namespace}/` : ""}${name}`);
  }
  #completed(object) {
    const number = ++this.#revision;
    object.metadata ??= {};
    object.metadata.name ??= `${object.metadata.generateName ?? ""}${String(number).padStart(5, "0")}`;
    object.metadata.uid ??= `uid-${number}`;
    object.metadata.creationTimestamp ??= rfc3339(this.#now);
    object.metadata.generation ??= 1;
    return object;
  }
  #store(object) {
    object.metadata.resourceVersion = String(++this.#revision);
    this.#objects.set(keyOf(object), object);
    return object;
  }
  #current(key) {
    const found = this.#objects.get(key);
    if (found) return found;
    const [, kind, , name] = key.split("\0");
    throw new ApiError(404, "NotFound", `${kind} "${name}" not found`);
  }
  #write(verb, before, wanted, subresource) {
    const after = copy(subresource === "status" ? before : wanted);
    const { status } = subresource === "status" ? wanted : before;
    delete after.status;
    if (status !== undefined) after.status = copy(status);
    for (const kept of ["uid", "creationTimestamp", "generation", "resourceVersion", "deletionTimestamp"]) {
      if (before.metadata[kept] !== undefined) after.metadata[kept] = before.metadata[kept];
    }
    if (!equal(after.spec, before.spec)) after.metadata.generation++;
    if (equal(after, before)) return copy(before);
    this.#note(verb, after);
    if (after.metadata.deletionTimestamp && !after.metadata.finalizers?.length) {
      this.#remove(after);
      return after;
    }
    return copy(this.#store(after));
  }
  /** Background propagation, at once: the fake has no garbage collector. */
  #remove(object) {
    this.#objects.delete(keyOf(object));
    for (const dependent of this.dependents(object.metadata.uid)) {
      const current = this.#objects.get(keyOf(dependent));
      if (!current || owners(current).length !== 1) continue;
      const { namespace = "", name } = current.metadata;
      if (current.metadata.finalizers?.length) this.delete(current, namespace, name);
      else this.#remove(current);
    }
  }
}

function matchesLabels(labels, selector) {
  return selector
    .split(/,(?![^(]*\))/)
    .map((term) => term.trim())
    .filter(Boolean)
    .every((term) => matchesLabel(labels, term));
}

function matchesLabel(labels, term) {
  const among = /^(\S+)\s+(notin|in)\s*\(([^)]*)\)$/.exec(term);
  if (among) {
    const found = among[3].split(",").some((value) => value.trim() === labels[among[1]]);
    return found === (among[2] === "in");
  }
  const compared = /^([^!=]+)(!=|==?)(.*)$/.exec(term);
  if (compared) return (labels[compared[1].trim()] === compared[3].trim()) === (compared[2] !== "!=");
  return term.startsWith("!") ? !(term.slice(1) in labels) : term in labels;
}

function matchesFields(object, selector) {
  return selector.split(",").filter(Boolean).every((term) => {
    const [, path, operator, value] = /^([^!=]+)(!=|==?)(.*)$/.exec(term);
    const found = path.split(".").reduce((at, step) => at?.[step], object) ?? "";
    return (String(found) === value) === (operator !== "!=");
  });
}
