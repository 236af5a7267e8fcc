package errgroup

import (
	"cmp"
	"fmt"
	"math/bits"
	"slices"
	"sync"
	"sync/atomic"

	"go.uber.org/multierr"

	"github.com/coterie-go/coterie/core"
)

// failures are the errors of a group.
//
// Collecting, a task puts its error into a block, in a place of its own, and sets
// the bit of that. If it is the first bit, the task also lists the block, with mu
// held. To sweep, with mu held, is to take the listed blocks off the list, clear
// their bits, and keep the errors. So a block with a bit set is listed, or about
// to be, by the task that has set the first. That task has not ended then; so
// when no task is left, the list leads to every error. One that is recorded by
// somebody who is no task has a block to itself, for no other to depend on it.
//
// That is not hidden from the race detector: a task gets here only when it has
// failed, so what is ordered are the ends of tasks, and nothing that they do before.
type failures struct {
	first atomic.Pointer[error] // failing fast
	echo  atomic.Pointer[error] // the first that only reports that the context is done
	block atomic.Pointer[block] // collecting, the one that was made last

	mu     sync.Mutex // guards what follows; nothing blocks while it is held
	listed []*block
	kept   kept

	joined     error  // what result has returned last; nil if there is more in kept now
	joinedEcho *error // the echo it was made with
}

// maxListed is how many blocks may be listed before they are swept. It bounds what
// few errors in many blocks take, and errors that are to be dropped.
const maxListed = 64

// setFirst keeps err in p if it is the first there.
func setFirst(p *atomic.Pointer[error], err error) {
	if p.Load() == nil {
		first := err // so that only the first is moved to the heap
		p.CompareAndSwap(nil, &first)
	}
}

// mark returns the mark for a task of g that is about to be started.
func (fs *failures) mark(g *Group) *mark {
	core.RaceDisable() // else starting tasks would order those that start them
	b := fs.block.Load()
	m := b.next()
	for m == nil {
		made := fs.after(g, b)
		if fs.block.CompareAndSwap(b, made) {
			b = made
		} else {
			b = fs.block.Load()
		}
		m = b.next()
	}
	core.RaceEnable()
	return m
}

// loneMark returns a mark that is the only one in its block.
func (fs *failures) loneMark(g *Group) *mark {
	core.RaceDisable()
	defer core.RaceEnable()
	for {
		b := fs.block.Load()
		made := fs.after(g, b)
		made.used.Store(blockLen)
		if fs.block.CompareAndSwap(b, made) {
			return &made.marks[0]
		}
	}
}

// after makes the block that follows b, which may be nil.
func (fs *failures) after(g *Group, b *block) *block {
	if b == nil {
		return newBlock(g, 1)
	}
	return newBlock(g, b.number.Load()+blockLen)
}

// collect keeps the error of a task, or, if m is the group's own, one that comes
// before those of all tasks.
func (fs *failures) collect(m *mark, err error) {
	b, i := m.block()
	if b != nil && !b.fail(i, err) {
		return
	}
	fs.mu.Lock()
	if b == nil {
		fs.kept.add(0, err)
		fs.joined = nil
	} else if fs.listed = append(fs.listed, b); len(fs.listed) == maxListed {
		fs.sweep()
	}
	fs.mu.Unlock()
}

// sweep is called with mu held.
func (fs *failures) sweep() {
	if len(fs.listed) == 0 {
		return
	}
	// Mostly they are in order, and then so is what they add to kept.
	slices.SortFunc(fs.listed, func(a, b *block) int { return cmp.Compare(a.number.Load(), b.number.Load()) })
	n := 0
	for _, b := range fs.listed {
		n += bits.OnesCount32(b.failed.Load())
	}
	fs.kept.grow(n)
	for _, b := range fs.listed {
		b.sweep(&fs.kept)
	}
	if fs.kept.most > 0 && fs.kept.Len() >= 2*fs.kept.most { // not each time, for it has to sort
		fs.kept.trim()
	}
	fs.joined = nil
	clear(fs.listed)
	fs.listed = fs.listed[:0]
}

// result returns the error of a group whose tasks have ended: the same value each
// time, unless more have failed. both tells whether an echo is to be told beside
// other errors.
func (fs *failures) result(both bool) error {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	fs.sweep()
	if echo := fs.echo.Load(); fs.joined == nil || fs.joinedEcho != echo {
		fs.joined, fs.joinedEcho = fs.join(echo, both), echo
	}
	return fs.joined
}

// join is called with mu held.
func (fs *failures) join(echo *error, both bool) error {
	fs.kept.trim()
	errs := slices.Clip(fs.kept.errs)
	if first := fs.first.Load(); first != nil {
		errs = []error{*first}
	}
	if fs.kept.dropped > 0 {
		errs = append(errs, fmt.Errorf("errgroup: %d more errors dropped", fs.kept.dropped))
	}
	if echo != nil && (both || len(errs) == 0) {
		errs = append(errs, *echo)
	}
	return multierr.Combine(errs...)
}

// told tells whether err is what result has returned last: a scope's body that
// ends with "return g.Wait()" does not report that anew.
func (fs *failures) told(err error) bool {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	return fs.joined != nil && same(err, fs.joined)
}
