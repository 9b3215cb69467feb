package clients

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	rbac "k8s.io/api/rbac/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apiextensionsscheme "k8s.io/apiextensions-apiserver/pkg/client/clientset/clientset/scheme"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	apiregistrationscheme "k8s.io/kube-aggregator/pkg/client/clientset_generated/clientset/scheme"
)

func codecs(t *testing.T) serializer.CodecFactory {
	t.Helper()
	all := runtime.NewScheme()
	must(t, scheme.AddToScheme(all))
	must(t, apiextensionsscheme.AddToScheme(all))
	must(t, apiregistrationscheme.AddToScheme(all))
	return serializer.NewCodecFactory(all)
}

// What one path answers in a content type, as upstream's decoder reads it.
func read(t *testing.T, client kubernetes.Interface, codecs serializer.CodecFactory, path, accept string) runtime.Object {
	t.Helper()
	var contentType string
	body, err := client.CoreV1().RESTClient().Get().AbsPath(path).SetHeader("Accept", accept).
		Do(t.Context()).ContentType(&contentType).Raw()
	if err != nil {
		t.Fatalf("%s as %s: %v", path, accept, err)
	}
	if contentType != accept {
		t.Fatalf("%s as %s came as %s", path, accept, contentType)
	}
	object, _, err := codecs.UniversalDeserializer().Decode(body, nil, nil)
	if err != nil {
		t.Fatalf("%s as %s: %v", path, accept, err)
	}
	return object
}

// The list of every built-in resource says the same in both forms.
func TestProtobufSaysWhatJSONSays(t *testing.T) {
	rich(t, namespace(t, "rich"))
	client, codecs := typed(t), codecs(t)
	_, lists, err := client.Discovery().ServerGroupsAndResources()
	must(t, err)
	compared, objects := 0, 0
	for _, list := range lists {
		if strings.Contains(list.GroupVersion, "orch.dev") || strings.Contains(list.GroupVersion, "example.com") {
			continue
		}
		root := "/apis/" + list.GroupVersion
		if !strings.Contains(list.GroupVersion, "/") {
			root = "/api/" + list.GroupVersion
		}
		for _, resource := range list.APIResources {
			if strings.Contains(resource.Name, "/") || !strings.Contains(resource.Verbs.String(), "list") {
				continue
			}
			n := compare(t, client, codecs, root+"/"+resource.Name)
			compared, objects = compared+1, objects+n
		}
	}
	t.Logf("%d resources, %d objects", compared, objects)
	if compared < 40 || objects < 150 {
		t.Fatalf("only %d resources with %d objects were compared", compared, objects)
	}
}

func compare(t *testing.T, client kubernetes.Interface, codecs serializer.CodecFactory, path string) int {
	t.Helper()
	for range 5 {
		inJSON := items(t, read(t, client, codecs, path, runtime.ContentTypeJSON))
		inProtobuf := items(t, read(t, client, codecs, path, runtime.ContentTypeProtobuf))
		if reflect.DeepEqual(inJSON, inProtobuf) {
			return len(inJSON)
		}
		// Something may have been written in between: only an answer of the same moment counts.
		again := items(t, read(t, client, codecs, path, runtime.ContentTypeJSON))
		if reflect.DeepEqual(inJSON, again) {
			for i := range inJSON {
				if i >= len(inProtobuf) || !reflect.DeepEqual(inJSON[i], inProtobuf[i]) {
					t.Fatalf("%s differs:\nJSON     %s\nprotobuf %s", path, text(inJSON[i]), text(inProtobuf[min(i, len(inProtobuf)-1)]))
				}
			}
		}
	}
	t.Fatalf("%s never stands still", path)
	return 0
}

// items are a list's objects without the kind that JSON repeats in each.
func items(t *testing.T, list runtime.Object) []any {
	t.Helper()
	field := reflect.ValueOf(list).Elem().FieldByName("Items")
	if !field.IsValid() {
		t.Fatalf("%T is no list", list)
	}
	found := make([]any, field.Len())
	for i := range found {
		item := field.Index(i)
		item.FieldByName("TypeMeta").SetZero()
		found[i] = item.Interface()
	}
	return found
}

func text(value any) string {
	encoded, err := json.Marshal(value)
	if err != nil {
		return err.Error()
	}
	return string(encoded)
}

