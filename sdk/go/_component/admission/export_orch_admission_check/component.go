// Package export_orch_admission_check is the component's side of `orch:admission/check`.
package export_orch_admission_check

import (
	"encoding/json"
	"errors"

	"go.bytecodealliance.org/pkg/wit/types"
	"orch.dev/sdk/admission"
	. "wit_component/orch_admission_check"
)

type answer = types.Result[types.Unit, string]

func of(err error) answer {
	if err != nil {
		return types.Err[types.Unit, string](err.Error())
	}
	return types.Ok[types.Unit, string](types.Unit{})
}

func Describe() Description {
	from := admission.Exported().Describe()
	to := Description{Mutates: from.Mutates}
	for _, rule := range from.Rules {
		operations := make([]Operation, 0, len(rule.Operations))
		for _, operation := range rule.Operations {
			operations = append(operations, Operation(operation))
		}
		to.Rules = append(to.Rules, Rule{operations, rule.APIGroups, rule.Resources})
	}
	for _, interest := range from.Interests {
		to.Interests = append(to.Interests, Interest{interest.APIVersion, interest.Kind, interest.Fields})
	}
	return to
}

func Configure(config string) answer { return of(admission.Exported().Configure(config)) }

func Sync(deltas []Delta) answer {
	for _, delta := range deltas {
		var err error
		switch delta.Tag() {
		case Delta_Upsert:
			err = admission.Exported().Changed(delta.Upsert())
		case Delta_Remove:
			err = admission.Exported().Gone(delta.Remove())
		}
		if err != nil {
			return of(err)
		}
	}
	return of(nil)
}

func Review(text string) types.Result[Admitted, Denial] {
	var request admission.Request
	if err := json.Unmarshal([]byte(text), &request); err != nil {
		return denied(err)
	}
	admitted, err := admission.Exported().Review(request)
	if err != nil {
		return denied(err)
	}
	return types.Ok[Admitted, Denial](Admitted{admitted.Patch, admitted.Warnings})
}

func denied(err error) types.Result[Admitted, Denial] {
	var denial *admission.Denial
	if !errors.As(err, &denial) {
		denial = &admission.Denial{Code: 500, Reason: "InternalError", Message: err.Error()}
	}
	return types.Err[Admitted, Denial](Denial{denial.Code, denial.Reason, denial.Message})
}
