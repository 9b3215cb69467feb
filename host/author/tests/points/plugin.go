// Package plugin takes part at every extension point: one pod to a node, whoever has the priority.
package plugin

import (
	"encoding/json"
	"errors"
	"fmt"

	"orch.dev/sdk/objects"
	"orch.dev/sdk/scheduler"
)

type policy struct {
	scheduler.Base
	// Uids by node.
	pods map[uint32]map[string]bool
	held int
}

func init() { scheduler.Export(&policy{pods: map[uint32]map[string]bool{}}) }

func (*policy) Describe() scheduler.Description {
	return scheduler.Description{
		Filters:   true,
		Pod:       []string{"spec.priority", "metadata.uid"},
		Interests: []objects.Interest{objects.Reads("v1", "Node", "metadata.name"), objects.Reads("v1", "Pod", "metadata.name")},
	}
}

func (p *policy) PodChanged(uid string, node uint32, _ string) error {
	p.PodGone(uid)
	if p.pods[node] == nil {
		p.pods[node] = map[string]bool{}
	}
	p.pods[node][uid] = true
	return nil
}

func (p *policy) PodGone(uid string) {
	for _, pods := range p.pods {
		delete(pods, uid)
	}
}

func (p *policy) Filter(_ string, nodes scheduler.NodeSet) (scheduler.Verdict, error) {
	taken := scheduler.Rejection{Reason: "node(s) were taken"}
	for node := range nodes.Each {
		if len(p.pods[node]) > 0 {
			taken.Nodes.Add(node)
		}
	}
	return scheduler.Verdict{Rejections: []scheduler.Rejection{taken}}, nil
}

func priority(pod string) int64 {
	var read struct{ Spec struct{ Priority int64 } }
	if err := json.Unmarshal([]byte(pod), &read); err != nil {
		panic(err)
	}
	return read.Spec.Priority
}

func (*policy) Rank(pod string) (int64, error) { return priority(pod), nil }

func (p *policy) Propose(pod string, nodes scheduler.NodeSet) (scheduler.Plan, error) {
	if priority(pod) == 0 {
		return scheduler.Plan{NotEligible: "not eligible without a priority."}, nil
	}
	var plan scheduler.Plan
	for node := range nodes.Each {
		for uid := range p.pods[node] {
			plan.Proposals = append(plan.Proposals, scheduler.Eviction{Node: node, Victims: []string{uid}})
		}
	}
	return plan, nil
}

func (*policy) Choose(_ string, candidates []scheduler.Eviction) (int, error) {
	return len(candidates) - 1, nil
}

func (p *policy) Reserve(pod string, _ uint32) error {
	if p.held++; p.held > 1 {
		return errors.New("one is on its way already")
	}
	return nil
}

func (p *policy) Unreserve(string, uint32) error {
	p.held--
	return nil
}

func (*policy) Permit(pod string, _ uint32) (scheduler.Permission, error) {
	switch priority(pod) {
	case 1:
		return scheduler.Permission{Wait: 500}, nil
	case 2:
		return scheduler.Permission{Rejected: "not today"}, nil
	}
	return scheduler.Permission{}, nil
}

func (*policy) PreBind(_ string, node uint32) (scheduler.Advice, error) {
	return scheduler.Advice{Wait: 700, Patches: []scheduler.Patch{{
		APIVersion: "v1", Kind: "ConfigMap", Namespace: "default", Name: "placed",
		Type: scheduler.MergePatch, Body: fmt.Sprintf(`{"data": {"node": "%d"}}`, node),
	}}}, nil
}
