// Package exported holds what a plugin's `init` exports until the component asks for it.
package exported

// Slot is for one thing of one world.
type Slot[T any] struct {
	// World is the package whose Export fills it, and Word what is exported: they name what is missing.
	World, Word string
	value       *T
}

func (s *Slot[T]) Set(value T) { s.value = &value }

// Get panics where nothing was exported.
func (s *Slot[T]) Get() T {
	if s.value == nil {
		panic("no " + s.Word + ": call " + s.World + ".Export in init")
	}
	return *s.value
}
