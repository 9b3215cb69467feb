// Writes the table of protobuf field numbers that orch transcodes by
// (host/object/src/protobuf/fields.txt), from the struct tags of Kubernetes' published Go types.
//
//	go run ./fields > ../../../host/object/src/protobuf/fields.txt
package main

import (
	"bufio"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"

	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"
	apiregistration "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
)

const header = `# Field numbers of the Kubernetes protobuf messages, by definition, in the names of the JSON form:
# field=number      number~ after it: Go leaves the field out of JSON when it is zero or empty
# field=number[]    a list that is a message of its own, whose field 1 repeats
# *message=number   a message whose fields are inlined in JSON
# Made by tests/clients/go/fields from the struct tags of Kubernetes 1.37's Go types.
`

// Types with a JSON form of their own, which the transcoder knows.
var opaque = []string{"Quantity", "IntOrString", "Time", "MicroTime", "RawExtension", "FieldsV1", "JSON"}

func main() {
	types := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		scheme.AddToScheme, apiextensions.AddToScheme, apiregistration.AddToScheme,
	} {
		if err := add(types); err != nil {
			fatal(err)
		}
	}
	table := map[string]string{}
	for gvk, kind := range types.AllKnownTypes() {
		stable := gvk.Version == "v1" || gvk.Version == "v2"
		if stable && !strings.HasSuffix(gvk.Kind, "List") {
			collect(table, kind)
		}
	}
	for _, kind := range []any{
		meta.Status{}, meta.DeleteOptions{}, meta.ListMeta{}, meta.PartialObjectMetadata{},
		meta.APIGroup{}, meta.APIGroupList{}, meta.APIResourceList{}, meta.APIVersions{},
	} {
		collect(table, reflect.TypeOf(kind))
	}
	write(table)
}

// collect adds a message and every message it holds.
func collect(table map[string]string, message reflect.Type) {
	name := definition(message)
	if _, known := table[name]; known || name == "" || slices.Contains(opaque, message.Name()) {
		return
	}
	table[name] = ""
	var fields []string
	for i := range message.NumField() {
		field := message.Field(i)
		number := protobufNumber(field)
		if number == "" {
			continue
		}
		fields = append(fields, entry(field, number))
		if held := held(field.Type); held != nil {
			collect(table, held)
		}
	}
	table[name] = strings.Join(fields, " ")
}

func entry(field reflect.StructField, number string) string {
	name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
	if field.Anonymous && name == "" {
		return fmt.Sprintf("*%s=%s", definition(held(field.Type)), number)
	}
	if name == "" {
		name = tagValue(field, "name=")
	}
	if isMessage(field.Type) {
		number += "[]"
	}
	if leftOut(field.Type, options) {
		number += "~"
	}
	return name + "=" + number
}

// isMessage tells whether a list is a message of its own.
func isMessage(list reflect.Type) bool {
	marshaler := reflect.TypeFor[interface{ Marshal() ([]byte, error) }]()
	return list.Kind() == reflect.Slice && list.Implements(marshaler)
}

// leftOut tells whether encoding/json omits the field's zero value.
func leftOut(field reflect.Type, options string) bool {
	switch {
	case strings.Contains(options, "omitzero"):
		return true
	case !strings.Contains(options, "omitempty"):
		return false
	}
	return field.Kind() != reflect.Pointer && field.Kind() != reflect.Struct
}

// held is the struct in a field, through pointers, lists and maps.
func held(field reflect.Type) reflect.Type {
	switch field.Kind() {
	case reflect.Struct:
		return field
	case reflect.Pointer, reflect.Slice, reflect.Map:
		return held(field.Elem())
	}
	return nil
}

// definition is the name the type has in OpenAPI documents.
func definition(message reflect.Type) string {
	named, ok := reflect.Zero(message).Interface().(interface{ OpenAPIModelName() string })
	if !ok {
		return ""
	}
	return named.OpenAPIModelName()
}

func protobufNumber(field reflect.StructField) string {
	parts := strings.Split(field.Tag.Get("protobuf"), ",")
	if len(parts) < 2 {
		return ""
	}
	return parts[1]
}

func tagValue(field reflect.StructField, prefix string) string {
	for _, part := range strings.Split(field.Tag.Get("protobuf"), ",") {
		if value, found := strings.CutPrefix(part, prefix); found {
			return value
		}
	}
	return ""
}

func write(table map[string]string) {
	names := make([]string, 0, len(table))
	for name := range table {
		names = append(names, name)
	}
	slices.Sort(names)
	out := bufio.NewWriter(os.Stdout)
	fmt.Fprint(out, header)
	for _, name := range names {
		fmt.Fprintln(out, strings.TrimSpace(name+" "+table[name]))
	}
	if err := out.Flush(); err != nil {
		fatal(err)
	}
}

func fatal(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
