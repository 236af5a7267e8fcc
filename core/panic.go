package core

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
)

// ErrGoexit stands for a task that ended by [runtime.Goexit], as t.FailNow and
// t.Skip of a test do, where an owner reports that as an error.
var ErrGoexit = errors.New("core: task called runtime.Goexit")

// A PanicError is a panic that was caught in one goroutine to be raised, or
// returned as an error, in another.
type PanicError struct {
	// Value is what panic was called with. For panic(nil) it is a
	// *[runtime.PanicNilError].
	Value any
	// Stack is the stack trace of the goroutine that panicked, from the call of
	// panic on. Where panics were nested it is that of the innermost.
	Stack []byte
	// Others are the further panics that the same owner caught before anyone
	// could be told of the first.
	Others []*PanicError
}

// Error returns the value and the stack, and then the same of the others. A
// stack that is in the value's own text already, because the value is or wraps
// another PanicError, is not repeated.
func (p *PanicError) Error() string {
	var b strings.Builder
	p.write(&b)
	return b.String()
}

func (p *PanicError) write(b *strings.Builder) {
	value := fmt.Sprint(p.Value)
	b.WriteString("panic: ")
	b.WriteString(value)
	if stack := string(bytes.TrimSpace(p.Stack)); !strings.Contains(value, stack) {
		b.WriteString("\n\n")
		b.WriteString(stack)
	}
	for i, other := range p.Others {
		fmt.Fprintf(b, "\n\nanother panic (%d of %d): ", i+1, len(p.Others))
		other.write(b)
	}
}

// Unwrap returns Value if that is an error.
func (p *PanicError) Unwrap() error {
	if p == nil { // which a panic value may be
		return nil
	}
	err, _ := p.Value.(error)
	return err
}

// innermost returns the PanicError that a panic value is or wraps, or nil.
func innermost(v any) (p *PanicError) {
	err, ok := v.(error)
	if !ok {
		return nil
	}
	// The value may be one whose methods panic, such as a typed nil.
	defer func() {
		if recover() != nil {
			p = nil
		}
	}()
	errors.As(err, &p)
	return p
}

// NewPanicError makes a PanicError of what recover returned; it is to be called by
// the deferred function that called recover, whose stack still shows where the
// panic came from. A PanicError that was raised again is returned as it is, and
// the stack of one that v wraps is taken over: where it all began is what the
// reader wants to know.
func NewPanicError(v any) *PanicError {
	if p := innermost(v); p != nil {
		if v == any(p) {
			return p
		}
		return &PanicError{Value: v, Stack: p.Stack}
	}
	stack := debug.Stack()
	// Leave out the frames of the recovery, which stand above that of panic.
	header, frames, _ := bytes.Cut(stack, []byte("\n"))
	if i := bytes.Index(frames, []byte("\npanic(")); i >= 0 {
		frames = frames[i+1:]
		stack = append(append(header[:len(header):len(header)], '\n'), frames...)
	}
	return &PanicError{Value: v, Stack: stack}
}

// Call runs f and tells apart the three ways in which it can end.
//
// If f returns, so does Call, and aborted is not called. If f panics, Call
// catches the panic, calls aborted with it, and returns. If f calls
// [runtime.Goexit], Call calls aborted with nil, and the goroutine goes on to
// exit: Call does not return.
//
// A deferred function of f may panic while a Goexit of f is under way. Call then
// reports the panic, but the runtime resumes the Goexit: Call does not return.
// So whoever must do something after Call in any case does it in a deferred
// function.
//
// aborted runs on top of the stack that panicked: if it panics itself, the
// report of the crash still shows where the first panic came from.
//
// If aborted panics, Call does too. Call panics if f or aborted is nil.
//
// A call that returns costs about 2 ns more than a plain call, and allocates
// nothing.
func Call(f func(), aborted func(p *PanicError)) {
	if f == nil || aborted == nil {
		panic("core: nil function")
	}
	returned := false
	defer func() {
		if returned {
			return
		}
		if v := recover(); v != nil {
			aborted(NewPanicError(v))
		} else if panicking() {
			aborted(NewPanicError(new(runtime.PanicNilError)))
		} else {
			aborted(nil)
		}
	}()
	f()
	returned = true
}

// panicking tells, within a deferred function whose recover returned nil, a
// panic(nil) under GODEBUG=panicnil=1 from a Goexit.
func panicking() bool {
	var pcs [32]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs[:])])
	for {
		frame, more := frames.Next()
		switch frame.Function {
		case "runtime.gopanic":
			return true
		case "runtime.Goexit":
			return false
		}
		if !more {
			return false
		}
	}
}
