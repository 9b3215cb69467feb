"""Gives each pod the lowest free address of the node's range, routed to a veth of its own."""

from ipaddress import IPv4Network

from orch_sdk import export
from orch_sdk.cni import NODE, SANDBOX, Attachment, Driver, Route

# Answered for by the node's end of every veth.
GATEWAY = "169.254.1.1"


@export
class {{Pascal}}(Driver):
    def __init__(self):
        self.range, self.mtu, self.attached = None, 0, {}

    def configure(self, settings):
        if not settings.pod_cidrs:
            raise ValueError("podCIDRs: the node has none yet")
        self.range, self.mtu = IPv4Network(settings.pod_cidrs[0], strict=False), settings.mtu

    def restore(self, attachments):
        self.attached = {known.sandbox_id: known for known in attachments}

    def add(self, sandbox, pod):
        if pod.sandbox_id not in self.attached:
            ip = self.free()
            # The kernel's limit for a name is 15 bytes.
            attachment = Attachment(pod.sandbox_id, [ip], f"v{ip.replace('.', '')}")
            connect(sandbox, attachment, self.mtu)
            self.attached[pod.sandbox_id] = attachment
        return self.attached[pod.sandbox_id]

    def delete(self, sandbox, attachment):
        sandbox.remove_veth(attachment.node_interface)
        self.attached.pop(attachment.sandbox_id, None)

    def free(self):
        taken = {ip for other in self.attached.values() for ip in other.ips}
        for ip in map(str, self.range.hosts()):
            if ip not in taken:
                return ip
        raise RuntimeError("no address is left in the node's range")


def connect(sandbox, attachment, mtu):
    ip = attachment.ips[0]
    sandbox.add_veth(attachment.node_interface, "eth0", mtu)
    sandbox.set_sysctl(NODE, "ipv4/proxy_arp", "1")
    sandbox.add_address(NODE, f"{GATEWAY}/32")
    sandbox.add_address(SANDBOX, f"{ip}/32")
    sandbox.add_neighbour(GATEWAY)
    sandbox.add_route(SANDBOX, Route(f"{GATEWAY}/32"))
    sandbox.add_route(SANDBOX, Route("0.0.0.0/0", GATEWAY))
    sandbox.add_route(NODE, Route(f"{ip}/32"))
