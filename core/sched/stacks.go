package sched

import (
	"bytes"
	"runtime"
	"time"

	"github.com/coterie-go/coterie/core/internal/stack"
)

// This file reads stack traces of goroutines: for their numbers, their ancestors, and the stacks in
// a StuckError.

// GoroutineID returns the number of the caller's goroutine, as stack traces show it. It takes
// microseconds, and more for a deeper stack.
func GoroutineID() uint64 {
	var buf [64]byte
	return stack.ID(buf[:runtime.Stack(buf[:], false)])
}

// MaxStacks is the largest number of goroutines in the process for which Stacks reads stacks.
// Reading them stops the world for 10 to 20 µs for each goroutine.
const MaxStacks = 10_000

// Stacks returns the stack traces of the goroutines with these numbers, without the toolkit's
// frames at both ends. It leaves out goroutines that have ended. It stops the world. It returns an
// empty map if the process has more than MaxStacks goroutines.
func Stacks(ids []uint64) map[uint64][]byte {
	stacks := make(map[uint64][]byte, len(ids))
	if len(ids) == 0 || runtime.NumGoroutine() > MaxStacks {
		return stacks
	}
	all := allStacks(1 << 10)
	for _, id := range ids {
		if text, ok := all[id]; ok {
			stacks[id] = stack.Parse(text).TrimOwn().Append(nil)
		}
	}
	return stacks
}

// AllStacks returns the stack traces of all goroutines, by their numbers. It stops the world. It
// returns nil if there are more than most goroutines.
func AllStacks(most int) map[uint64][]byte {
	if runtime.NumGoroutine() > most {
		return nil
	}
	return allStacks(4 << 10)
}

// allStacks is AllStacks for any number of goroutines. each is about how many bytes a trace has.
func allStacks(each int) map[uint64][]byte {
	n := runtime.NumGoroutine()
	found := make(map[uint64][]byte, n)
	for text := range bytes.SplitSeq(stackText(1<<16+each*n, true), []byte("\n\n")) {
		found[stack.ID(text)] = text
	}
	return found
}

// stackText returns the stack trace of the caller's goroutine, or of all. size is the expected
// number of bytes.
func stackText(size int, all bool) []byte {
	for ; ; size *= 2 {
		buf := make([]byte, size)
		if n := runtime.Stack(buf, all); n < size {
			return buf[:n]
		}
	}
}

// Frames returns the number of goroutines, and about how many frames their stack traces have. The
// runtime prints at most 100 frames of each. Frames stops the world for microseconds. If there are
// more goroutines than most, it returns 0 frames.
func Frames(most int) (goroutines, frames int) {
	if goroutines = runtime.NumGoroutine(); goroutines > most {
		return goroutines, 0
	}
	stacks := make([]runtime.StackRecord, goroutines+10)
	goroutines, ok := runtime.GoroutineProfile(stacks)
	if !ok { // many have been started meanwhile
		return most + 1, 0
	}
	for i := range stacks[:goroutines] {
		n := len(stacks[i].Stack())
		if n == len(stacks[i].Stack0) { // there may be more
			n = 100
		}
		frames += n
	}
	return goroutines, frames
}

// A Goroutine is the parsed stack trace of a goroutine.
type Goroutine struct {
	State    string // in the runtime's words: "running", or what it waits for: "chan receive"
	Waits    int    // for how many minutes it has waited, at least
	Bubble   uint64 // number of its testing/synctest bubble; 0 for none
	Own      string // the function of the toolkit in which it is: "core.(*Semaphore).Acquire"; "" for none
	Function string // the innermost function that is neither the toolkit's nor the standard library's
	File     string // where Function is
	Line     int
	Stack    []byte // without the toolkit's frames at both ends
	Site     string // equal for goroutines that are at the same place
}

// ReadGoroutine reads the stack trace of one goroutine.
func ReadGoroutine(text []byte) Goroutine {
	trace := stack.Parse(text)
	trimmed := trace.TrimOwn()
	g := Goroutine{State: trace.State(), Waits: trace.Waits(), Bubble: trace.Bubble(), Own: trace.Entered(), Stack: trimmed.Append(nil), Site: trimmed.Site()}
	g.Function, g.File, g.Line = trimmed.Top()
	return g
}

// Caller returns the innermost of the calls that is neither in the toolkit nor in the standard
// library.
func Caller(calls []uintptr) (function, file string, line int) { return stack.Caller(calls) }

// Bubble returns the number of the testing/synctest bubble that the caller is in, or 0.
func Bubble() uint64 {
	if !IsFake(time.Now()) {
		return 0
	}
	var buf [128]byte
	return stack.Parse(buf[:runtime.Stack(buf[:], false)]).Bubble()
}

// IsFake reports whether t comes from the clock of a testing/synctest bubble.
func IsFake(t time.Time) bool { return t.Before(began) }

// began is when the program began. A time before it comes from the clock of a testing/synctest
// bubble.
var began = time.Now()
