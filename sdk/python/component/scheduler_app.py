"""Binds the plugin to the world `scheduler` or one of its neighbours. Read by componentize-py only."""

import plugin  # noqa: F401 (the author's module: it exports its class)
from orch_component import Guarded, interests_of, json_of, named
from orch_sdk import exported
from orch_sdk import scheduler as sdk
from wit_world import exports
from wit_world.exports import policy as wit

_policy = exported()()


class Policy(Guarded):
    def describe(self):
        described = _policy.describe()
        points = wit.Points(0)
        for point in _policy.points():
            if not hasattr(exports, point.replace("-", " ").title().replace(" ", "")):
                raise TypeError(f"the policy takes part in {point}: set witWorld: scheduler-full in orch-plugin.yaml")
            points |= named(wit.Points, point)
        return wit.Description(
            points,
            described.pod,
            interests_of(described.interests),
            named(wit.Scope, described.filter_scope.value),
            named(wit.Scope, described.score_scope.value),
            named(wit.Normalization, described.normalization.value),
            described.weight,
            described.order,
        )

    def configure(self, config):
        _policy.configure(json_of(config))

    def sync(self, deltas):
        for delta in deltas:
            _SYNC[type(delta)](delta.value)


_SYNC = {
    wit.Delta_NodeUpsert: lambda value: _policy.node_changed(value[0], sdk.Node.parse(value[1])),
    wit.Delta_NodeRemove: lambda index: _policy.node_gone(index),
    wit.Delta_PodUpsert: lambda value: _policy.pod_changed(value[0], value[1], sdk.Pod.parse(value[2])),
    wit.Delta_PodRemove: lambda uid: _policy.pod_gone(uid),
    wit.Delta_ObjectUpsert: lambda object: _policy.object_changed(json_of(object)),
    wit.Delta_ObjectRemove: lambda identity: _policy.object_gone(json_of(identity)),
}


if hasattr(exports, "Filter"):
    from wit_world.exports import filter as wit_filter

    class Filter(Guarded):
        def filter(self, pod, nodes):
            try:
                rejections = _policy.filter(sdk.Pod.parse(pod), sdk.NodeSet.from_words(nodes))
            except sdk.PodRejected as rejected:
                return wit_filter.Verdict_Pod(str(rejected))
            return wit_filter.Verdict_Nodes(
                [
                    wit_filter.Rejection(one.reason, one.nodes.words(), one.unresolvable)
                    for one in rejections or []
                    if one.nodes
                ]
            )


if hasattr(exports, "Score"):

    class Score(Guarded):
        def score(self, pod, nodes):
            return [int(score) for score in _policy.score(sdk.Pod.parse(pod), sdk.NodeSet.from_words(nodes))]


if hasattr(exports, "Queue"):

    class Queue(Guarded):
        def rank(self, pod):
            return _policy.rank(sdk.Pod.parse(pod))


if hasattr(exports, "Preemption"):
    from wit_world.exports import preemption as wit_preemption

    class Preemption(Guarded):
        def propose(self, pod, nodes):
            try:
                found = _policy.propose(sdk.Pod.parse(pod), sdk.NodeSet.from_words(nodes))
            except sdk.NotEligible as reason:
                return wit_preemption.Plan_NotEligible(str(reason))
            return wit_preemption.Plan_Proposals(
                [wit_preemption.Proposal(one.node, one.victims) for one in found or []]
            )

        def choose(self, pod, candidates):
            found = [sdk.Eviction(one.node, one.victims) for one in candidates]
            return _policy.choose(sdk.Pod.parse(pod), found)


if hasattr(exports, "Reserve"):

    class Reserve(Guarded):
        def reserve(self, pod, node):
            _policy.reserve(sdk.Pod.parse(pod), node)

        def unreserve(self, pod, node):
            _policy.unreserve(sdk.Pod.parse(pod), node)


if hasattr(exports, "Permit"):
    from wit_world.exports import permit as wit_permit

    class Permit(Guarded):
        def permit(self, pod, node):
            answer = _policy.permit(sdk.Pod.parse(pod), node) or sdk.Permission()
            if answer.rejected:
                return wit_permit.Permission_Reject(answer.rejected)
            return wit_permit.Permission_Wait(answer.wait) if answer.wait else wit_permit.Permission_Allow()


if hasattr(exports, "PreBind"):
    from wit_world.exports import pre_bind as wit_pre_bind

    class PreBind(Guarded):
        def pre_bind(self, pod, node):
            advice = _policy.pre_bind(sdk.Pod.parse(pod), node) or sdk.Advice()
            patches = [
                wit_pre_bind.Patch(
                    one.api_version, one.kind, one.namespace, one.name, one.subresource,
                    named(wit_pre_bind.PatchType, one.patch_type), one.body,
                )
                for one in advice.patches
            ]  # fmt: skip
            return wit_pre_bind.Advice(patches, advice.ready, advice.timeout_ms)


