package clients

import (
	"testing"

	openapi "github.com/google/gnostic-models/openapiv2"
	"k8s.io/kube-openapi/pkg/util/proto"
)

// checkModels reads the document as kubectl's client-side validation does.
func checkModels(t *testing.T, document *openapi.Document) {
	t.Helper()
	models, err := proto.NewOpenAPIData(document)
	must(t, err)
	deployment, ok := models.LookupModel("io.k8s.api.apps.v1.Deployment").(*proto.Kind)
	if !ok || deployment.Fields["spec"] == nil {
		t.Fatal("no model of a Deployment's spec")
	}
	marks, ok := deployment.GetExtensions()["x-kubernetes-group-version-kind"].([]any)
	if !ok || len(marks) != 1 {
		t.Fatalf("whose kind it is: %v", deployment.GetExtensions())
	}
}
