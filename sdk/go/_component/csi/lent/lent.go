// Package lent turns what the host hands to a storage driver into the SDK's types, and back.
package lent

import (
	"errors"
	"sort"

	"go.bytecodealliance.org/pkg/wit/types"
	"orch.dev/sdk/csi"
	"wit_component/orch_csi_storage"
	wit "wit_component/orch_csi_types"
)

// Failed is an error as the host takes it.
func Failed(err error) wit.Error {
	var known *csi.Error
	if errors.As(err, &known) {
		return wit.Error{Code: uint8(known.Code), Message: err.Error()}
	}
	return wit.Error{Code: wit.Code_Internal, Message: err.Error()}
}

// Answer is a value, or the error.
func Answer[T any](value T, err error) types.Result[T, wit.Error] {
	if err != nil {
		return types.Err[T, wit.Error](Failed(err))
	}
	return types.Ok[T, wit.Error](value)
}

// Done is for calls that answer nothing.
func Done(err error) types.Result[types.Unit, wit.Error] { return Answer(types.Unit{}, err) }

func Attributes(pairs []types.Tuple2[string, string]) csi.Attributes {
	attributes := make(csi.Attributes, len(pairs))
	for _, pair := range pairs {
		attributes[pair.F0] = pair.F1
	}
	return attributes
}

// Pairs are in the order of their names.
func Pairs(attributes csi.Attributes) []types.Tuple2[string, string] {
	pairs := make([]types.Tuple2[string, string], 0, len(attributes))
	for name, value := range attributes {
		pairs = append(pairs, types.Tuple2[string, string]{F0: name, F1: value})
	}
	sort.Slice(pairs, func(a, b int) bool { return pairs[a].F0 < pairs[b].F0 })
	return pairs
}

func Capability(from wit.VolumeCapability) csi.Capability {
	to := csi.Capability{AccessMode: csi.AccessMode(from.AccessMode)}
	if from.AccessType.Tag() == wit.AccessType_Block {
		to.Block = true
		return to
	}
	mount := from.AccessType.Mount()
	to.FSType, to.MountFlags, to.Group = mount.FsType, mount.MountFlags, mount.Group
	return to
}

func Range(from wit.CapacityRange) csi.Range { return csi.Range{RequiredBytes: from.RequiredBytes, LimitBytes: from.LimitBytes} }

// Directory is one of the host's.
type Directory struct{ Host *orch_csi_storage.Directory }

// Maybe is nil where nothing is lent.
func Maybe(borrowed types.Option[*orch_csi_storage.Directory]) csi.Directory {
	if borrowed.IsNone() {
		return nil
	}
	return Directory{borrowed.Some()}
}

// Back gives back what was lent, at the end of the call.
func Back(borrowed types.Option[*orch_csi_storage.Directory]) {
	if borrowed.IsSome() {
		borrowed.Some().Drop()
	}
}

func asked[T any](result types.Result[T, wit.Error]) (T, error) {
	if result.IsErr() {
		var none T
		return none, &csi.Error{Code: csi.Code(result.Err().Code), Message: result.Err().Message}
	}
	return result.Ok(), nil
}

func done(result types.Result[types.Unit, wit.Error]) error {
	_, err := asked(result)
	return err
}

func (d Directory) MakeDirectory(path string) error { return done(d.Host.MakeDirectory(path)) }
func (d Directory) Remove(path string) error        { return done(d.Host.Remove(path)) }

func (d Directory) Entries(path string) ([]csi.Entry, error) {
	found, err := asked(d.Host.Entries(path))
	entries := make([]csi.Entry, 0, len(found))
	for _, entry := range found {
		entries = append(entries, csi.Entry{Name: entry.Name, IsDirectory: entry.IsDirectory, SizeBytes: entry.SizeBytes})
	}
	return entries, err
}

func (d Directory) Read(path string) ([]byte, error) { return asked(d.Host.Read(path)) }

func (d Directory) Write(path string, contents []byte) error {
	return done(d.Host.Write(path, contents))
}

func (d Directory) Copy(path string, target csi.Directory, targetPath string) error {
	return done(d.Host.Copy(path, target.(Directory).Host, targetPath))
}

func (d Directory) Usage(path string) (csi.Usage, error) {
	found, err := asked(d.Host.Usage(path))
	return csi.Usage(found), err
}

func (d Directory) BindMount(path string, target csi.Directory, readOnly bool) error {
	return done(d.Host.BindMount(path, target.(Directory).Host, readOnly))
}

func (d Directory) Unmount() error           { return done(d.Host.Unmount()) }
func (d Directory) IsMounted() (bool, error) { return asked(d.Host.IsMounted()) }

// Usage is as the host has it.
func Usage(from csi.Usage) orch_csi_storage.Usage { return orch_csi_storage.Usage(from) }
