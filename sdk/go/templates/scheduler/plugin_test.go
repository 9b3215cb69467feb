package plugin

import (
	"slices"
	"testing"

	"orch.dev/sdk/scheduler"
)

func TestRankedNodesAreTakenInOrderOfRank(t *testing.T) {
	policy := &{{Pascal}}{ranks: map[uint32]uint32{}}
	for index, node := range []string{
		`{"metadata": {"labels": {"example.com/rank": "1"}}}`,
		`{"metadata": {"labels": {}}}`,
		`{"metadata": {"labels": {"example.com/rank": "7"}}}`,
	} {
		if err := policy.NodeChanged(uint32(index), node); err != nil {
			t.Fatal(err)
		}
	}
	verdict, err := policy.Filter("{}", scheduler.NodeSet{0b111})
	if err != nil || !slices.Equal(verdict.Rejections[0].Nodes, []uint64{0b010}) {
		t.Fatal(verdict, err)
	}
	scores, err := policy.Score("{}", scheduler.NodeSet{0b101})
	if err != nil || !slices.Equal(scores, []uint32{1, 7}) {
		t.Fatal(scores, err)
	}
}
