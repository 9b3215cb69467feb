// Binds the plugin to the world `cni`.
import exported from "../../../plugin.js";
import { guarded, instanceOf } from "./guard.js";

const plugin = instanceOf(exported);

function asked(call) {
  try {
    return call();
  } catch (error) {
    throw error instanceof Error ? error : new Error(String(error));
  }
}

const view = (handle) => ({
  addVeth: (nodeName, sandboxName, mtu = 0) => asked(() => handle.addVeth(nodeName, sandboxName, mtu)),
  removeVeth: (nodeName) => asked(() => handle.removeVeth(nodeName)),
  addAddress: (side, cidr) => asked(() => handle.addAddress(side, cidr)),
  addRoute: (side, { destination, gateway = null }) =>
    asked(() => handle.addRoute(side, { destination, gateway, linkScope: gateway === null })),
  addNeighbour: (ip) => asked(() => handle.addNeighbour(ip)),
  setSysctl: (side, key, value) => asked(() => handle.setSysctl(side, key, value)),
});

export const driver = guarded({
  configure(settings) {
    const { podCIDRs = [], mtu = 0, config = {} } = JSON.parse(settings);
    plugin.configure({ podCIDRs, mtu, config });
  },
  restore: (attachments) => plugin.restore(attachments),
  add: (sandbox, pod) => plugin.add(view(sandbox), pod),
  del: (sandbox, attachment) => void plugin.delete(view(sandbox), attachment),
});
