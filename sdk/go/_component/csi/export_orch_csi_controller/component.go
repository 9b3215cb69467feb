// Package export_orch_csi_controller is the component's side of `orch:csi/controller`. What is borrowed
// is given back at the end of the call.
package export_orch_csi_controller

import (
	"go.bytecodealliance.org/pkg/wit/types"
	"orch.dev/sdk/csi"
	"wit_component/lent"
	. "wit_component/orch_csi_controller"
	wit "wit_component/orch_csi_types"
)

type pairs = []types.Tuple2[string, string]

func places(from []pairs) []csi.Attributes {
	to := make([]csi.Attributes, 0, len(from))
	for _, place := range from {
		to = append(to, lent.Attributes(place))
	}
	return to
}

func capabilities(from []wit.VolumeCapability) []csi.Capability {
	to := make([]csi.Capability, 0, len(from))
	for _, capability := range from {
		to = append(to, lent.Capability(capability))
	}
	return to
}

func source(from types.Option[wit.ContentSource]) csi.Source {
	if from.IsNone() {
		return csi.Source{}
	}
	if some := from.Some(); some.Tag() == wit.ContentSource_Snapshot {
		return csi.Source{Snapshot: some.Snapshot()}
	}
	return csi.Source{Volume: from.Some().Volume()}
}

func CreateVolume(request NewVolume, directory *Directory, from types.Option[*Directory]) types.Result[Volume, Error] {
	defer directory.Drop()
	defer lent.Back(from)
	made, err := csi.Exported().CreateVolume(csi.NewVolume{
		Name:         request.Name,
		Size:         lent.Range(request.Capacity),
		Capabilities: capabilities(request.Capabilities),
		Parameters:   lent.Attributes(request.Parameters),
		Secrets:      lent.Attributes(request.Secrets),
		Source:       source(request.Source),
		Requisite:    places(request.Accessibility.Requisite),
		Preferred:    places(request.Accessibility.Preferred),
	}, lent.Directory{Host: directory}, lent.Maybe(from))
	accessible := make([]pairs, 0, len(made.Accessible))
	for _, place := range made.Accessible {
		accessible = append(accessible, lent.Pairs(place))
	}
	return lent.Answer(Volume{
		VolumeId: made.ID, CapacityBytes: made.CapacityBytes,
		Context: lent.Pairs(made.Context), Accessible: accessible,
	}, err)
}

func DeleteVolume(id string, secrets pairs, directory *Directory) types.Result[types.Unit, Error] {
	defer directory.Drop()
	return lent.Done(csi.Exported().DeleteVolume(id, lent.Attributes(secrets), lent.Directory{Host: directory}))
}

func ValidateCapabilities(id string, wanted []VolumeCapability, context pairs) types.Result[types.Option[string], Error] {
	why, err := csi.Exported().ValidateCapabilities(id, capabilities(wanted), lent.Attributes(context))
	if why == "" {
		return lent.Answer(types.None[string](), err)
	}
	return lent.Answer(types.Some(why), err)
}

func ControllerPublish(request Publication) types.Result[pairs, Error] {
	answer, err := csi.Exported().ControllerPublish(csi.Publication{
		VolumeID:      request.VolumeId,
		NodeID:        request.NodeId,
		Capability:    lent.Capability(request.Capability),
		ReadOnly:      request.ReadOnly,
		VolumeContext: lent.Attributes(request.VolumeContext),
		Secrets:       lent.Attributes(request.Secrets),
	})
	return lent.Answer(lent.Pairs(answer), err)
}

func ControllerUnpublish(id string, node types.Option[string], secrets pairs) types.Result[types.Unit, Error] {
	return lent.Done(csi.Exported().ControllerUnpublish(id, node.SomeOr(""), lent.Attributes(secrets)))
}

func Capacity(parameters pairs, accessible types.Option[pairs], pool *Directory) types.Result[Room, Error] {
	defer pool.Drop()
	var from csi.Attributes
	if accessible.IsSome() {
		from = lent.Attributes(accessible.Some())
	}
	room, err := csi.Exported().Capacity(lent.Attributes(parameters), from, lent.Directory{Host: pool})
	return lent.Answer(Room(room), err)
}

func ControllerExpand(id string, size CapacityRange, secrets pairs, directory *Directory) types.Result[Expansion, Error] {
	defer directory.Drop()
	expansion, err := csi.Exported().ControllerExpand(
		id, lent.Range(size), lent.Attributes(secrets), lent.Directory{Host: directory},
	)
	return lent.Answer(Expansion(expansion), err)
}

func CreateSnapshot(request NewSnapshot, volume, snapshot *Directory) types.Result[Snapshot, Error] {
	defer volume.Drop()
	defer snapshot.Drop()
	made, err := csi.Exported().CreateSnapshot(csi.NewSnapshot{
		Name:           request.Name,
		SourceVolumeID: request.SourceVolumeId,
		Parameters:     lent.Attributes(request.Parameters),
		Secrets:        lent.Attributes(request.Secrets),
		NowMs:          request.NowMs,
	}, lent.Directory{Host: volume}, lent.Directory{Host: snapshot})
	return lent.Answer(Snapshot{
		SnapshotId: made.ID, SourceVolumeId: made.SourceVolumeID,
		SizeBytes: made.SizeBytes, CreatedMs: made.CreatedMs, Ready: made.Ready,
	}, err)
}

func DeleteSnapshot(id string, secrets pairs, snapshot *Directory) types.Result[types.Unit, Error] {
	defer snapshot.Drop()
	return lent.Done(csi.Exported().DeleteSnapshot(id, lent.Attributes(secrets), lent.Directory{Host: snapshot}))
}
