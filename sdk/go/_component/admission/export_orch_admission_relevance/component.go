// Package export_orch_admission_relevance is the component's side of `orch:admission/relevance`.
package export_orch_admission_relevance

import (
	"orch.dev/sdk/admission"
	. "wit_component/orch_admission_relevance"
)

func Conditions() []Condition {
	relevant, ok := admission.Exported().(admission.Relevance)
	if !ok {
		return nil
	}
	var conditions []Condition
	for _, condition := range relevant.Conditions() {
		conditions = append(conditions, Condition(condition))
	}
	return conditions
}
