// Package plugin is for volumes that are directories of the node.
package plugin

import "orch.dev/sdk/csi"

type {{Pascal}} struct{ csi.Base }

func init() { csi.Export({{Pascal}}{}) }

func ({{Pascal}}) Describe() csi.Description {
	return csi.Description{
		Name:         "{{name}}.example.com",
		Version:      "0.1.0",
		Capabilities: csi.CreateDelete | csi.Publish,
	}
}

func ({{Pascal}}) CreateVolume(request csi.NewVolume, volume, _ csi.Directory) (csi.Volume, error) {
	if err := volume.MakeDirectory("data"); err != nil {
		return csi.Volume{}, err
	}
	return csi.Volume{ID: request.Name, CapacityBytes: request.Size.RequiredBytes}, nil
}

func ({{Pascal}}) DeleteVolume(_ string, _ csi.Attributes, volume csi.Directory) error {
	return volume.Remove("")
}

func ({{Pascal}}) Publish(_ csi.VolumeUse, _ csi.Pod, readOnly bool, at csi.Places, target csi.Directory) error {
	return at.Volume.BindMount("data", target, readOnly)
}

func ({{Pascal}}) Unpublish(_ string, target csi.Directory) error { return target.Unmount() }
