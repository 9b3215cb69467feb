"""Binds the plugin to the world `admission`. Read by componentize-py only."""

import json

import plugin  # noqa: F401 (the author's module: it exports its class)
from componentize_py_types import Err
from orch_component import Guarded, interests_of, json_of, named
from orch_sdk import admission as sdk
from orch_sdk import exported
from wit_world import exports
from wit_world.exports import check as wit

_check = exported()()


class Check(Guarded):
    def describe(self):
        described = _check.describe()
        rules = [
            wit.Rule(
                [named(wit.Operation, operation) for operation in rule.operations],
                list(rule.api_groups),
                list(rule.resources),
            )
            for rule in described.rules
        ]
        return wit.Description(rules, interests_of(described.interests), described.mutates)

    def configure(self, config):
        _check.configure(json_of(config))

    def sync(self, deltas):
        for delta in deltas:
            if isinstance(delta, wit.Delta_Upsert):
                _check.object_changed(json_of(delta.value))
            else:
                _check.object_gone(json_of(delta.value))

    def review(self, request):
        request = sdk.Request.parse(request)
        try:
            admitted = _check.review(request) or sdk.Admitted()
        except sdk.Denied as denied:
            raise Err(wit.Denial(denied.code, denied.reason, denied.message)) from None
        patch = admitted.patch(request)
        return wit.Admitted(json.dumps(patch) if patch else "", list(admitted.warnings))


if hasattr(exports, "View"):
    from wit_world.exports import view as wit_view

    class View(Guarded):
        def reads(self):
            return [wit_view.Reading(list(one.resources), list(one.fields)) for one in _check.reads()]


if hasattr(exports, "Relevance"):
    from wit_world.exports import relevance as wit_relevance

    class Relevance(Guarded):
        def conditions(self):
            return [
                wit_relevance.Condition(list(one.resources), list(one.groups), list(one.namespace_labels))
                for one in _check.conditions()
            ]
