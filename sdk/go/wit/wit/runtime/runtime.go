// Package runtime gives generated bindings memory that the garbage collector knows of.
package runtime

import (
	"fmt"
	"runtime"
	"unsafe"
)

// Handle is a resource of the host's; 0 is none.
type Handle struct{ value int32 }

func MakeHandle(value int32) *Handle {
	if value == 0 {
		panic("a handle of nothing")
	}
	return &Handle{value}
}

// Use is the handle, which stays ours.
func (h *Handle) Use() int32 {
	if h.value == 0 {
		panic("the handle was given away or dropped")
	}
	return h.value
}

// Take gives the handle away.
func (h *Handle) Take() int32 {
	value := h.Use()
	h.value = 0
	return value
}

// TakeOrNil gives it away if it is still there.
func (h *Handle) TakeOrNil() int32 {
	value := h.value
	h.value = 0
	return value
}

func (h *Handle) Set(value int32) {
	if h.value != 0 {
		panic("the handle is in use")
	}
	h.value = value
}

// Allocate makes memory that stays where it is until the pinner lets it go.
func Allocate(pinner *runtime.Pinner, size, align uintptr) unsafe.Pointer {
	if size == 0 {
		return nil
	}
	pointer := aligned(size, align)
	pinner.Pin(pointer)
	return pointer
}

func aligned(size, align uintptr) unsafe.Pointer {
	count := (size + align - 1) / align
	switch align {
	case 1:
		return unsafe.Pointer(unsafe.SliceData(make([]uint8, count)))
	case 2:
		return unsafe.Pointer(unsafe.SliceData(make([]uint16, count)))
	case 4:
		return unsafe.Pointer(unsafe.SliceData(make([]uint32, count)))
	case 8:
		return unsafe.Pointer(unsafe.SliceData(make([]uint64, count)))
	}
	panic(fmt.Sprintf("nothing is aligned to %d bytes", align))
}

// What the host hands over, pinned until the bindings have taken it up.
var given runtime.Pinner

// Unpin is called by the bindings once Go values refer to what was given.
func Unpin() { given.Unpin() }

// The host asks here for the memory of arguments. It calls only after `_initialize`, so Go's heap
// is there.
//
//go:wasmexport cabi_realloc
func cabiRealloc(old unsafe.Pointer, oldSize, align, size uintptr) unsafe.Pointer {
	if old != nil || oldSize != 0 {
		panic("arguments do not grow")
	}
	return Allocate(&given, size, align)
}
