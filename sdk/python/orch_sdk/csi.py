"""Storage drivers: volumes made, shown to pods, grown, kept and taken away, with the directories that
the host hands over and nothing else.

Only those functions are called that the description's capabilities name. Each may be called again after
it succeeded, failed or was cut off, and then does what is left to do. Nothing may be remembered between
calls but in a volume's directory. What each call promises is told in `wit/csi`.
"""

from dataclasses import dataclass, field

__all__ = [
    "Capability", "Description", "Directory", "Driver", "Entry", "Expansion", "Failure", "Health",
    "NewSnapshot", "NewVolume", "NodeInfo", "Pod", "Publication", "Room", "Snapshot", "Source", "Usage",
    "Volume", "VolumeUse",
]  # fmt: skip


class Failure(RuntimeError):
    """What went wrong, with one of CSI's codes: `not-found`, `already-exists`, `invalid-argument`, …"""

    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


@dataclass
class Description:
    #: A domain, as in `spec.csi.driver` of a PersistentVolume.
    name: str
    version: str
    #: `create-delete`, `controller-publish`, `clone`, `snapshot`, `capacity`, `controller-expand`,
    #: `stage`, `publish`, `volume-stats`, `node-expand`
    capabilities: list
    topology_keys: list = field(default_factory=list)


@dataclass
class Capability:
    #: `single-node-writer`, `multi-node-multi-writer`, …
    access_mode: str
    #: A raw device; otherwise the fields below say how it is mounted.
    block: bool = False
    fs_type: str = ""
    mount_flags: list = field(default_factory=list)
    group: str = ""


@dataclass
class Source:
    """`kind` is `snapshot` or `volume`."""

    kind: str
    id: str


@dataclass
class NewVolume:
    name: str
    #: Bytes; 0: no matter.
    required_bytes: int = 0
    limit_bytes: int = 0
    capabilities: list = field(default_factory=list)
    parameters: dict = field(default_factory=dict)
    secrets: dict = field(default_factory=dict)
    source: Source = None
    #: Topologies: labels of nodes.
    requisite: list = field(default_factory=list)
    preferred: list = field(default_factory=list)


@dataclass
class Volume:
    volume_id: str
    capacity_bytes: int = 0
    context: dict = field(default_factory=dict)
    accessible: list = field(default_factory=list)


@dataclass
class Publication:
    volume_id: str
    node_id: str
    capability: Capability = None
    read_only: bool = False
    volume_context: dict = field(default_factory=dict)
    secrets: dict = field(default_factory=dict)


@dataclass
class Room:
    available_bytes: int
    largest_bytes: int = 0


@dataclass
class Expansion:
    capacity_bytes: int
    node_expansion_required: bool = False


@dataclass
class NewSnapshot:
    name: str
    source_volume_id: str
    parameters: dict = field(default_factory=dict)
    secrets: dict = field(default_factory=dict)
    now_ms: int = 0


@dataclass
class Snapshot:
    snapshot_id: str
    source_volume_id: str
    size_bytes: int
    created_ms: int
    ready: bool = True


@dataclass
class NodeInfo:
    node_id: str
    max_volumes: int = 0
    accessible: dict = None


@dataclass
class VolumeUse:
    volume_id: str
    capability: Capability = None
    volume_context: dict = field(default_factory=dict)
    publish_context: dict = field(default_factory=dict)
    secrets: dict = field(default_factory=dict)


@dataclass
class Pod:
    namespace: str
    name: str
    uid: str = ""
    service_account: str = ""


@dataclass
class Entry:
    name: str
    is_directory: bool
    size_bytes: int = 0


@dataclass
class Usage:
    used_bytes: int = 0
    available_bytes: int = 0
    total_bytes: int = 0
    used_inodes: int = 0
    available_inodes: int = 0
    total_inodes: int = 0


@dataclass
class Health:
    usage: Usage
    #: Why the volume is not well; None: it is.
    abnormal: str = None


class Directory:
    """A directory that the host handed over. Paths are relative, the empty one is the directory itself.
    Failures raise `Failure`. `fake.Directory` is one in memory."""

    def make_directory(self, path):
        raise NotImplementedError

    def remove(self, path):
        """No error when it is gone; the empty path empties the directory."""
        raise NotImplementedError

    def entries(self, path=""):
        raise NotImplementedError

    def read(self, path):
        """Bytes, up to 64 KiB."""
        raise NotImplementedError

    def write(self, path, contents):
        """Whole and durable, or not at all; up to 64 KiB."""
        raise NotImplementedError

    def copy(self, path, target, target_path):
        raise NotImplementedError

    def usage(self, path=""):
        raise NotImplementedError

    def bind_mount(self, path, target, read_only=False):
        """Shows a directory of this one at the target's own place."""
        raise NotImplementedError

    def unmount(self):
        """Takes away what is mounted at its own place."""
        raise NotImplementedError

    def is_mounted(self):
        raise NotImplementedError


def _undone(call):
    raise Failure("unimplemented", f"the driver does not do {call}")


class Driver:
    def describe(self):
        raise NotImplementedError("describe says what the driver can do")

    def configure(self, config):
        """`spec.config`. An exception refuses the plugin: name the field."""

    def probe(self):
        """Whether it is ready to be used."""
        return True

    def create_volume(self, request, volume, source):
        """Makes a `Volume` in its own directory; `source`: that of the volume or snapshot to copy."""
        _undone("create-volume")

    def delete_volume(self, id, secrets, volume):
        """None there is success."""
        _undone("delete-volume")

    def validate_capabilities(self, id, capabilities, context):
        """None: it can be used so; else why not."""
        _undone("validate-capabilities")

    def controller_publish(self, request):
        """Attaches a volume to a node; the dict it returns goes to `stage` and `publish` there."""
        _undone("controller-publish")

    def controller_unpublish(self, id, node, secrets):
        """`node` None: from all."""
        _undone("controller-unpublish")

    def capacity(self, parameters, accessible, pool):
        """The `Room` for more volumes."""
        _undone("capacity")

    def controller_expand(self, id, required_bytes, limit_bytes, secrets, volume):
        """An `Expansion`."""
        _undone("controller-expand")

    def create_snapshot(self, request, volume, snapshot):
        """A `Snapshot`."""
        _undone("create-snapshot")

    def delete_snapshot(self, id, secrets, snapshot):
        _undone("delete-snapshot")

    def info(self, node, labels):
        return NodeInfo(node)

    def stage(self, request, volume, staging):
        _undone("stage")

    def unstage(self, id, staging):
        _undone("unstage")

    def publish(self, request, pod, read_only, volume, staging, target):
        """Shows a volume to a pod, at `target`. `staging`: for drivers that stage, else None."""
        _undone("publish")

    def unpublish(self, id, target):
        _undone("unpublish")

    def volume_stats(self, id, target):
        """A `Health`."""
        _undone("volume-stats")

    def node_expand(self, id, required_bytes, limit_bytes, target):
        """What the volume has now, in bytes."""
        _undone("node-expand")
