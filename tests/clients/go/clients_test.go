// Package clients drives a host with the Go clients people use, unmodified. KUBECONFIG names the host.
package clients

import (
	"context"
	"errors"
	"flag"
	"os"
	"strings"
	"testing"
	"time"

	core "k8s.io/api/core/v1"
	apiextensions "k8s.io/apiextensions-apiserver/pkg/client/clientset/clientset"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	coreapply "k8s.io/client-go/applyconfigurations/core/v1"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

const (
	image    = "example.orch.dev/hello:1"
	patience = 60 * time.Second
)

// Once per run, so that a second run against the same host starts with names of its own.
var suffix = strings.ToLower(time.Now().Format("150405"))

func TestMain(m *testing.M) {
	flag.Parse()
	if os.Getenv("KUBECONFIG") == "" {
		println("KUBECONFIG names no host")
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func config(t *testing.T, contentType string) *rest.Config {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	must(t, err)
	config.ContentType = contentType
	config.QPS, config.Burst = 200, 400
	if contentType == runtime.ContentTypeProtobuf {
		config.AcceptContentTypes = runtime.ContentTypeProtobuf
	}
	return config
}

func typed(t *testing.T) kubernetes.Interface {
	t.Helper()
	client, err := kubernetes.NewForConfig(config(t, runtime.ContentTypeProtobuf))
	must(t, err)
	return client
}

func definitions(t *testing.T) apiextensions.Interface {
	t.Helper()
	client, err := apiextensions.NewForConfig(config(t, runtime.ContentTypeProtobuf))
	must(t, err)
	return client
}

func untyped(t *testing.T) dynamic.Interface {
	t.Helper()
	client, err := dynamic.NewForConfig(config(t, runtime.ContentTypeJSON))
	must(t, err)
	return client
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// eventually asks until there is no error; its last one fails the test.
func eventually(t *testing.T, what string, ask func(context.Context) error) {
	t.Helper()
	last := errors.New("never asked")
	err := wait.PollUntilContextTimeout(t.Context(), 50*time.Millisecond, patience, true,
		func(ctx context.Context) (bool, error) {
			last = ask(ctx)
			return last == nil, nil
		})
	if err != nil {
		t.Fatalf("%s: %v", what, last)
	}
}

func namespace(t *testing.T, name string) string {
	t.Helper()
	name += "-" + suffix
	client := typed(t)
	_, err := client.CoreV1().Namespaces().Create(t.Context(),
		&core.Namespace{ObjectMeta: meta.ObjectMeta{Name: name}}, meta.CreateOptions{})
	must(t, err)
	t.Cleanup(func() {
		_ = client.CoreV1().Namespaces().Delete(context.Background(), name, meta.DeleteOptions{})
	})
	eventually(t, "the namespace's service account", func(ctx context.Context) error {
		_, err := client.CoreV1().ServiceAccounts(name).Get(ctx, "default", meta.GetOptions{})
		return err
	})
	return name
}

// Every verb, with bodies and answers in protobuf alone.
func TestVerbs(t *testing.T) {
	maps := typed(t).CoreV1().ConfigMaps(namespace(t, "verbs"))
	ctx := t.Context()
	created, err := maps.Create(ctx, &core.ConfigMap{
		ObjectMeta: meta.ObjectMeta{GenerateName: "map-", Labels: map[string]string{"app": "a"}},
		Data:       map[string]string{"key": "1", "empty": ""},
		BinaryData: map[string][]byte{"bytes": {0, 255, 7}},
	}, meta.CreateOptions{})
	must(t, err)
	if created.UID == "" || created.BinaryData["bytes"][1] != 255 || created.CreationTimestamp.IsZero() {
		t.Fatalf("created %+v", created)
	}
	if value, there := created.Data["empty"]; value != "" || !there {
		t.Fatalf("an empty value is lost: %v", created.Data)
	}
	created.Data["key"] = "2"
	updated, err := maps.Update(ctx, created, meta.UpdateOptions{})
	must(t, err)
	patches := map[types.PatchType]string{
		types.StrategicMergePatchType: `{"data":{"strategic":"1"}}`,
		types.MergePatchType:          `{"data":{"merge":"1"}}`,
		types.JSONPatchType:           `[{"op":"add","path":"/data/json","value":"1"}]`,
	}
	for kind, patch := range patches {
		_, err := maps.Patch(ctx, created.Name, kind, []byte(patch), meta.PatchOptions{})
		must(t, err)
	}
	applied, err := maps.Apply(ctx, coreapply.ConfigMap(created.Name, created.Namespace).
		WithData(map[string]string{"applied": "1"}), meta.ApplyOptions{FieldManager: "test"})
	must(t, err)
	if len(applied.Data) != 6 || applied.ResourceVersion == updated.ResourceVersion {
		t.Fatalf("applied %v", applied.Data)
	}
	managers := map[string]bool{}
	for _, entry := range applied.ManagedFields {
		managers[entry.Manager] = entry.FieldsV1 != nil
	}
	if !managers["test"] {
		t.Fatalf("managers %v", managers)
	}
	listed, err := maps.List(ctx, meta.ListOptions{LabelSelector: "app=a", Limit: 10})
	must(t, err)
	if len(listed.Items) != 1 || listed.ResourceVersion == "" || listed.Items[0].Data["json"] != "1" {
		t.Fatalf("listed %+v", listed)
	}
	must(t, maps.Delete(ctx, created.Name, meta.DeleteOptions{
		Preconditions: meta.NewUIDPreconditions(string(created.UID)),
	}))
	must(t, maps.DeleteCollection(ctx, meta.DeleteOptions{}, meta.ListOptions{}))
}

// Failures are the errors that Go programs test for.
func TestErrors(t *testing.T) {
	maps := typed(t).CoreV1().ConfigMaps(namespace(t, "errors"))
	ctx := t.Context()
	one := &core.ConfigMap{ObjectMeta: meta.ObjectMeta{Name: "one"}}
	created, err := maps.Create(ctx, one, meta.CreateOptions{})
	must(t, err)
	_, err = maps.Create(ctx, one, meta.CreateOptions{})
	expect(t, "AlreadyExists", apierrors.IsAlreadyExists, err)
	_, err = maps.Get(ctx, "none", meta.GetOptions{})
	expect(t, "NotFound", apierrors.IsNotFound, err)
	stale := created.DeepCopy()
	created.Data = map[string]string{"a": "b"}
	_, err = maps.Update(ctx, created, meta.UpdateOptions{})
	must(t, err)
	stale.Data = map[string]string{"a": "c"}
	_, err = maps.Update(ctx, stale, meta.UpdateOptions{})
	expect(t, "Conflict", apierrors.IsConflict, err)
	_, err = maps.Create(ctx, &core.ConfigMap{ObjectMeta: meta.ObjectMeta{Name: "Not Valid"}}, meta.CreateOptions{})
	expect(t, "Invalid", apierrors.IsInvalid, err)
	_, err = maps.Watch(ctx, meta.ListOptions{ResourceVersion: "no number"})
	expect(t, "BadRequest", apierrors.IsBadRequest, err)
	_, err = maps.List(ctx, meta.ListOptions{Continue: "forged"})
	expect(t, "BadRequest", apierrors.IsBadRequest, err)
	err = maps.Delete(ctx, "one", meta.DeleteOptions{Preconditions: meta.NewUIDPreconditions("another")})
	expect(t, "Conflict", apierrors.IsConflict, err)

	status := apierrors.APIStatus(nil)
	_, err = maps.Get(ctx, "none", meta.GetOptions{})
	if !errors.As(err, &status) || status.Status().Details.Kind != "configmaps" || status.Status().Code != 404 {
		t.Fatalf("status %+v", status)
	}
}

func expect(t *testing.T, what string, is func(error) bool, err error) {
	t.Helper()
	if !is(err) {
		t.Fatalf("expected %s, got %v", what, err)
	}
}
