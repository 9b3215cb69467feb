package plugin

import (
	"testing"

	"orch.dev/sdk/csi"
)

// A directory that remembers what is made in it and shown at its place.
type fake struct {
	csi.Directory
	made  string
	shown string
}

func (f *fake) MakeDirectory(path string) error { f.made = path; return nil }
func (f *fake) Remove(string) error             { f.made = ""; return nil }
func (f *fake) Unmount() error                  { f.shown = ""; return nil }
func (f *fake) BindMount(path string, target csi.Directory, _ bool) error {
	target.(*fake).shown = f.made
	return nil
}

func TestVolumesAreShownAndHiddenAndTakenAway(t *testing.T) {
	driver, volume, target := {{Pascal}}{}, &fake{}, &fake{}
	made, err := driver.CreateVolume(csi.NewVolume{Name: "v", Size: csi.Range{RequiredBytes: 7}}, volume, nil)
	if err != nil || made.ID != "v" || made.CapacityBytes != 7 {
		t.Fatal(made, err)
	}
	if err := driver.Publish(csi.VolumeUse{}, csi.Pod{}, true, csi.Places{Volume: volume}, target); err != nil || target.shown != "data" {
		t.Fatal(target, err)
	}
	if err := driver.Unpublish("v", target); err != nil || target.shown != "" {
		t.Fatal(target, err)
	}
	if err := driver.DeleteVolume("v", nil, volume); err != nil || volume.made != "" {
		t.Fatal(volume, err)
	}
}
