package errgroup

import (
	"unsafe"

	"github.com/coterie-go/coterie/core"
)

// A mark is what a task points to, for lack of room for more: a byte within the
// struct that says whose the task is and takes its error. The byte says which
// struct that is, and where it is in it. So to start a task writes nothing that
// whoever runs it has to read from another processor, unless it fails.
type mark struct {
	kind core.Guarded[uint8] // does not change
}

const (
	inGroup uint8 = 0   // Group.mark
	inNamed uint8 = 255 // named.mark
	// Any other is 1 + its index in block.marks.
)

func (m *mark) group() *Group {
	switch kind := m.kind.Load(); kind {
	case inGroup:
		var g *Group
		return (*Group)(unsafe.Add(unsafe.Pointer(m), -int(unsafe.Offsetof(g.mark))))
	case inNamed:
		return m.named().group
	default:
		b, _ := m.block()
		return b.group.Load()
	}
}

// named is for a mark of that kind.
func (m *mark) named() (n *named) {
	return (*named)(unsafe.Add(unsafe.Pointer(m), -int(unsafe.Offsetof(n.mark))))
}

// block returns the block that the mark is in, and its index there, or nil if it is
// of another kind.
func (m *mark) block() (b *block, i int) {
	kind := m.kind.Load()
	if kind == inGroup || kind == inNamed {
		return nil, 0
	}
	i = int(kind) - 1
	return (*block)(unsafe.Add(unsafe.Pointer(m), -i-int(unsafe.Offsetof(b.marks)))), i
}

// taskError returns what is to hold the error of the task, or nil if that has no
// name.
func (m *mark) taskError() (err *TaskError) {
	if b, i := m.block(); b != nil {
		err, _ = b.errs[i].(*TaskError)
	} else if m.kind.Load() == inNamed {
		err = m.named().error
	}
	return err
}