// rich creates, in protobuf, objects that use many kinds of fields, and checks that none is lost.
func rich(t *testing.T, namespace string) {
	t.Helper()
	client, ctx := typed(t), t.Context()
	pod := &core.Pod{
		ObjectMeta: meta.ObjectMeta{
			Name: "rich", Namespace: namespace, Labels: map[string]string{"app": "rich"},
			Annotations: map[string]string{"example.com/note": "ä\u0000b\nc"}, Finalizers: []string{"example.com/hold"},
		},
		Spec: core.PodSpec{
			NodeSelector:                  map[string]string{"nowhere": "at-all"},
			TerminationGracePeriodSeconds: new(int64),
			AutomountServiceAccountToken:  new(bool),
			SecurityContext:               &core.PodSecurityContext{SupplementalGroups: []int64{1, 2000}, RunAsUser: new(int64)},
			Tolerations:                   []core.Toleration{{Operator: core.TolerationOpExists}},
			Containers: []core.Container{{
				Name: "c", Image: image, Command: []string{"sh", "", "-c"},
				Env: []core.EnvVar{
					{Name: "A", Value: "1"},
					{Name: "B", ValueFrom: &core.EnvVarSource{FieldRef: &core.ObjectFieldSelector{FieldPath: "metadata.name"}}},
				},
				Ports: []core.ContainerPort{{Name: "http", ContainerPort: 8080}},
				Resources: core.ResourceRequirements{
					Requests: core.ResourceList{"cpu": resource.MustParse("100m"), "memory": resource.MustParse("1Gi")},
				},
				ReadinessProbe: &core.Probe{ProbeHandler: core.ProbeHandler{
					HTTPGet: &core.HTTPGetAction{Path: "/", Port: intstr.FromString("http")},
				}},
				LivenessProbe: &core.Probe{ProbeHandler: core.ProbeHandler{
					TCPSocket: &core.TCPSocketAction{Port: intstr.FromInt32(8080)},
				}},
				VolumeMounts: []core.VolumeMount{{Name: "v", MountPath: "/v"}},
			}},
			Volumes: []core.Volume{{Name: "v", VolumeSource: core.VolumeSource{
				Projected: &core.ProjectedVolumeSource{Sources: []core.VolumeProjection{
					{ConfigMap: &core.ConfigMapProjection{LocalObjectReference: core.LocalObjectReference{Name: "m"}}},
				}},
			}}},
		},
	}
	created, err := client.CoreV1().Pods(namespace).Create(ctx, pod, meta.CreateOptions{})
	must(t, err)
	t.Cleanup(func() {
		patch := []byte(`{"metadata":{"finalizers":null}}`)
		_, _ = client.CoreV1().Pods(namespace).Patch(context.Background(), "rich",
			"application/merge-patch+json", patch, meta.PatchOptions{})
	})
	spec := created.Spec
	if *spec.TerminationGracePeriodSeconds != 0 || *spec.AutomountServiceAccountToken || *spec.SecurityContext.RunAsUser != 0 ||
		spec.Containers[0].Command[1] != "" || spec.Containers[0].ReadinessProbe.HTTPGet.Port.StrVal != "http" ||
		spec.Volumes[0].Projected.Sources[0].ConfigMap.Name != "m" ||
		!spec.Containers[0].Resources.Requests.Memory().Equal(resource.MustParse("1Gi")) {
		t.Fatalf("the pod is not what was sent: %s", text(spec))
	}
	none, zero := "", intstr.FromInt32(0)
	_, err = client.CoreV1().PersistentVolumeClaims(namespace).Create(ctx, &core.PersistentVolumeClaim{
		ObjectMeta: meta.ObjectMeta{Name: "rich"},
		Spec: core.PersistentVolumeClaimSpec{
			AccessModes: []core.PersistentVolumeAccessMode{core.ReadWriteOnce}, StorageClassName: &none,
			Resources: core.VolumeResourceRequirements{Requests: core.ResourceList{"storage": resource.MustParse("1Gi")}},
		},
	}, meta.CreateOptions{})
	must(t, err)
	labels := map[string]string{"app": "rich"}
	_, err = client.AppsV1().Deployments(namespace).Create(ctx, &apps.Deployment{
		ObjectMeta: meta.ObjectMeta{Name: "rich"},
		Spec: apps.DeploymentSpec{
			Replicas: new(int32), Selector: &meta.LabelSelector{MatchLabels: labels},
			Strategy: apps.DeploymentStrategy{RollingUpdate: &apps.RollingUpdateDeployment{MaxUnavailable: &zero, MaxSurge: ptr(intstr.FromString("25%"))}},
			Template: core.PodTemplateSpec{ObjectMeta: meta.ObjectMeta{Labels: labels}, Spec: core.PodSpec{
				Containers: []core.Container{{Name: "c", Image: image}},
			}},
		},
	}, meta.CreateOptions{})
	must(t, err)
	_, err = client.NetworkingV1().NetworkPolicies(namespace).Create(ctx, &networking.NetworkPolicy{
		ObjectMeta: meta.ObjectMeta{Name: "rich"},
		Spec: networking.NetworkPolicySpec{
			PolicyTypes: []networking.PolicyType{networking.PolicyTypeIngress},
			Ingress: []networking.NetworkPolicyIngressRule{{From: []networking.NetworkPolicyPeer{
				{IPBlock: &networking.IPBlock{CIDR: "10.0.0.0/8", Except: []string{"10.1.0.0/16"}}},
			}}},
		},
	}, meta.CreateOptions{})
	must(t, err)
	_, err = client.RbacV1().ClusterRoles().Create(ctx, &rbac.ClusterRole{
		ObjectMeta:      meta.ObjectMeta{Name: "rich-" + suffix},
		Rules:           []rbac.PolicyRule{{Verbs: []string{"get"}, NonResourceURLs: []string{"/metrics"}}},
		AggregationRule: &rbac.AggregationRule{ClusterRoleSelectors: []meta.LabelSelector{{MatchLabels: labels}}},
	}, meta.CreateOptions{})
	must(t, err)
	schemas(t)
}

