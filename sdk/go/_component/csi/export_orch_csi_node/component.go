// Package export_orch_csi_node is the component's side of `orch:csi/node`. What is borrowed is given back
// at the end of the call.
package export_orch_csi_node

import (
	"go.bytecodealliance.org/pkg/wit/types"
	"orch.dev/sdk/csi"
	"wit_component/lent"
	. "wit_component/orch_csi_node"
)

type pairs = []types.Tuple2[string, string]
type answer = types.Result[types.Unit, Error]

func use(from VolumeUse) csi.VolumeUse {
	return csi.VolumeUse{
		VolumeID:       from.VolumeId,
		Capability:     lent.Capability(from.Capability),
		VolumeContext:  lent.Attributes(from.VolumeContext),
		PublishContext: lent.Attributes(from.PublishContext),
		Secrets:        lent.Attributes(from.Secrets),
	}
}

func Info(node string, labels pairs) types.Result[NodeInfo, Error] {
	found, err := csi.Exported().Info(node, lent.Attributes(labels))
	info := NodeInfo{NodeId: found.NodeID, MaxVolumes: found.MaxVolumes, Accessible: types.None[pairs]()}
	if found.Accessible != nil {
		info.Accessible = types.Some(lent.Pairs(found.Accessible))
	}
	return lent.Answer(info, err)
}

func Stage(request VolumeUse, volume, staging *Directory) answer {
	defer volume.Drop()
	defer staging.Drop()
	return lent.Done(csi.Exported().Stage(use(request), lent.Directory{Host: volume}, lent.Directory{Host: staging}))
}

func Unstage(id string, staging *Directory) answer {
	defer staging.Drop()
	return lent.Done(csi.Exported().Unstage(id, lent.Directory{Host: staging}))
}

func Publish(
	request VolumeUse, pod Pod, readOnly bool, volume *Directory, staging types.Option[*Directory], target *Directory,
) answer {
	defer volume.Drop()
	defer lent.Back(staging)
	defer target.Drop()
	to := csi.Pod{Namespace: pod.Namespace, Name: pod.Name, UID: pod.Uid, ServiceAccount: pod.ServiceAccount}
	at := csi.Places{Volume: lent.Directory{Host: volume}, Staging: lent.Maybe(staging)}
	return lent.Done(csi.Exported().Publish(use(request), to, readOnly, at, lent.Directory{Host: target}))
}

func Unpublish(id string, target *Directory) answer {
	defer target.Drop()
	return lent.Done(csi.Exported().Unpublish(id, lent.Directory{Host: target}))
}

func VolumeStats(id string, target *Directory) types.Result[Health, Error] {
	defer target.Drop()
	found, err := csi.Exported().VolumeStats(id, lent.Directory{Host: target})
	health := Health{Usage: lent.Usage(found.Usage), Abnormal: types.None[string]()}
	if found.Abnormal != "" {
		health.Abnormal = types.Some(found.Abnormal)
	}
	return lent.Answer(health, err)
}

func NodeExpand(id string, size CapacityRange, target *Directory) types.Result[uint64, Error] {
	defer target.Drop()
	return lent.Answer(csi.Exported().NodeExpand(id, lent.Range(size), lent.Directory{Host: target}))
}
