// Package export_orch_admission_view is the component's side of `orch:admission/view`.
package export_orch_admission_view

import (
	"orch.dev/sdk/admission"
	. "wit_component/orch_admission_view"
)

func Reads() []Reading {
	view, ok := admission.Exported().(admission.View)
	if !ok {
		return nil
	}
	var readings []Reading
	for _, reading := range view.Reads() {
		readings = append(readings, Reading(reading))
	}
	return readings
}
