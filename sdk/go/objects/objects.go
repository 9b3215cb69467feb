// Package objects has thin views of Kubernetes objects: what policies read, and no more. Anything
// else of an object can be read with a struct of one's own and encoding/json.
package objects

import "encoding/json"

// Metadata is what every object has.
type Metadata struct {
	Name        string            `json:"name"`
	Namespace   string            `json:"namespace,omitempty"`
	UID         string            `json:"uid,omitempty"`
	Labels      map[string]string `json:"labels,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

// Object is an object of any kind; Raw is all of it.
type Object struct {
	APIVersion string          `json:"apiVersion"`
	Kind       string          `json:"kind"`
	Metadata   Metadata        `json:"metadata"`
	Raw        json.RawMessage `json:"-"`
}

// ParseObject reads any object.
func ParseObject(text string) (Object, error) {
	object := Object{Raw: json.RawMessage(text)}
	err := json.Unmarshal(object.Raw, &object)
	return object, err
}

type Taint struct {
	Key    string `json:"key"`
	Value  string `json:"value,omitempty"`
	Effect string `json:"effect"`
}

type Node struct {
	Metadata Metadata `json:"metadata"`
	Spec     struct {
		Unschedulable bool    `json:"unschedulable,omitempty"`
		Taints        []Taint `json:"taints,omitempty"`
	} `json:"spec"`
	Status struct {
		Allocatable map[string]string `json:"allocatable,omitempty"`
	} `json:"status"`
}

// ParseNode reads a node; fields that were not asked for are empty.
func ParseNode(text string) (Node, error) {
	var node Node
	err := json.Unmarshal([]byte(text), &node)
	return node, err
}

type Toleration struct {
	Key      string `json:"key,omitempty"`
	Operator string `json:"operator,omitempty"`
	Value    string `json:"value,omitempty"`
	Effect   string `json:"effect,omitempty"`
}

type Container struct {
	Name      string `json:"name"`
	Image     string `json:"image,omitempty"`
	Resources struct {
		Requests map[string]string `json:"requests,omitempty"`
		Limits   map[string]string `json:"limits,omitempty"`
	} `json:"resources"`
}

type Pod struct {
	Metadata Metadata `json:"metadata"`
	Spec     struct {
		NodeName       string            `json:"nodeName,omitempty"`
		Priority       int32             `json:"priority,omitempty"`
		NodeSelector   map[string]string `json:"nodeSelector,omitempty"`
		Tolerations    []Toleration      `json:"tolerations,omitempty"`
		InitContainers []Container       `json:"initContainers,omitempty"`
		Containers     []Container       `json:"containers,omitempty"`
	} `json:"spec"`
}

// ParsePod reads a pod; fields that were not asked for are empty.
func ParsePod(text string) (Pod, error) {
	var pod Pod
	err := json.Unmarshal([]byte(text), &pod)
	return pod, err
}

// Interest is a kind and the fields of it that a plugin reads; none: all of them.
type Interest struct {
	APIVersion string
	Kind       string
	Fields     []string
}

// Reads says in one line what an Interest says.
func Reads(apiVersion, kind string, fields ...string) Interest {
	return Interest{apiVersion, kind, fields}
}
