"""Greets each namespace once, with an Event."""

from orch_sdk import export
from orch_sdk.controller import Controller, Description, Interest, Kind, Watch, split_key

NAMESPACE = Kind("v1", "Namespace")


@export
class {{Pascal}}(Controller):
    def describe(self):
        return Description([Watch(Interest("v1", "Namespace", ["metadata.name"]))])

    def reconcile(self, api, key):
        _, name = split_key(key)
        namespace = api.get(NAMESPACE, "", name)
        if namespace:
            api.event(namespace, "Normal", "Greeted", f"hello, {name}")