func ptr[T any](value T) *T { return &value }

// schemas sends a definition whose schema uses every form of JSON Schema's alternatives.
func schemas(t *testing.T) {
	t.Helper()
	one, half := int64(1), 0.5
	properties := apiextensionsv1.JSONSchemaProps{
		Type: "object", Description: "What is wanted.", MinProperties: &one,
		Properties: map[string]apiextensionsv1.JSONSchemaProps{
			"list": {Type: "array", Items: &apiextensionsv1.JSONSchemaPropsOrArray{Schema: &apiextensionsv1.JSONSchemaProps{Type: "string"}}},
			"map":  {Type: "object", AdditionalProperties: &apiextensionsv1.JSONSchemaPropsOrBool{Allows: true, Schema: &apiextensionsv1.JSONSchemaProps{Type: "integer"}}},
			"any":  {Type: "object", XPreserveUnknownFields: ptr(true)},
			"size": {Type: "number", Maximum: &half, Default: &apiextensionsv1.JSON{Raw: []byte("0.25")}},
			"enum": {Type: "string", Enum: []apiextensionsv1.JSON{{Raw: []byte(`"a"`)}, {Raw: []byte(`"b"`)}}},
		},
	}
	definition := &apiextensionsv1.CustomResourceDefinition{
		ObjectMeta: meta.ObjectMeta{Name: "riches.rich" + suffix + ".example.com"},
		Spec: apiextensionsv1.CustomResourceDefinitionSpec{
			Group: "rich" + suffix + ".example.com", Scope: apiextensionsv1.NamespaceScoped,
			Names: apiextensionsv1.CustomResourceDefinitionNames{Plural: "riches", Singular: "rich", Kind: "Rich", ListKind: "RichList"},
			Versions: []apiextensionsv1.CustomResourceDefinitionVersion{{
				Name: "v1", Served: true, Storage: true,
				Subresources: &apiextensionsv1.CustomResourceSubresources{Status: &apiextensionsv1.CustomResourceSubresourceStatus{}},
				Schema: &apiextensionsv1.CustomResourceValidation{OpenAPIV3Schema: &apiextensionsv1.JSONSchemaProps{
					Type: "object", Properties: map[string]apiextensionsv1.JSONSchemaProps{"spec": properties},
				}},
			}},
		},
	}
	client := definitions(t).ApiextensionsV1().CustomResourceDefinitions()
	created, err := client.Create(t.Context(), definition, meta.CreateOptions{})
	must(t, err)
	t.Cleanup(func() { _ = client.Delete(context.Background(), definition.Name, meta.DeleteOptions{}) })
	version := created.Spec.Versions[0]
	if !reflect.DeepEqual(version.Schema.OpenAPIV3Schema.Properties["spec"], properties) || version.Subresources.Status == nil {
		t.Fatalf("the schema is not what was sent:\n%s\n%s", text(version), text(properties))
	}
}

