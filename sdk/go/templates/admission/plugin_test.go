package plugin

import (
	"encoding/json"
	"errors"
	"testing"

	"orch.dev/sdk/admission"
)

func review(object string) error {
	request := admission.Request{Operation: "CREATE", Object: json.RawMessage(object)}
	_, err := {{Pascal}}{}.Review(request)
	return err
}

func TestNamespacesNeedAnOwner(t *testing.T) {
	if err := review(`{"metadata": {"labels": {"example.com/owner": "me"}}}`); err != nil {
		t.Fatal(err)
	}
	var denial *admission.Denial
	if err := review(`{"metadata": {}}`); !errors.As(err, &denial) || denial.Code != 403 {
		t.Fatal(err)
	}
}
