"""Binds the plugin to the world `controller`. Read by componentize-py only."""

import json

import plugin  # noqa: F401 (the author's module: it exports its class)
from componentize_py_types import Err
from orch_component import Guarded, interests_of, json_of, named
from orch_sdk import controller as sdk
from orch_sdk import exported
from wit_world.exports import reconciler as wit
from wit_world.imports import api as wit_api
from wit_world.imports import metrics as wit_metrics

_controller = exported()()


def _asked(function, *arguments):
    try:
        return function(*arguments)
    except Err as error:
        raise sdk.ApiError(error.value.code, error.value.reason, error.value.message) from None


class _Api(sdk.Api):
    def get(self, kind, namespace, name, live=False):
        found = _asked(wit_api.get, kind.api_version, kind.kind, namespace, name, live)
        return None if found is None else json_of(found)

    def list(self, kind, namespace="", labels="", fields=""):
        found = _asked(wit_api.list, kind.api_version, kind.kind, namespace, labels, fields)
        return [json_of(object) for object in found]

    def dependents(self, owner_uid):
        return [json_of(object) for object in _asked(wit_api.dependents, owner_uid)]

    def create(self, object):
        return json_of(_asked(wit_api.create, json.dumps(object)))

    def update(self, object, subresource=""):
        return json_of(_asked(wit_api.update, json.dumps(object), subresource))

    def patch(self, kind, namespace, name, body, patch_type="merge", subresource=""):
        patch_type = named(wit_api.PatchType, patch_type)
        where = (kind.api_version, kind.kind, namespace, name, subresource)
        return json_of(_asked(wit_api.patch, *where, patch_type, json.dumps(body)))

    def delete(self, kind, namespace, name, options=None):
        options = json.dumps(options) if options else ""
        _asked(wit_api.delete, kind.api_version, kind.kind, namespace, name, options)

    def delete_collection(self, kind, namespace, options=None):
        options = json.dumps(options) if options else ""
        _asked(wit_api.delete_collection, kind.api_version, kind.kind, namespace, options)

    def event(self, regarding, event_type, reason, message):
        wit_api.event(json.dumps(regarding), event_type, reason, message)

    def count(self, metric, by=1, /, **labels):
        wit_metrics.add(metric, _labels(labels), float(by))

    def gauge(self, metric, value, /, **labels):
        wit_metrics.set(metric, _labels(labels), float(value))

    def observe(self, metric, value, /, **labels):
        wit_metrics.observe(metric, _labels(labels), float(value))

    def forget(self, metric, /, **labels):
        wit_metrics.forget(metric, _labels(labels))

    def now_ms(self):
        return wit_api.now()


def _labels(labels):
    return [wit_metrics.Label(name, str(value)) for name, value in labels.items()]


_api = _Api()


class Reconciler(Guarded):
    def describe(self):
        described = _controller.describe()
        for one in described.metrics:
            wit_metrics.declare(one.name, named(wit_metrics.Kind, one.kind), one.help, list(one.buckets))
        watches = [
            wit.Watch(interests_of([watch.interest])[0], _mapping(watch)) for watch in described.watches
        ]
        return wit.Description(watches, described.concurrency)

    def configure(self, config):
        _controller.configure(json_of(config))

    def keys(self, watch, change, object, before):
        before = None if before is None else json_of(before)
        return list(_controller.keys(watch, change.name.lower(), json_of(object), before))

    def reconcile(self, key):
        try:
            after = _controller.reconcile(_api, key)
        except sdk.ApiError as error:
            raise Err(f"{error.reason}: {error.message}") from None
        return wit.Outcome(after)


def _mapping(watch):
    if watch.owner:
        return wit.Mapping_ControllerOwner(watch.owner)
    return wit.Mapping_Custom() if watch.mapped else wit.Mapping_Itself()
