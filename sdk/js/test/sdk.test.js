import assert from "node:assert/strict";
import test from "node:test";
import { rejoined } from "../build.mjs";
import { ApiError } from "../src/controller.js";
import { setCondition, splitKey } from "../src/controller.js";
import * as fake from "../src/fake.js";
import { NodeSet } from "../src/nodeset.js";
import { Pod } from "../src/objects.js";
import { applied, diff } from "../src/patch.js";
import { milli, parse, whole } from "../src/quantity.js";

test("node sets keep every bit of a word", () => {
  const members = [0, 31, 32, 63, 64, 4999];
  const set = new NodeSet(members);
  assert.deepEqual([...set], members);
  assert.deepEqual([...NodeSet.fromPairs(set.toPairs())], members);
  assert.deepEqual(new NodeSet([31, 63]).toPairs(), [[-(2 ** 31), -(2 ** 31)]]);
  assert.deepEqual([...set.without(new NodeSet([31, 4999]))], [0, 32, 63, 64]);
  assert.deepEqual([...set.and(new NodeSet([63, 5000]))], [63]);
  assert.deepEqual([...new NodeSet([1]).or(set)], [0, 1, ...members.slice(1)]);
  set.delete(4999);
  assert.deepEqual([set.size, set.has(4999), set.has(63), set.isEmpty], [5, false, true, false]);
});

test("quantities", () => {
  assert.deepEqual([milli("100m"), milli("1.5"), milli(2), milli("0.1")], [100, 1500, 2000, 100]);
  assert.deepEqual([whole("1Ki"), whole("1.5Gi"), whole("2e3"), whole("1E")], [1024, 1610612736, 2000, 1e18]);
  assert.throws(() => parse("much"), RangeError);
});

test("a pod requests what upstream counts", () => {
  const container = (cpu, more) => ({ resources: { requests: { cpu, memory: "1Ki" } }, ...more });
  const spec = {
    containers: [container("100m"), container("200m")],
    initContainers: [container("50m", { restartPolicy: "Always" }), container("1")],
    overhead: { cpu: "10m" },
  };
  assert.deepEqual(new Pod({ spec }).requests(), { cpu: 1060, memory: 3072 });
});

test("tolerations", () => {
  const pod = new Pod({ spec: { tolerations: [{ key: "a", operator: "Exists", effect: "NoSchedule" }] } });
  assert.equal(pod.tolerates({ key: "a", value: "b", effect: "NoSchedule" }), true);
  assert.equal(pod.tolerates({ key: "a", effect: "NoExecute" }), false);
  assert.equal(pod.tolerates({ key: "b", effect: "NoSchedule" }), false);
});

test("a patch made of a difference makes the difference", () => {
  const before = { metadata: { labels: { "a/b": "1", gone: "x" } }, list: [1, 2] };
  const after = { metadata: { labels: { "a/b": "2" } }, list: [1], new: null };
  assert.deepEqual(applied(before, diff(before, after)), after);
  assert.deepEqual(diff(after, structuredClone(after)), []);
  assert.throws(() => applied({}, [{ op: "replace", path: "/a", value: 1 }]));
});

test("the cluster keeps versions, status and finalizers", () => {
  const kind = { apiVersion: "v1", kind: "ConfigMap" };
  const cluster = new fake.Cluster({ ...kind, metadata: { namespace: "n", name: "a", finalizers: ["x"] } });
  const read = cluster.object(kind, "n", "a");
  cluster.update({ ...read, data: { key: "value" } });
  assert.throws(() => cluster.update({ ...read, data: {} }), (error) => error.isConflict);
  cluster.updateStatus({ ...cluster.object(kind, "n", "a"), data: {}, status: { ready: true } });
  assert.deepEqual(cluster.object(kind, "n", "a").data, { key: "value" });
  const ownerReferences = [{ uid: read.metadata.uid }];
  cluster.create({ ...kind, metadata: { namespace: "n", name: "owned", ownerReferences } });
  cluster.delete(kind, "n", "a");
  assert.ok(cluster.object(kind, "n", "a").metadata.deletionTimestamp);
  cluster.patch(kind, "n", "a", { metadata: { finalizers: null } });
  assert.deepEqual(cluster.list(kind), []);
  cluster.failNext("create", new ApiError(403, "Forbidden", "no"));
  assert.throws(() => cluster.create(read), { code: 403 });
});

test("lists are selected", () => {
  const pod = (name, app) => ({ apiVersion: "v1", kind: "Pod", metadata: { namespace: "n", name, labels: { app } } });
  const cluster = new fake.Cluster(pod("a", "web"), pod("b", "db"));
  const names = (...selection) => cluster.list({ apiVersion: "v1", kind: "Pod" }, ...selection).map((one) => one.metadata.name);
  assert.deepEqual(names("n", "app in (web, api)"), ["a"]);
  assert.deepEqual(names("n", "app!=web,!other"), ["b"]);
  assert.deepEqual(names("", "", "metadata.name=b"), ["b"]);
  assert.deepEqual(names("elsewhere"), []);
});

test("metrics are kept by their labels", () => {
  const cluster = new fake.Cluster();
  cluster.count("made_total", 1, { kind: "site", by: "me" });
  cluster.count("made", 2, { by: "me", kind: "site" });
  cluster.gauge("ready", 2);
  cluster.observe("took_seconds", 0.5);
  const made = { 'made_total{by="me",kind="site"}': 3 };
  assert.deepEqual(cluster.metrics, { ...made, ready: 2, took_seconds_count: 1, took_seconds_sum: 0.5 });
  cluster.forget("made", { kind: "site", by: "me" });
  cluster.forget("took_seconds");
  assert.deepEqual(cluster.metrics, { ready: 2 });
});

test("conditions keep their time while they hold", () => {
  const status = {};
  const condition = { type: "Ready", isTrue: true, reason: "Up", message: "", observedGeneration: 1 };
  setCondition(status, condition, 0);
  setCondition(status, { ...condition, observedGeneration: 2 }, 5000);
  assert.equal(status.conditions[0].lastTransitionTime, "1970-01-01T00:00:00Z");
  assert.equal(status.conditions[0].observedGeneration, 2);
  assert.deepEqual([splitKey("a/b"), splitKey("b")], [["a", "b"], ["", "b"]]);
});

test("only types are rewritten, those of nested components too", () => {
  const header = [0, 0x61, 0x73, 0x6d, 0x0d, 0, 1, 0];
  const types = [7, 6, 1, 0x6f, 2, 0x7a, 0x7a, 9];
  const custom = [0, 4, 0x6f, 2, 0x7a, 0x7a];
  const nested = [4, 16, ...header, ...types];
  const smaller = [7, 3, 1, 0x77, 9];
  const found = rejoined(Buffer.from([...header, ...types, ...custom, ...nested]));
  assert.deepEqual([...found], [...header, ...smaller, ...custom, 4, 13, ...header, ...smaller]);
});
