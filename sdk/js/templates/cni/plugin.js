// Gives each pod the lowest free address of the node's range, routed to a veth of its own.
import { Driver } from "./sdk/js/src/cni.js";

// Answered for by the node's end of every veth.
const GATEWAY = "169.254.1.1";

export default class {{Pascal}} extends Driver {
  attached = new Map();

  configure({ podCIDRs, mtu }) {
    if (podCIDRs.length === 0) throw new Error("podCIDRs: the node has none yet");
    this.range = addressesOf(podCIDRs[0]);
    this.mtu = mtu;
  }

  restore(attachments) {
    this.attached = new Map(attachments.map((known) => [known.sandboxId, known]));
  }

  add(sandbox, { sandboxId }) {
    if (this.attached.has(sandboxId)) return this.attached.get(sandboxId);
    const taken = new Set([...this.attached.values()].flatMap((known) => known.ips));
    const { first, last } = this.range;
    for (let number = first; number <= last; number++) {
      const ip = dotted(number);
      if (taken.has(ip)) continue;
      // The kernel's limit for a name is 15 bytes.
      const attachment = { sandboxId, ips: [ip], nodeInterface: `v${ip.replaceAll(".", "")}` };
      connect(sandbox, attachment, this.mtu);
      this.attached.set(sandboxId, attachment);
      return attachment;
    }
    throw new Error("no address is left in the node's range");
  }

  delete(sandbox, { sandboxId, nodeInterface }) {
    sandbox.removeVeth(nodeInterface);
    this.attached.delete(sandboxId);
  }
}

function connect(sandbox, { ips: [ip], nodeInterface }, mtu) {
  sandbox.addVeth(nodeInterface, "eth0", mtu);
  sandbox.setSysctl("node", "ipv4/proxy_arp", "1");
  sandbox.addAddress("node", `${GATEWAY}/32`);
  sandbox.addAddress("sandbox", `${ip}/32`);
  sandbox.addNeighbour(GATEWAY);
  sandbox.addRoute("sandbox", { destination: `${GATEWAY}/32` });
  sandbox.addRoute("sandbox", { destination: "0.0.0.0/0", gateway: GATEWAY });
  sandbox.addRoute("node", { destination: `${ip}/32` });
}

/** The addresses of `10.244.0.0/24` but the first, which is the network's, and the last. */
function addressesOf(cidr) {
  const found = /^(\d+)\.(\d+)\.(\d+)\.(\d+)\/(\d+)$/.exec(cidr);
  if (!found) throw new Error(`podCIDRs: ${cidr} is no IPv4 range`);
  const [a, b, c, d, length] = found.slice(1).map(Number);
  const size = 2 ** (32 - length);
  const address = ((a * 256 + b) * 256 + c) * 256 + d;
  const network = address - (address % size);
  return { first: network + 1, last: network + size - 2 };
}

const dotted = (number) => [24, 16, 8, 0].map((shift) => (number >>> shift) & 255).join(".");
