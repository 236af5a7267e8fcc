package pool

import (
	"bytes"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/coterie-go/coterie/core"
)

// checkNotWorker panics if the caller's goroutine is one of the workers.
func (p *Pool) checkNotWorker(method string) {
	ids := lineage()
	core.RaceDisable()
	p.mu.Lock()
	found := false
	for w := p.first.Load(); w != nil; w = w.next.Load() {
		found = found || slices.Contains(ids, w.record.Load().Goroutine)
	}
	p.mu.Unlock()
	core.RaceEnable()
	if found {
		panic("pool: " + method + " within one of the pool's own tasks")
	}
}

// onWorker reports whether the caller's goroutine was started by a pool. It takes a
// fraction of a microsecond, where lineage takes several.
func onWorker() bool {
	var pcs [64]uintptr
	skip, n := 2, len(pcs)
	for n == len(pcs) {
		n = runtime.Callers(skip, pcs[:])
		skip += n - 3 // so that the last three are found together
	}
	for _, pc := range pcs[max(0, n-3):n] {
		if f := runtime.FuncForPC(pc - 1); f != nil && strings.Contains(f.Name(), "/pool.(*Pool).") {
			return true
		}
	}
	return false
}

// lineage returns the number of the caller's goroutine and, if that was started to
// run a task in place of another goroutine, that one's, and so on.
func lineage() []uint64 {
	stack := stacks(false)
	var ids []uint64
	for {
		id, parent := parents(stack)
		ids = append(ids, id)
		if parent == 0 {
			return ids
		}
		header := []byte("goroutine " + strconv.FormatUint(parent, 10) + " ")
		stack = nil
		for other := range bytes.SplitSeq(stacks(true), []byte("\n\n")) {
			if bytes.HasPrefix(other, header) {
				stack = other
			}
		}
		if stack == nil {
			return append(ids, parent)
		}
	}
}

// parents returns the number of the goroutine with the given stack and, if it runs
// a task in place of another goroutine, that one's.
func parents(stack []byte) (id, parent uint64) {
	m := heading.FindSubmatch(stack)
	id, _ = strconv.ParseUint(string(m[1]), 10, 64)
	if m := inPlace.FindSubmatch(stack); m != nil {
		parent, _ = strconv.ParseUint(string(m[1]), 10, 64)
	}
	return id, parent
}

var (
	heading = regexp.MustCompile(`^goroutine (\d+) `)
	inPlace = regexp.MustCompile(`\ncreated by \S*/pool\.\(\*Pool\)\.(?:runHere|executeAlone) in goroutine (\d+)\n`)
)

// stacks returns the stack traces of all goroutines, or that of the caller's.
func stacks(all bool) []byte {
	for size := 1 << 12; ; size *= 4 {
		buf := make([]byte, size)
		if n := runtime.Stack(buf, all); n < size {
			return buf[:n]
		}
	}
}
