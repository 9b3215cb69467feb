// Package csi is for storage drivers: volumes made, shown to pods, grown, kept and taken away, with the
// directories that the host hands over and nothing else. What each call promises is told in wit/csi.
package csi

import "orch.dev/sdk/internal/exported"

// Driver makes and shows volumes. Embed Base for the calls that the description's capabilities do not
// name. Each call may come again after it succeeded, failed or was cut off, and then does what is left
// to do. Nothing may be remembered between calls but in a volume's directory. Errors that are no *Error
// are told as Internal.
type Driver interface {
	Describe() Description
	// Configure takes spec.config as JSON; an error refuses the plugin and names the field.
	Configure(config string) error
	// Probe says whether the driver is ready to be used.
	Probe() (bool, error)

	// CreateVolume makes a volume in its own directory; source is that of the volume or snapshot to
	// copy, or nil. The name of a volume made before gives the same volume, or AlreadyExists.
	CreateVolume(request NewVolume, volume, source Directory) (Volume, error)
	// DeleteVolume takes a volume away; none there is success.
	DeleteVolume(id string, secrets Attributes, volume Directory) error
	// ValidateCapabilities says why a volume made by hand cannot be used so; nothing: it can.
	ValidateCapabilities(id string, capabilities []Capability, context Attributes) (string, error)
	// ControllerPublish attaches a volume to a node; the answer goes to Stage and Publish there.
	ControllerPublish(request Publication) (Attributes, error)
	// ControllerUnpublish detaches it from a node, or from all where node is empty.
	ControllerUnpublish(id, node string, secrets Attributes) error
	// Capacity is the room for more volumes; accessible nil: reachable from anywhere.
	Capacity(parameters, accessible Attributes, pool Directory) (Room, error)
	ControllerExpand(id string, size Range, secrets Attributes, volume Directory) (Expansion, error)
	CreateSnapshot(request NewSnapshot, volume, snapshot Directory) (Snapshot, error)
	DeleteSnapshot(id string, secrets Attributes, snapshot Directory) error

	// Info is what the driver says of the node it runs on.
	Info(node string, labels Attributes) (NodeInfo, error)
	// Stage makes a volume ready on the node, once for all its pods.
	Stage(request VolumeUse, volume, staging Directory) error
	Unstage(id string, staging Directory) error
	// Publish shows a volume to a pod, at target.
	Publish(request VolumeUse, pod Pod, readOnly bool, at Places, target Directory) error
	Unpublish(id string, target Directory) error
	VolumeStats(id string, target Directory) (Health, error)
	// NodeExpand lets the node see that the volume grew; what it has now, in bytes.
	NodeExpand(id string, size Range, target Directory) (uint64, error)
}

// Directory is one that the host handed over. Paths are relative, without `.` and `..`; the empty one is
// the directory itself. Errors are *Error.
type Directory interface {
	MakeDirectory(path string) error
	// Remove is no error when it is gone; the empty path empties the directory.
	Remove(path string) error
	Entries(path string) ([]Entry, error)
	// Read gives up to 64 KiB.
	Read(path string) ([]byte, error)
	// Write is whole and durable, or not at all; up to 64 KiB.
	Write(path string, contents []byte) error
	Copy(path string, target Directory, targetPath string) error
	Usage(path string) (Usage, error)
	// BindMount shows a directory of this one at the target's own place.
	BindMount(path string, target Directory, readOnly bool) error
	// Unmount takes away what is mounted at its own place.
	Unmount() error
	IsMounted() (bool, error)
}

// Attributes are names and values.
type Attributes map[string]string

// Code is one of CSI's (gRPC's).
type Code uint8

const (
	Cancelled Code = iota
	DeadlineExceeded
	Unavailable
	Aborted
	ResourceExhausted
	NotFound
	AlreadyExists
	InvalidArgument
	OutOfRange
	FailedPrecondition
	PermissionDenied
	Unauthenticated
	Unimplemented
	Internal
	Unknown
)

// Error is what went wrong, with its code.
type Error struct {
	Code    Code
	Message string
}

func (e *Error) Error() string { return e.Message }

// Capabilities are the calls that the host may make.
type Capabilities uint16

const (
	CreateDelete Capabilities = 1 << iota
	ControllerPublish
	Clone
	Snapshots
	HasCapacity
	ControllerExpand
	Stage
	Publish
	VolumeStats
	NodeExpand
)

type Description struct {
	// Name is a domain, as in spec.csi.driver of a PersistentVolume.
	Name, Version string
	Capabilities  Capabilities
	TopologyKeys  []string
}

// AccessMode is who may use a volume at a time.
type AccessMode uint8

const (
	SingleNodeWriter AccessMode = iota
	SingleNodeSingleWriter
	SingleNodeMultiWriter
	SingleNodeReaderOnly
	MultiNodeReaderOnly
	MultiNodeSingleWriter
	MultiNodeMultiWriter
)

