"""Binds the plugin to the world `cni`. Read by componentize-py only."""

import plugin  # noqa: F401 (the author's module: it exports its class)
from componentize_py_types import Err
from orch_component import Guarded, json_of, named
from orch_sdk import cni as sdk
from orch_sdk import exported
from wit_world.exports import driver as wit
from wit_world.imports import network as wit_network

_driver = exported()()


def _asked(function, *arguments):
    try:
        return function(*arguments)
    except Err as error:
        raise RuntimeError(error.value) from None


class _Sandbox(sdk.Sandbox):
    def __init__(self, handle):
        self._handle = handle

    def add_veth(self, node_name, sandbox_name, mtu=0):
        _asked(self._handle.add_veth, node_name, sandbox_name, mtu)

    def remove_veth(self, node_name):
        _asked(self._handle.remove_veth, node_name)

    def add_address(self, side, cidr):
        _asked(self._handle.add_address, named(wit_network.Side, side), cidr)

    def add_route(self, side, route):
        wanted = wit_network.Route(route.destination, route.gateway, route.gateway is None)
        _asked(self._handle.add_route, named(wit_network.Side, side), wanted)

    def add_neighbour(self, ip):
        _asked(self._handle.add_neighbour, ip)

    def set_sysctl(self, side, key, value):
        _asked(self._handle.set_sysctl, named(wit_network.Side, side), key, value)


def _attachment(found):
    return sdk.Attachment(found.sandbox_id, list(found.ips), found.node_interface)


class Driver(Guarded):
    def configure(self, settings):
        _driver.configure(sdk.Settings.parse(json_of(settings)))

    def restore(self, attachments):
        _driver.restore([_attachment(one) for one in attachments])

    def add(self, sandbox, pod):
        wanted = sdk.Pod(pod.sandbox_id, pod.namespace, pod.name, pod.uid)
        made = _driver.add(_Sandbox(sandbox), wanted)
        return wit.Attachment(made.sandbox_id, made.ips, made.node_interface)

    def del_(self, sandbox, attachment):
        _driver.delete(_Sandbox(sandbox), _attachment(attachment))
