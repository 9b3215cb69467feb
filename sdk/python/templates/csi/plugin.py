"""Volumes that are directories of the node."""

from orch_sdk import export
from orch_sdk.csi import Description, Driver, Volume


@export
class {{Pascal}}(Driver):
    def describe(self):
        return Description("{{name}}.example.com", "0.1.0", ["create-delete", "publish"])

    def create_volume(self, request, volume, source):
        volume.make_directory("data")
        return Volume(request.name, request.required_bytes)

    def delete_volume(self, id, secrets, volume):
        volume.remove("")

    def publish(self, request, pod, read_only, volume, staging, target):
        volume.bind_mount("data", target, read_only)

    def unpublish(self, id, target):
        target.unmount()