// Capability is how a volume is used: as a raw device, or mounted as the other fields say.
type Capability struct {
	AccessMode AccessMode
	Block      bool
	FSType     string
	MountFlags []string
	Group      string
}

// Range is in bytes; 0: no matter.
type Range struct{ RequiredBytes, LimitBytes uint64 }

// Source is a snapshot, or else a volume, by its id; none when both are empty.
type Source struct{ Snapshot, Volume string }

type NewVolume struct {
	Name                string
	Size                Range
	Capabilities        []Capability
	Parameters, Secrets Attributes
	Source              Source
	// Requisite and Preferred are topologies: labels of nodes.
	Requisite, Preferred []Attributes
}

type Volume struct {
	ID            string
	CapacityBytes uint64
	Context       Attributes
	Accessible    []Attributes
}

type Publication struct {
	VolumeID, NodeID       string
	Capability             Capability
	ReadOnly               bool
	VolumeContext, Secrets Attributes
}

type Room struct{ AvailableBytes, LargestBytes uint64 }

type Expansion struct {
	CapacityBytes         uint64
	NodeExpansionRequired bool
}

type NewSnapshot struct {
	Name, SourceVolumeID string
	Parameters, Secrets  Attributes
	// NowMs is the time, in milliseconds since 1970.
	NowMs uint64
}

type Snapshot struct {
	ID, SourceVolumeID   string
	SizeBytes, CreatedMs uint64
	Ready                bool
}

type NodeInfo struct {
	NodeID string
	// MaxVolumes 0: the driver does not say.
	MaxVolumes uint32
	// Accessible nil: no matter.
	Accessible Attributes
}

type VolumeUse struct {
	VolumeID                               string
	Capability                             Capability
	VolumeContext, PublishContext, Secrets Attributes
}

type Pod struct{ Namespace, Name, UID, ServiceAccount string }

// Places are where a volume is on the node; Staging is nil for drivers that do not stage.
type Places struct{ Volume, Staging Directory }

type Entry struct {
	Name        string
	IsDirectory bool
	SizeBytes   uint64
}

type Usage struct {
	UsedBytes, AvailableBytes, TotalBytes    uint64
	UsedInodes, AvailableInodes, TotalInodes uint64
}

type Health struct {
	Usage Usage
	// Abnormal is why the volume is not well; empty: it is.
	Abnormal string
}

// Base does none of it.
type Base struct{}

func undone(call string) error { return &Error{Unimplemented, "the driver has no " + call} }

func (Base) Configure(string) error { return nil }
func (Base) Probe() (bool, error)   { return true, nil }
func (Base) CreateVolume(NewVolume, Directory, Directory) (Volume, error) {
	return Volume{}, undone("create-volume")
}
func (Base) DeleteVolume(string, Attributes, Directory) error { return undone("delete-volume") }
func (Base) ValidateCapabilities(string, []Capability, Attributes) (string, error) {
	return "", undone("validate-capabilities")
}
func (Base) ControllerPublish(Publication) (Attributes, error) {
	return nil, undone("controller-publish")
}
func (Base) ControllerUnpublish(string, string, Attributes) error {
	return undone("controller-unpublish")
}
func (Base) Capacity(Attributes, Attributes, Directory) (Room, error) {
	return Room{}, undone("capacity")
}
func (Base) ControllerExpand(string, Range, Attributes, Directory) (Expansion, error) {
	return Expansion{}, undone("controller-expand")
}
func (Base) CreateSnapshot(NewSnapshot, Directory, Directory) (Snapshot, error) {
	return Snapshot{}, undone("create-snapshot")
}
func (Base) DeleteSnapshot(string, Attributes, Directory) error { return undone("delete-snapshot") }

// Info tells the node's name, as many volumes as come, and no place.
func (Base) Info(node string, _ Attributes) (NodeInfo, error) { return NodeInfo{NodeID: node}, nil }
func (Base) Stage(VolumeUse, Directory, Directory) error      { return undone("stage") }
func (Base) Unstage(string, Directory) error                  { return undone("unstage") }
func (Base) Publish(VolumeUse, Pod, bool, Places, Directory) error {
	return undone("publish")
}
func (Base) Unpublish(string, Directory) error { return undone("unpublish") }
func (Base) VolumeStats(string, Directory) (Health, error) {
	return Health{}, undone("volume-stats")
}
func (Base) NodeExpand(string, Range, Directory) (uint64, error) { return 0, undone("node-expand") }

var slot = exported.Slot[Driver]{World: "csi", Word: "driver"}

// Export makes this driver the plugin. Call it from init.
func Export(driver Driver) { slot.Set(driver) }

// Exported is what the component calls.
func Exported() Driver { return slot.Get() }
