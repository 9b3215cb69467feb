package main

import (
	"fmt"
	"os"
	"reflect"
	"sort"
	"strings"

	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/version"
	"k8s.io/client-go/kubernetes/scheme"
	apiregistration "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
)

// printFields tells how the fields of every API type are written in JSON: a line per type with those
// fields that are not written in the way most fields of their form are.
//
// Strings, lists and maps: left out when empty. Everything else: left out when absent. The
// exceptions: `z` left out when zero, `p` left out when absent only, `a` always written, `n` written as null when absent.
//
// With printsTypes instead, how messages about fields of the wrong type call them (`data/types.txt`):
// `field=STRUCT/TYPE`, the embedded struct that has it and its Go type, where they are not what its schema
// says.
func printFields(printsTypes bool) {
	_, lines, named := types()
	if printsTypes {
		lines = named
	}
	names := make([]string, 0, len(lines))
	for name := range lines {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		fmt.Println(name + lines[name])
	}
}

// types are those that the stable kinds reach, with what they say of their fields.
func types() (map[reflect.Type]bool, map[string]string, map[string]string) {
	known := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{scheme.AddToScheme, apiextensions.AddToScheme, apiregistration.AddToScheme} {
		if err := add(known); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	seen := map[reflect.Type]bool{}
	lines, named := map[string]string{}, map[string]string{}
	for kind, t := range known.AllKnownTypes() {
		if strings.Contains(kind.Version, "alpha") || strings.Contains(kind.Version, "beta") || kind.Version == runtime.APIVersionInternal {
			continue
		}
		visit(t, seen, lines, named)
	}
	visit(reflect.TypeOf(version.Info{}), seen, lines, named)
	return seen, lines, named
}

func visit(t reflect.Type, seen map[reflect.Type]bool, lines, named map[string]string) {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map, reflect.Array:
		visit(t.Elem(), seen, lines, named)
		return
	case reflect.Struct:
	default:
		return
	}
	if seen[t] {
		return
	}
	seen[t] = true
	var exceptions, types []string
	fields(t, "", seen, lines, named, &exceptions, &types)
	if len(types) > 0 {
		sort.Strings(types)
		named[definition(t)] = " " + strings.Join(types, " ")
	}
	if len(exceptions) > 0 {
		sort.Strings(exceptions)
		lines[definition(t)] = " " + strings.Join(exceptions, " ")
	}
}

func fields(t reflect.Type, within string, seen map[reflect.Type]bool, lines, named map[string]string, exceptions, types *[]string) {
	for i := 0; i < t.NumField(); i++ {
		field := t.Field(i)
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		if name == "-" || !field.IsExported() {
			continue
		}
		if name == "" && (field.Anonymous || strings.Contains(options, "inline")) {
			if field.Type.Kind() == reflect.Struct {
				embedded := field.Name
				if within != "" {
					embedded = within + "." + field.Name
				}
				fields(field.Type, embedded, seen, lines, named, exceptions, types)
				visit(field.Type, seen, lines, named)
			}
			continue
		}
		visit(field.Type, seen, lines, named)
		if called := called(field.Type); called != "" || within != "" {
			*types = append(*types, name+"="+within+"/"+called)
		}
		if form := form(field.Type, options); form != usual(field.Type) {
			*exceptions = append(*exceptions, name+"="+form)
		}
	}
}

func form(t reflect.Type, options string) string {
	empty, zero := strings.Contains(options, "omitempty"), strings.Contains(options, "omitzero")
	switch {
	case !empty && !zero && (t.Kind() == reflect.Pointer || t.Kind() == reflect.Interface):
		return "n"
	case !empty && !zero:
		return "a"
	case t.Kind() == reflect.Pointer || t.Kind() == reflect.Interface:
		return "p"
	case t.Kind() == reflect.Struct && !zero:
		// Go never finds a struct empty.
		return "a"
	default:
		return "z"
	}
}

// called is the Go type of a field where its name is more than that of its form.
func called(t reflect.Type) string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if strings.ReplaceAll(t.String(), "*", "") == plain(t) {
		return ""
	}
	return t.String()
}

func plain(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Pointer:
		return plain(t.Elem())
	case reflect.Slice:
		return "[]" + plain(t.Elem())
	case reflect.Map:
		return "map[string]" + plain(t.Elem())
	case reflect.Struct, reflect.Interface:
		return t.String()
	default:
		return t.Kind().String()
	}
}

// usual is the form of a field that is not listed. What stands behind a pointer looks like a plain
// field in a schema, so it counts as its target does.
func usual(t reflect.Type) string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t.Kind() {
	case reflect.String, reflect.Slice, reflect.Map:
		return "z"
	default:
		return "p"
	}
}

// definition is the name in OpenAPI documents: `k8s.io/api/core/v1.Pod` is `io.k8s.api.core.v1.Pod`.
func definition(t reflect.Type) string {
	host, path, _ := strings.Cut(t.PkgPath(), "/")
	labels := strings.Split(host, ".")
	for i, j := 0, len(labels)-1; i < j; i, j = i+1, j-1 {
		labels[i], labels[j] = labels[j], labels[i]
	}
	return strings.Join(labels, ".") + "." + strings.ReplaceAll(path, "/", ".") + "." + t.Name()
}