// Watches come in frames of protobuf, errors and bookmarks too.
func TestWatchInProtobuf(t *testing.T) {
	maps := typed(t).CoreV1().ConfigMaps(namespace(t, "watch"))
	ctx := t.Context()
	initial := true
	watched, err := maps.Watch(ctx, meta.ListOptions{
		SendInitialEvents: &initial, AllowWatchBookmarks: true,
		ResourceVersionMatch: meta.ResourceVersionMatchNotOlderThan, FieldSelector: "metadata.name=watched",
	})
	must(t, err)
	defer watched.Stop()
	one := &core.ConfigMap{ObjectMeta: meta.ObjectMeta{Name: "watched"}, Data: map[string]string{"a": "1"}}
	if event := <-watched.ResultChan(); event.Type != watch.Bookmark ||
		event.Object.(*core.ConfigMap).Annotations["k8s.io/initial-events-end"] != "true" {
		t.Fatalf("first %+v", event)
	}
	created, err := maps.Create(ctx, one, meta.CreateOptions{})
	must(t, err)
	must(t, maps.Delete(ctx, "watched", meta.DeleteOptions{}))
	for _, expected := range []watch.EventType{watch.Added, watch.Deleted} {
		event := <-watched.ResultChan()
		if event.Type != expected || event.Object.(*core.ConfigMap).Data["a"] != "1" {
			t.Fatalf("expected %s, got %+v", expected, event)
		}
	}
	expired, err := maps.Watch(ctx, meta.ListOptions{ResourceVersion: "1"})
	must(t, err)
	defer expired.Stop()
	event := <-expired.ResultChan()
	if event.Type == watch.Error && !apierrors.IsGone(apierrors.FromObject(event.Object)) &&
		!apierrors.IsResourceExpired(apierrors.FromObject(event.Object)) {
		t.Fatalf("an error that is not Expired: %+v", event.Object)
	}
	t.Logf("created at %s, a watch from 1 began with %s", created.ResourceVersion, event.Type)
}

// What has no protobuf form is refused, or answered in the next form the client reads.
func TestContentIsNegotiated(t *testing.T) {
	client := typed(t).CoreV1().RESTClient()
	get := func(path, accept string) (string, string, error) {
		var contentType string
		body, err := client.Get().AbsPath(path).SetHeader("Accept", accept).Do(t.Context()).ContentType(&contentType).Raw()
		return contentType, string(body), err
	}
	const partial = "as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
	contentType, body, err := get("/api/v1/namespaces", runtime.ContentTypeProtobuf+";"+partial)
	must(t, err)
	if contentType != runtime.ContentTypeProtobuf || !bytes.HasPrefix([]byte(body), []byte("k8s\x00")) {
		t.Fatalf("metadata came as %s", contentType)
	}
	_, _, err = get("/api/v1/namespaces", runtime.ContentTypeProtobuf+";as=Table;g=meta.k8s.io;v=v1")
	expect(t, "NotAcceptable", apierrors.IsNotAcceptable, err)
	_, _, err = get("/apis/plugins.orch.dev/v1alpha1/plugins", runtime.ContentTypeProtobuf)
	expect(t, "NotAcceptable", apierrors.IsNotAcceptable, err)
	contentType, _, err = get("/apis/plugins.orch.dev/v1alpha1/plugins", runtime.ContentTypeProtobuf+","+runtime.ContentTypeJSON)
	must(t, err)
	if contentType != runtime.ContentTypeJSON {
		t.Fatalf("plugins came as %s", contentType)
	}
	for _, path := range []string{"/api", "/apis", "/apis/apps", "/api/v1", "/apis/apps/v1"} {
		contentType, _, err = get(path, runtime.ContentTypeProtobuf)
		must(t, err)
		if contentType != runtime.ContentTypeProtobuf {
			t.Fatalf("%s came as %s", path, contentType)
		}
	}
}

// The document of OpenAPI v2 is one that clients can read, in both forms; v3 is there beside it.
func TestOpenAPI(t *testing.T) {
	client, err := discovery.NewDiscoveryClientForConfig(config(t, runtime.ContentTypeJSON))
	must(t, err)
	document, err := client.OpenAPISchema()
	must(t, err)
	found := map[string]bool{}
	for _, definition := range document.GetDefinitions().GetAdditionalProperties() {
		found[definition.GetName()] = definition.GetValue().GetProperties() != nil
	}
	for _, name := range []string{"io.k8s.api.core.v1.Pod", "io.k8s.api.apps.v1.Deployment"} {
		if !found[name] {
			t.Fatalf("%s is not among %d definitions", name, len(found))
		}
	}
	checkModels(t, document)
	raw, err := client.RESTClient().Get().AbsPath("/openapi/v2").SetHeader("Accept", "application/json").Do(t.Context()).Raw()
	must(t, err)
	var inJSON struct {
		Swagger     string
		Definitions map[string]any
	}
	must(t, json.Unmarshal(raw, &inJSON))
	if inJSON.Swagger != "2.0" || len(inJSON.Definitions) != len(found) {
		t.Fatalf("%q, %d definitions in JSON, %d in protobuf", inJSON.Swagger, len(inJSON.Definitions), len(found))
	}
	paths, err := client.OpenAPIV3().Paths()
	must(t, err)
	schema, err := paths["apis/apps/v1"].Schema(runtime.ContentTypeJSON)
	must(t, err)
	if !strings.Contains(string(schema), "io.k8s.api.apps.v1.Deployment") {
		t.Fatal(fmt.Errorf("no Deployment in %d bytes", len(schema)))
	}
}
