// Package plugin ranks nodes by the label `example.com/rank`, and keeps pods off those that have none.
package plugin

import (
	"strconv"

	"orch.dev/sdk/objects"
	"orch.dev/sdk/scheduler"
)

const rankLabel = "example.com/rank"

type {{Pascal}} struct {
	scheduler.Base
	ranks map[uint32]uint32
}

func init() { scheduler.Export(&{{Pascal}}{ranks: map[uint32]uint32{}}) }

func (p *{{Pascal}}) Describe() scheduler.Description {
	return scheduler.Description{
		Filters:       true,
		Scores:        true,
		Normalization: scheduler.Highest,
		Interests:     []objects.Interest{objects.Reads("v1", "Node", "metadata.labels")},
	}
}

func (p *{{Pascal}}) NodeChanged(index uint32, text string) error {
	node, err := objects.ParseNode(text)
	if err != nil {
		return err
	}
	if rank, err := strconv.ParseUint(node.Metadata.Labels[rankLabel], 10, 32); err == nil {
		p.ranks[index] = uint32(rank)
	} else {
		delete(p.ranks, index)
	}
	return nil
}

func (p *{{Pascal}}) NodeGone(index uint32) { delete(p.ranks, index) }

func (p *{{Pascal}}) Filter(_ string, nodes scheduler.NodeSet) (scheduler.Verdict, error) {
	unranked := scheduler.Rejection{Reason: "node(s) had no label " + rankLabel, Unresolvable: true}
	for node := range nodes.Each {
		if _, ranked := p.ranks[node]; !ranked {
			unranked.Nodes.Add(node)
		}
	}
	return scheduler.Verdict{Rejections: []scheduler.Rejection{unranked}}, nil
}

func (p *{{Pascal}}) Score(_ string, nodes scheduler.NodeSet) ([]uint32, error) {
	scores := make([]uint32, 0, nodes.Count())
	for node := range nodes.Each {
		scores = append(scores, p.ranks[node])
	}
	return scores, nil
}
