package tree

import (
	"bytes"
	"fmt"
	"regexp"
	"sync"
	"time"

	"github.com/coterie-go/coterie/core/sched"
)

// This file reads the stacks of goroutines: at most once a second, and only if there are so few
// goroutines that the world stops for less than 50 ms. Snapshots within one second share the
// stacks.

const (
	// mostGoroutines is the largest number of goroutines for which stacks are read. Each takes 10
	// to 20 µs.
	mostGoroutines = 2500
	mostFrames     = 30_000
	stacksEvery    = time.Second
)

// stacks holds the stack traces of one instant.
type stacks struct {
	time    time.Time
	texts   map[uint64][]byte
	read    map[uint64]sched.Goroutine // the parsed traces
	items   []items
	leftOut string // why there are no traces; "" if there are
}

var latest struct {
	mu      sync.Mutex // held while the world is stopped
	time    time.Time
	texts   map[uint64][]byte
	items   []items
	leftOut string
}

// readStacks returns the stacks of all goroutines. They may be up to one second old.
func readStacks(now time.Time) stacks {
	latest.mu.Lock()
	defer latest.mu.Unlock()
	// In a test with a fake clock, each snapshot reads new stacks.
	if age := now.Sub(latest.time); sched.IsFake(now) || age < 0 || age >= stacksEvery {
		latest.time = now
		latest.texts, latest.leftOut = readAll()
		latest.items = nil
		for _, text := range latest.texts {
			if bytes.Contains(text, []byte(loops)) {
				latest.items = readItems()
				break
			}
		}
	}
	return stacks{
		time: latest.time, texts: latest.texts, items: latest.items, read: make(map[uint64]sched.Goroutine), leftOut: latest.leftOut,
	}
}

// isIdle reports whether a worker of a loop, or the goroutine that runs the input, is blocked until
// there is an item, or room for one.
func (s *stacks) isIdle(goroutine uint64) bool {
	_, calls, _ := bytes.Cut(s.texts[goroutine], []byte("\n"))
	innermost, _, _ := bytes.Cut(calls, []byte("\n"))
	name, ok := bytes.CutPrefix(innermost, []byte(loops))
	return ok && idle.Match(name)
}

// idle matches the functions in which they are blocked.
var idle = regexp.MustCompile(`\)\.(waitItem|waitRoom)\(`)

func readAll() (texts map[uint64][]byte, leftOut string) {
	goroutines, frames := sched.Frames(mostGoroutines)
	switch {
	case goroutines > mostGoroutines:
		return nil, fmt.Sprintf("stacks: there are %d goroutines, more than %d", goroutines, mostGoroutines)
	case frames > mostFrames:
		return nil, fmt.Sprintf("stacks: those of %d goroutines have %d frames, more than %d", goroutines, frames, mostFrames)
	}
	return sched.AllStacks(mostGoroutines + 100), "" // some may have been started meanwhile
}

// of returns the parsed stack trace of a goroutine. It reports false if there is none.
func (s *stacks) of(goroutine uint64) (sched.Goroutine, bool) {
	if g, ok := s.read[goroutine]; ok {
		return g, true
	}
	text, ok := s.texts[goroutine]
	if !ok {
		return sched.Goroutine{}, false
	}
	g := sched.ReadGoroutine(text)
	s.read[goroutine] = g
	return g, true
}
