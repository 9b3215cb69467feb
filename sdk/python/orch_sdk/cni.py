"""Network drivers: they decide addresses and routes; what they ask of a sandbox the host carries out."""

from dataclasses import dataclass, field

__all__ = ["Attachment", "Driver", "Pod", "Route", "Sandbox", "Settings"]

#: Ends of a veth pair.
SANDBOX, NODE = "sandbox", "node"


@dataclass
class Pod:
    sandbox_id: str
    namespace: str = ""
    name: str = ""
    uid: str = ""


@dataclass
class Attachment:
    sandbox_id: str
    #: Without prefix length, the primary one first.
    ips: list
    node_interface: str


@dataclass
class Route:
    #: CIDR
    destination: str
    #: None: the destination is on the link.
    gateway: str = None


@dataclass
class Settings:
    pod_cidrs: list = field(default_factory=list)
    mtu: int = 0
    config: dict = field(default_factory=dict)

    @classmethod
    def parse(cls, raw):
        return cls(raw.get("podCIDRs") or [], raw.get("mtu") or 0, raw.get("config") or {})


class Sandbox:
    """A pod's network namespace. Failures raise `RuntimeError`. `fake.Sandbox` records the calls."""

    def add_veth(self, node_name, sandbox_name, mtu=0):
        raise NotImplementedError

    def remove_veth(self, node_name):
        raise NotImplementedError

    def add_address(self, side, cidr):
        raise NotImplementedError

    def add_route(self, side, route):
        raise NotImplementedError

    def add_neighbour(self, ip):
        raise NotImplementedError

    def set_sysctl(self, side, key, value):
        raise NotImplementedError


class Driver:
    def configure(self, settings):
        """The node's `Settings`; an exception refuses the plugin."""

    def restore(self, attachments):
        """What is attached already, before the first `add`."""

    def add(self, sandbox, pod):
        """Connects a sandbox; called again for the same id it returns the same `Attachment`."""
        raise NotImplementedError

    def delete(self, sandbox, attachment):
        """Disconnects; no error when there is nothing."""
        raise NotImplementedError
