// Package export_orch_scheduler_policy is the component's side of `orch:scheduler/policy`.
package export_orch_scheduler_policy

import (
	"go.bytecodealliance.org/pkg/wit/types"
	"orch.dev/sdk/scheduler"
	"wit_component/orch_host_interests"
	. "wit_component/orch_scheduler_policy"
)

type answer = types.Result[types.Unit, string]

func of(err error) answer {
	if err != nil {
		return types.Err[types.Unit, string](err.Error())
	}
	return types.Ok[types.Unit, string](types.Unit{})
}

func Describe() Description {
	from := scheduler.Exported().Describe()
	to := Description{
		Pod:           from.Pod,
		FilterScope:   uint8(from.FilterScope),
		ScoreScope:    uint8(from.ScoreScope),
		Normalization: uint8(from.Normalization),
		Weight:        max(from.Weight, 1),
		Order:         from.Order,
	}
	if len(to.Pod) == 0 {
		to.Pod = []string{"metadata.namespace"}
	}
	if from.Filters {
		to.Points |= Points_Filter
	}
	if from.Scores {
		to.Points |= Points_Score
	}
	to.Points |= taken(scheduler.Exported())
	for _, interest := range from.Interests {
		to.Interests = append(to.Interests, orch_host_interests.Interest{ApiVersion: interest.APIVersion, Kind: interest.Kind, Fields: interest.Fields})
	}
	return to
}

// The extension points whose functions the policy has.
func taken(policy scheduler.Policy) (points Points) {
	if _, ok := policy.(scheduler.Queue); ok {
		points |= Points_Queue
	}
	if _, ok := policy.(scheduler.Preemption); ok {
		points |= Points_Preemption
	}
	if _, ok := policy.(scheduler.Reserve); ok {
		points |= Points_Reserve
	}
	if _, ok := policy.(scheduler.Permit); ok {
		points |= Points_Permit
	}
	if _, ok := policy.(scheduler.PreBind); ok {
		points |= Points_PreBind
	}
	return points
}

func Configure(config string) answer { return of(scheduler.Exported().Configure(config)) }

func Sync(deltas []Delta) answer {
	for _, delta := range deltas {
		if err := apply(scheduler.Exported(), delta); err != nil {
			return of(err)
		}
	}
	return of(nil)
}

func apply(policy scheduler.Policy, delta Delta) error {
	switch delta.Tag() {
	case Delta_NodeUpsert:
		node := delta.NodeUpsert()
		return policy.NodeChanged(node.F0, node.F1)
	case Delta_NodeRemove:
		policy.NodeGone(delta.NodeRemove())
	case Delta_PodUpsert:
		pod := delta.PodUpsert()
		return policy.PodChanged(pod.F0, pod.F1, pod.F2)
	case Delta_PodRemove:
		policy.PodGone(delta.PodRemove())
	case Delta_ObjectUpsert:
		return policy.ObjectChanged(delta.ObjectUpsert())
	case Delta_ObjectRemove:
		policy.ObjectGone(delta.ObjectRemove())
	}
	return nil
}
