package clients

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/tools/remotecommand"
	"k8s.io/client-go/transport/spdy"
	"k8s.io/client-go/util/exec"
)

// Logs, exec over both protocols, and a forwarded port of a running pod.
func TestStreams(t *testing.T) {
	client, namespace := typed(t), namespace(t, "streams")
	pods := client.CoreV1().Pods(namespace)
	_, err := pods.Create(t.Context(), &core.Pod{
		ObjectMeta: meta.ObjectMeta{Name: "web"},
		Spec:       core.PodSpec{Containers: []core.Container{{Name: "web", Image: image}}},
	}, meta.CreateOptions{})
	must(t, err)
	eventually(t, "the pod runs", func(ctx context.Context) error {
		pod, err := pods.Get(ctx, "web", meta.GetOptions{})
		if err == nil && pod.Status.Phase != core.PodRunning {
			err = fmt.Errorf("%s", text(pod.Status))
		}
		return err
	})
	eventually(t, "its log", func(ctx context.Context) error {
		log, err := pods.GetLogs("web", &core.PodLogOptions{}).DoRaw(ctx)
		if err == nil && !strings.Contains(string(log), "web serves on 8080") {
			err = fmt.Errorf("%q", log)
		}
		return err
	})
	executors(t, client, namespace)
	forward(t, client, namespace)
}

func executors(t *testing.T, client kubernetes.Interface, namespace string) {
	t.Helper()
	config := config(t, runtime.ContentTypeJSON)
	url := client.CoreV1().RESTClient().Post().Resource("pods").Name("web").Namespace(namespace).SubResource("exec").
		VersionedParams(&core.PodExecOptions{
			Command: []string{"sh", "-c", "cat; echo wrong >&2; exit 7"}, Stdin: true, Stdout: true, Stderr: true,
		}, scheme.ParameterCodec).URL()
	overSPDY, err := remotecommand.NewSPDYExecutor(config, http.MethodPost, url)
	must(t, err)
	overWebSocket, err := remotecommand.NewWebSocketExecutor(config, http.MethodGet, url.String())
	must(t, err)
	for name, executor := range map[string]remotecommand.Executor{"SPDY": overSPDY, "WebSocket": overWebSocket} {
		var out, wrong bytes.Buffer
		err := executor.StreamWithContext(t.Context(), remotecommand.StreamOptions{
			Stdin: strings.NewReader("said\n"), Stdout: &out, Stderr: &wrong,
		})
		code, ok := err.(exec.CodeExitError)
		if !ok || code.Code != 7 || out.String() != "said\n" || wrong.String() != "wrong\n" {
			t.Fatalf("over %s: %v, %q, %q", name, err, out.String(), wrong.String())
		}
	}
}

func forward(t *testing.T, client kubernetes.Interface, namespace string) {
	t.Helper()
	roundTripper, upgrader, err := spdy.RoundTripperFor(config(t, runtime.ContentTypeJSON))
	must(t, err)
	url := client.CoreV1().RESTClient().Post().Resource("pods").Name("web").Namespace(namespace).SubResource("portforward").URL()
	dialer := spdy.NewDialer(upgrader, &http.Client{Transport: roundTripper}, http.MethodPost, url)
	stop, ready := make(chan struct{}), make(chan struct{})
	defer close(stop)
	forwarder, err := portforward.New(dialer, []string{"0:8080"}, stop, ready, io.Discard, io.Discard)
	must(t, err)
	failed := make(chan error, 1)
	go func() { failed <- forwarder.ForwardPorts() }()
	select {
	case <-ready:
	case err := <-failed:
		t.Fatal(err)
	}
	ports, err := forwarder.GetPorts()
	must(t, err)
	eventually(t, "the forwarded page", func(ctx context.Context) error {
		response, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/", ports[0].Local))
		if err != nil {
			return err
		}
		defer response.Body.Close()
		page, err := io.ReadAll(response.Body)
		if err == nil && strings.TrimSpace(string(page)) != "web" {
			err = fmt.Errorf("%q", page)
		}
		return err
	})
}
