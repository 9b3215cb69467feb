import assert from "node:assert/strict";
import test from "node:test";
import Plugin from "./plugin.js";
import * as fake from "./sdk/js/src/fake.js";

test("addresses are given and taken back", () => {
  const driver = new Plugin();
  assert.throws(() => driver.configure({ podCIDRs: ["nonsense"], mtu: 0 }));
  driver.configure({ podCIDRs: ["10.244.3.0/30"], mtu: 0 });
  const add = (sandboxId) => driver.add(new fake.Sandbox(), { sandboxId });
  const first = add("a");
  assert.deepEqual(first.ips, ["10.244.3.1"]);
  assert.deepEqual(add("a"), first);
  assert.deepEqual(add("b").ips, ["10.244.3.2"]);
  assert.throws(() => add("c"), /no address is left/);
  driver.delete(new fake.Sandbox(), first);
  assert.deepEqual(add("c").ips, ["10.244.3.1"]);
});
