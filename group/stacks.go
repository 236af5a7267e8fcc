package group

import (
	"bytes"
	"regexp"
	"runtime"
	"strconv"
)

// allStacks returns the stack trace of every goroutine, from the innermost frame
// to the one that the engine called.
func allStacks() map[uint64][]byte {
	buf := make([]byte, 1<<16)
	for {
		n := runtime.Stack(buf, true)
		if n < len(buf) {
			buf = buf[:n]
			break
		}
		buf = make([]byte, 2*len(buf))
	}
	stacks := make(map[uint64][]byte)
	for stack := range bytes.SplitSeq(buf, []byte("\n\n")) {
		id := parseGoroutineID(stack)
		if loc := engineFrames.FindIndex(stack); loc != nil {
			stack = stack[:loc[0]]
		}
		if loc := ownFrames.FindIndex(stack); loc != nil {
			stack = stack[:loc[0]+1]
		}
		stacks[id] = bytes.Clone(bytes.TrimSpace(stack))
	}
	return stacks
}

// engineFrames is where the stack of a task turns into that of what runs it.
var engineFrames = regexp.MustCompile(`(?m)^\S*/(group\.\(\*Engine\[.*\]\)\.serve|pool\.\(\*worker\)\.\w+)`)

// ownFrames are coterie's frames at the end of what is left, between the engine
// and the caller's function.
var ownFrames = regexp.MustCompile(`(\n\S*/coterie/(core|group|errgroup|pool)\..*\n\t.*)+\s*$`)

// GoroutineID returns the number by which stack traces call this goroutine. It
// takes microseconds, the more the deeper the stack.
func GoroutineID() uint64 {
	var buf [64]byte
	return parseGoroutineID(buf[:runtime.Stack(buf[:], false)])
}

func parseGoroutineID(stack []byte) uint64 {
	stack = bytes.TrimPrefix(stack, []byte("goroutine "))
	digits, _, _ := bytes.Cut(stack, []byte(" "))
	id, _ := strconv.ParseUint(string(digits), 10, 64)
	return id
}
