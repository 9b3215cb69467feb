// Package scheduler is for scheduling policies: filters and scores over resident nodes, and the other
// extension points for policies that have their functions too.
package scheduler

import (
	"math/bits"

	"orch.dev/sdk/internal/exported"
	"orch.dev/sdk/objects"
)

// Policy is a scheduling policy. Embed Base for the functions that are not needed.
type Policy interface {
	Describe() Description
	// Configure takes spec.config as JSON; an error refuses the plugin and names the field.
	Configure(config string) error
	// NodeChanged brings a node, new or changed, cut down to the interests.
	NodeChanged(index uint32, node string) error
	NodeGone(index uint32)
	// PodChanged brings a pod that is assigned to the node at this index.
	PodChanged(uid string, node uint32, pod string) error
	PodGone(uid string)
	// ObjectChanged brings an object of any other kind.
	ObjectChanged(object string) error
	ObjectGone(identity string)
	// Filter rules out nodes of the set.
	Filter(pod string, nodes NodeSet) (Verdict, error)
	// Score gives one number for each node of the set, in ascending order.
	Score(pod string, nodes NodeSet) ([]uint32, error)
}

// Base does nothing and rejects nothing.
type Base struct{}

func (Base) Configure(string) error                      { return nil }
func (Base) NodeChanged(uint32, string) error            { return nil }
func (Base) NodeGone(uint32)                             {}
func (Base) PodChanged(string, uint32, string) error     { return nil }
func (Base) PodGone(string)                              {}
func (Base) ObjectChanged(string) error                  { return nil }
func (Base) ObjectGone(string)                           {}
func (Base) Filter(string, NodeSet) (Verdict, error)     { return Verdict{}, nil }
func (Base) Score(_ string, n NodeSet) ([]uint32, error) { return make([]uint32, n.Count()), nil }

// Queue is a Policy that orders the pods that wait. It and the interfaces below need
// `witWorld: scheduler-full` in orch-plugin.yaml.
type Queue interface {
	// Rank: higher goes first; among equals the one that waits longer.
	Rank(pod string) (int64, error)
}

// Preemption is a Policy that makes room for pods that fit nowhere.
type Preemption interface {
	// Propose says who may go; the host finds out what fits without them. `nodes`: those that no
	// plugin called unresolvable.
	Propose(pod string, nodes NodeSet) (Plan, error)
	// Choose picks one of the candidates by its position; a negative one: nobody is evicted.
	Choose(pod string, candidates []Eviction) (int, error)
}

// Reserve is a Policy that holds what a pod will use on the node that was chosen.
type Reserve interface {
	// Reserve sends the pod back to the queue by an error.
	Reserve(pod string, node uint32) error
	// Unreserve: the pod will not be bound after all. Also called for what was never reserved.
	Unreserve(pod string, node uint32) error
}

// Permit is a Policy that lets a pod go to its node, makes it wait, or sends it back.
type Permit interface {
	Permit(pod string, node uint32) (Permission, error)
}

// PreBind is a Policy that says what must be so before the pod is bound.
type PreBind interface {
	PreBind(pod string, node uint32) (Advice, error)
}

// Eviction is pods, by uid, that may have to leave a node, those to be spared first coming first.
type Eviction struct {
	Node    uint32
	Victims []string
}

// Plan is what a preemption proposes: NotEligible, when set, is why the pod may not preempt.
type Plan struct {
	Proposals   []Eviction
	NotEligible string
}

// Permission allows, unless the pod waits (at most so many milliseconds) or is rejected (why).
type Permission struct {
	Wait     uint32
	Rejected string
}

// PatchType is the kind of a Patch.
type PatchType uint8

const (
	JSONPatch PatchType = iota
	MergePatch
	StrategicPatch
	Apply
)

// Patch is a write that the host makes, as far as spec.permissions allow it.
type Patch struct {
	APIVersion, Kind, Namespace, Name string
	// Subresource is `status`, or empty.
	Subresource string
	Type        PatchType
	Body        string
}

// Advice is what must be so before the pod is bound. Wait: it is not yet, and the pod waits for so many
// milliseconds at most; asked again whenever something changed that the policy reads.
type Advice struct {
	Patches []Patch
	Wait    uint32
}

// Scope is what the answer for one node depends on.
type Scope uint8

const (
	// Node: the pod, the node and the pods on it.
	Node Scope = iota
	// Cluster: also other nodes, pods elsewhere or other objects.
	Cluster
)

// Normalization is what becomes of raw scores.
type Normalization uint8

const (
	// None: they are 0 to 100 already.
	None Normalization = iota
	// Highest becomes 100, the others in proportion.
	Highest
	// HighestReversed: as Highest, then subtracted from 100.
	HighestReversed
)

// Description says what a policy reads and where it takes part.
type Description struct {
	Filters, Scores         bool
	FilterScope, ScoreScope Scope
	Normalization           Normalization
	// Pod is what is read of the pod to be placed; nothing but its namespace when empty.
	Pod       []string
	Interests []objects.Interest
	// Weight counts as 1 when 0.
	Weight uint32
	Order  int32
}

// Verdict is what a filter says: Pod, when set, is why the pod can go nowhere.
type Verdict struct {
	Rejections []Rejection
	Pod        string
}

// Rejection is one reason and the nodes it rules out.
type Rejection struct {
	// Reason as a user reads it after a count: `Insufficient cpu`.
	Reason string
	Nodes  NodeSet
	// Unresolvable: evicting pods could not help.
	Unresolvable bool
}

// NodeSet is a set of node indexes: bit i of word i/64.
type NodeSet []uint64

func (s NodeSet) Has(index uint32) bool {
	word := int(index / 64)
	return word < len(s) && s[word]>>(index%64)&1 == 1
}

// Add needs a pointer: the set may grow.
func (s *NodeSet) Add(index uint32) {
	for int(index/64) >= len(*s) {
		*s = append(*s, 0)
	}
	(*s)[index/64] |= 1 << (index % 64)
}

func (s NodeSet) Count() int {
	count := 0
	for _, word := range s {
		count += bits.OnesCount64(word)
	}
	return count
}

// Each calls f with every index, in ascending order; it can be ranged over.
func (s NodeSet) Each(f func(uint32) bool) {
	for position, word := range s {
		for ; word != 0; word &= word - 1 {
			if !f(uint32(position*64 + bits.TrailingZeros64(word))) {
				return
			}
		}
	}
}

var slot = exported.Slot[Policy]{World: "scheduler", Word: "policy"}

// Export makes this policy the plugin. Call it from init.
func Export(policy Policy) { slot.Set(policy) }

// Exported is what the component calls.
func Exported() Policy { return slot.Get() }
