// Binds the plugin to the world `controller`.
import wit from "orch:controller/api@0.1.1";
import metrics from "orch:controller/metrics@0.1.1";
import exported from "../../../plugin.js";
import { ApiError } from "../src/controller.js";
import { guarded, instanceOf, interest, unanswered } from "./guard.js";

const plugin = instanceOf(exported);

function asked(call, ...given) {
  try {
    return call(...given);
  } catch (error) {
    if (typeof error?.code !== "number") throw error;
    throw new ApiError(error.code, error.reason, error.message);
  }
}

const read = (call, ...given) => {
  const found = asked(call, ...given);
  return found === null || found === undefined ? null : JSON.parse(found);
};

const api = {
  get: ({ apiVersion, kind }, namespace, name, live = false) => read(wit.get, apiVersion, kind, namespace, name, live),
  list: ({ apiVersion, kind }, namespace = "", labels = "", fields = "") =>
    asked(wit.list, apiVersion, kind, namespace, labels, fields).map((object) => JSON.parse(object)),
  dependents: (ownerUid) => asked(wit.dependents, ownerUid).map((object) => JSON.parse(object)),
  create: (object) => read(wit.create, JSON.stringify(object)),
  update: (object, subresource = "") => read(wit.update, JSON.stringify(object), subresource),
  updateStatus: (object) => api.update(object, "status"),
  patch: ({ apiVersion, kind }, namespace, name, body, patchType = "merge", subresource = "") =>
    read(wit.patch, apiVersion, kind, namespace, name, subresource, patchType, JSON.stringify(body)),
  apply: (object) => api.patch(object, object.metadata.namespace ?? "", object.metadata.name, object, "apply"),
  delete: ({ apiVersion, kind }, namespace, name, options) =>
    void asked(wit.delete, apiVersion, kind, namespace, name, options ? JSON.stringify(options) : ""),
  deleteCollection: ({ apiVersion, kind }, namespace, options) =>
    void asked(wit.deleteCollection, apiVersion, kind, namespace, options ? JSON.stringify(options) : ""),
  event: (regarding, eventType, reason, message) =>
    wit.event(JSON.stringify(regarding), eventType, reason, message),
  count: (metric, by = 1, labels = {}) => metrics.add(metric, told(labels), by),
  gauge: (metric, value, labels = {}) => metrics.set(metric, told(labels), value),
  observe: (metric, value, labels = {}) => metrics.observe(metric, told(labels), value),
  forget: (metric, labels = {}) => metrics.forget(metric, told(labels)),
  nowMs: () => wit.now(),
};

const told = (labels) => Object.entries(labels).map(([name, value]) => ({ name, value: String(value) }));

function mapping({ owner, mapped }) {
  if (owner) return { tag: "controller-owner", val: owner };
  return { tag: mapped ? "custom" : "itself" };
}

export const reconciler = {
  describe: unanswered(() => {
    const { watches, concurrency = 1, metrics: own = [] } = plugin.describe();
    for (const { name, kind, help = "", buckets = [] } of own) metrics.declare(name, kind, help, buckets);
    const watch = (one) => ({ interest: interest(one), keys: mapping(one) });
    return { watches: watches.map(watch), concurrency };
  }),
  keys: unanswered((watch, change, object, before) => {
    const was = before === null || before === undefined ? null : JSON.parse(before);
    return plugin.keys(watch, change, JSON.parse(object), was);
  }),
  ...guarded({
    configure: (config) => plugin.configure(JSON.parse(config)),
    reconcile(key) {
      try {
        return { requeueAfterMs: plugin.reconcile(api, key) ?? null };
      } catch (error) {
        throw error instanceof ApiError ? `${error.reason}: ${error.message}` : error;
      }
    },
  }),
};
