"""Binds the plugin to the world `csi`. Read by componentize-py only."""

import plugin  # noqa: F401 (the author's module: it exports its class)
from componentize_py_types import Err
from orch_component import Guarded, json_of, named
from orch_sdk import csi as sdk
from orch_sdk import exported
from wit_world.exports import controller as wit_controller
from wit_world.exports import identity as wit_identity
from wit_world.exports import node as wit_node
from wit_world.imports import storage as wit_storage
from wit_world.imports import types as wit

_driver = exported()()


def _word(case):
    return case.name.lower().replace("_", "-")


def _asked(function, *arguments):
    try:
        return function(*arguments)
    except Err as error:
        raise sdk.Failure(_word(error.value.code), error.value.message) from None


class _Directory(sdk.Directory):
    def __init__(self, handle):
        self.handle = handle

    def make_directory(self, path):
        _asked(self.handle.make_directory, path)

    def remove(self, path):
        _asked(self.handle.remove, path)

    def entries(self, path=""):
        found = _asked(self.handle.entries, path)
        return [sdk.Entry(one.name, one.is_directory, one.size_bytes) for one in found]

    def read(self, path):
        return _asked(self.handle.read, path)

    def write(self, path, contents):
        _asked(self.handle.write, path, bytes(contents))

    def copy(self, path, target, target_path):
        _asked(self.handle.copy, path, target.handle, target_path)

    def usage(self, path=""):
        return sdk.Usage(**vars(_asked(self.handle.usage, path)))

    def bind_mount(self, path, target, read_only=False):
        _asked(self.handle.bind_mount, path, target.handle, read_only)

    def unmount(self):
        _asked(self.handle.unmount)

    def is_mounted(self):
        return _asked(self.handle.is_mounted)


def _lent(handle):
    return None if handle is None else _Directory(handle)


def _capability(found):
    mount = getattr(found.access_type, "value", None)
    mode = _word(found.access_mode)
    return sdk.Capability(mode, True) if mount is None else sdk.Capability(mode, False, **vars(mount))


def _source(found):
    if found is None:
        return None
    return sdk.Source("volume" if isinstance(found, wit.ContentSource_Volume) else "snapshot", found.value)


def _pairs(attributes):
    return [(name, str(value)) for name, value in attributes.items()]


class _Service(Guarded):
    @staticmethod
    def answer(function, error, text):
        if function == "configure":
            return text
        code = error.code if isinstance(error, sdk.Failure) else "internal"
        return wit.Error(named(wit.Code, code), text)


class Identity(_Service):
    def describe(self):
        described = _driver.describe()
        capabilities = wit_identity.Capabilities(0)
        for one in described.capabilities:
            capabilities |= named(wit_identity.Capabilities, one)
        return wit_identity.Description(
            described.name, described.version, capabilities, list(described.topology_keys)
        )

    def configure(self, config):
        _driver.configure(json_of(config))

    def probe(self):
        return _driver.probe()


class Controller(_Service):
    def create_volume(self, request, volume_directory, source_directory):
        wanted = sdk.NewVolume(
            request.name,
            request.capacity.required_bytes,
            request.capacity.limit_bytes,
            [_capability(one) for one in request.capabilities],
            dict(request.parameters),
            dict(request.secrets),
            _source(request.source),
            [dict(one) for one in request.accessibility.requisite],
            [dict(one) for one in request.accessibility.preferred],
        )
        made = _driver.create_volume(wanted, _lent(volume_directory), _lent(source_directory))
        accessible = [_pairs(one) for one in made.accessible]
        return wit.Volume(made.volume_id, made.capacity_bytes, _pairs(made.context), accessible)

    def delete_volume(self, volume_id, secrets, volume_directory):
        _driver.delete_volume(volume_id, dict(secrets), _lent(volume_directory))

    def validate_capabilities(self, volume_id, capabilities, volume_context):
        capabilities = [_capability(one) for one in capabilities]
        return _driver.validate_capabilities(volume_id, capabilities, dict(volume_context))

    def controller_publish(self, request):
        wanted = sdk.Publication(
            request.volume_id,
            request.node_id,
            _capability(request.capability),
            request.read_only,
            dict(request.volume_context),
            dict(request.secrets),
        )
        return _pairs(_driver.controller_publish(wanted) or {})

    def controller_unpublish(self, volume_id, node_id, secrets):
        _driver.controller_unpublish(volume_id, node_id, dict(secrets))

    def capacity(self, parameters, accessible, pool_directory):
        accessible = None if accessible is None else dict(accessible)
        room = _driver.capacity(dict(parameters), accessible, _lent(pool_directory))
        return wit_controller.Room(room.available_bytes, room.largest_bytes)

    def controller_expand(self, volume_id, capacity, secrets, volume_directory):
        sizes = (capacity.required_bytes, capacity.limit_bytes)
        grown = _driver.controller_expand(volume_id, *sizes, dict(secrets), _lent(volume_directory))
        return wit_controller.Expansion(grown.capacity_bytes, grown.node_expansion_required)

    def create_snapshot(self, request, volume_directory, snapshot_directory):
        wanted = sdk.NewSnapshot(
            request.name,
            request.source_volume_id,
            dict(request.parameters),
            dict(request.secrets),
            request.now_ms,
        )
        made = _driver.create_snapshot(wanted, _lent(volume_directory), _lent(snapshot_directory))
        return wit.Snapshot(**vars(made))

    def delete_snapshot(self, snapshot_id, secrets, snapshot_directory):
        _driver.delete_snapshot(snapshot_id, dict(secrets), _lent(snapshot_directory))


def _use(request):
    return sdk.VolumeUse(
        request.volume_id,
        _capability(request.capability),
        dict(request.volume_context),
        dict(request.publish_context),
        dict(request.secrets),
    )


class Node(_Service):
    def info(self, node_name, labels):
        found = _driver.info(node_name, dict(labels))
        accessible = None if found.accessible is None else _pairs(found.accessible)
        return wit_node.NodeInfo(found.node_id, found.max_volumes, accessible)

    def stage(self, request, volume_directory, staging):
        _driver.stage(_use(request), _lent(volume_directory), _lent(staging))

    def unstage(self, volume_id, staging):
        _driver.unstage(volume_id, _lent(staging))

    def publish(self, request, pod, read_only, volume_directory, staging, target):
        wanted = sdk.Pod(pod.namespace, pod.name, pod.uid, pod.service_account)
        places = (_lent(volume_directory), _lent(staging), _lent(target))
        _driver.publish(_use(request), wanted, read_only, *places)

    def unpublish(self, volume_id, target):
        _driver.unpublish(volume_id, _lent(target))

    def volume_stats(self, volume_id, target):
        health = _driver.volume_stats(volume_id, _lent(target))
        return wit_node.Health(wit_storage.Usage(**vars(health.usage)), health.abnormal)

    def node_expand(self, volume_id, capacity, target):
        return _driver.node_expand(volume_id, capacity.required_bytes, capacity.limit_bytes, _lent(target))
