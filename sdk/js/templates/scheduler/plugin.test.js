import assert from "node:assert/strict";
import test from "node:test";
import Plugin, { RANK } from "./plugin.js";
import * as fake from "./sdk/js/src/fake.js";

test("ranked nodes are taken in order of rank", () => {
  const host = new fake.Scheduler(new Plugin());
  host.node("a", { labels: { [RANK]: "1" } });
  host.node("b");
  host.node("c", { labels: { [RANK]: "7" } });
  const pod = fake.pod("web");
  assert.deepEqual(host.rejected(pod), { b: `node(s) had no label ${RANK}` });
  assert.deepEqual(host.scores(pod), { a: 14, c: 100 });
});
