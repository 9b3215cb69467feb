package main

import (
	"encoding/json"
	"fmt"
	"sort"
	"strings"

	"k8s.io/kube-openapi/pkg/validation/spec"
	"k8s.io/kubernetes/pkg/generated/openapi"
)

// printSchemas tells what upstream's published schemas say beside names, types and descriptions: a line
// per definition or field with its markers. Not told are the defaults that follow from how a field is
// written (`fields`): zero for what is always written.
func printSchemas() {
	seen, fields, _ := types()
	known := map[string]bool{}
	for t := range seen {
		known[definition(t)] = true
	}
	published := openapi.GetOpenAPIDefinitions(func(name string) spec.Ref { return spec.MustCreateRef(name) })
	var lines []string
	for name, definition := range published {
		if known[name] {
			lines = append(lines, describe(name, definition.Schema, fields[name])...)
		}
	}
	sort.Strings(lines)
	for _, line := range lines {
		fmt.Println(line)
	}
}

func describe(name string, schema spec.Schema, fields string) []string {
	var lines []string
	add := func(path string, markers []string) {
		if len(markers) > 0 {
			lines = append(lines, path+" "+strings.Join(markers, " "))
		}
	}
	own := markers(&schema)
	if len(schema.Required) > 0 {
		own = append(own, "required="+strings.Join(schema.Required, ","))
	}
	if len(schema.Type) == 0 && len(schema.OneOf) == 0 {
		own = append(own, "type=any")
	}
	add(name, own)
	for field, property := range schema.Properties {
		own := markers(&property)
		if property.Default != nil && !(isZero(property.Default) && strings.Contains(fields+" ", " "+field+"=a ")) {
			own = append(own, "default="+compact(property.Default))
		}
		add(name+"."+field, own)
		if property.Items != nil && property.Items.Schema != nil {
			add(name+"."+field+"[]", markers(property.Items.Schema))
		}
		if property.AdditionalProperties != nil && property.AdditionalProperties.Schema != nil {
			add(name+"."+field+"{}", markers(property.AdditionalProperties.Schema))
		}
	}
	return lines
}

// named is how a marker is written for an extension.
var named = []struct{ extension, marker string }{
	{"x-kubernetes-list-type", "list"},
	{"x-kubernetes-list-map-keys", "keys"},
	{"x-kubernetes-patch-merge-key", "merge"},
	{"x-kubernetes-patch-strategy", "strategy"},
	{"x-kubernetes-map-type", "map"},
}

func markers(schema *spec.Schema) []string {
	var found []string
	for _, name := range named {
		if value, ok := schema.Extensions[name.extension]; ok {
			found = append(found, name.marker+"="+joined(value))
		}
	}
	if len(schema.Enum) > 0 {
		found = append(found, "enum="+joined(schema.Enum))
	}
	if unions, ok := schema.Extensions["x-kubernetes-unions"].([]interface{}); ok {
		for _, union := range unions {
			found = append(found, "union="+describeUnion(union.(map[string]interface{})))
		}
	}
	return found
}

// describeUnion writes `type:localhostProfile/LocalhostProfile`; no discriminator, nothing before the colon.
func describeUnion(union map[string]interface{}) string {
	var fields []string
	for field, value := range union["fields-to-discriminateBy"].(map[string]interface{}) {
		fields = append(fields, fmt.Sprintf("%s/%s", field, value))
	}
	sort.Strings(fields)
	discriminator, _ := union["discriminator"].(string)
	return discriminator + ":" + strings.Join(fields, ",")
}

// joined writes a space as `%20`: spaces stand between markers.
func joined(value interface{}) string {
	list, ok := value.([]interface{})
	if !ok {
		list = []interface{}{value}
	}
	words := make([]string, len(list))
	for i, item := range list {
		words[i] = strings.ReplaceAll(fmt.Sprint(item), " ", "%20")
	}
	return strings.Join(words, ",")
}

func isZero(value interface{}) bool {
	switch text := compact(value); text {
	case `""`, "0", "false", "{}":
		return true
	default:
		return false
	}
}

func compact(value interface{}) string {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return string(text)
}
