package core

import (
	"errors"
	"fmt"
	"io"
	"reflect"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/coterie-go/coterie/core/internal/bridge"
	"github.com/coterie-go/coterie/core/internal/quote"
	"github.com/coterie-go/coterie/core/internal/stack"
)

// This file moves a panic to another goroutine: Call catches it, a PanicError carries it, and Raise
// panics with it again. In between, core/sched/failures.go keeps it until a wait takes it.

// A PanicPolicy selects what an owner does with a panic of a task.
type PanicPolicy int

const (
	// Propagate keeps the panic, and Wait raises it as a *[PanicError], with the value and the
	// stack of the first panic, and the further panics as its Others. The other tasks run on. An
	// owner with a context cancels the context at once. The process ends with the panic if the
	// owner is garbage-collected before a Wait has raised it.
	Propagate PanicPolicy = iota
	// Crash ends the process with the panic and its stack. No Wait returns before the process has
	// ended.
	Crash
	// Capture passes the panic to Options.OnPanic, and Wait does not raise it. In errgroup the
	// panic becomes the task's error instead.
	Capture
)

// Call runs f and distinguishes the three ways in which f can end.
//
// If f returns, Call returns, and does not call aborted. Call recovers a panic of f, calls aborted
// with it, and returns. If f calls [runtime.Goexit], Call calls aborted with nil, and then the
// goroutine exits: Call does not return.
//
// Deferred functions of f can make both happen:
//   - After a panic during a Goexit, aborted gets the PanicError with its Goexit field set. The
//     runtime resumes the Goexit, so Call does not return.
//   - After a Goexit during a panic, aborted gets nil. The runtime forgets the panic and its value
//     then, whether it was recovered or not.
//   - After a panic during a panic, aborted gets a PanicError with the later value, because recover
//     returns that.
//
// A caller that must always do something after Call does it in a deferred function.
//
// aborted runs on top of the stack that panicked. If aborted panics, Call panics, and the report of
// a crash still shows where the first panic came from. Call panics if f or aborted is nil.
//
// If f returns, Call costs about 2 ns more than a plain call of f, and allocates nothing.
func Call(f func(), aborted func(p *PanicError)) {
	if f == nil || aborted == nil {
		panic("core: nil function")
	}
	returned := false
	defer func() {
		if !returned {
			abort(recover(), aborted)
		}
	}()
	f()
	returned = true
}

// abort calls aborted after the function that Call ran has panicked or called Goexit. recovered is
// the value that recover returned.
func abort(recovered any, aborted func(p *PanicError)) {
	panics, exits := unwinding()
	if recovered == nil && panics { // panic(nil) with GODEBUG=panicnil=1
		recovered = new(runtime.PanicNilError)
	}
	if recovered == nil {
		aborted(nil)
		return
	}
	p := NewPanicError(recovered)
	if exits && !p.Goexit {
		both := *p
		both.Goexit = true
		p = &both
	}
	aborted(p)
}

// unwinding is called in a deferred function of Call. It reports whether a panic unwinds the
// function that Call ran, and whether a Goexit does, perhaps beneath that panic.
func unwinding() (panics, exits bool) {
	var pcs [64]uintptr
	for skip := 3; ; skip += len(pcs) {
		n := runtime.Callers(skip, pcs[:])
		frames := runtime.CallersFrames(pcs[:n])
		for more := n > 0; more; {
			var frame runtime.Frame
			frame, more = frames.Next()
			switch frame.Function {
			case "runtime.gopanic":
				panics = panics || !exits
			case "runtime.Goexit":
				exits = true
			case callName:
				return panics, exits
			}
		}
		if n < len(pcs) {
			return panics, exits
		}
	}
}

const callName = "github.com/coterie-go/coterie/core.Call"

// ErrGoexit is the error that owners report for a task that called [runtime.Goexit]. t.FailNow and
// t.Skip of a test call it.
var ErrGoexit = errors.New("core: task called runtime.Goexit")

// A PanicError is a panic that was recovered in one goroutine, to be raised or returned as an error
// in another.
type PanicError struct {
	// Task is the path of the task that panicked, such as "ingest/fetch". It is empty if
	// the task has no name.
	Task string
	// Value is the argument of panic. For panic(nil) it is a *[runtime.PanicNilError].
	Value any
	// Stack is the stack trace of the goroutine that panicked, from the call of panic on, without
	// the frames of coterie. It is that of the innermost panic if panics were nested.
	Stack []byte
	// Goexit reports whether the goroutine was exiting, by [runtime.Goexit], when a deferred
	// function panicked. The goroutine then exits.
	Goexit bool
	// Others are further panics that the same owner recovered before it raised the first: at most
	// 32.
	Others []*PanicError
	// More is the number of further panics that did not fit into Others.
	More int

	byGet  *bridge.Raised
	copyOf *PanicError // in the copy with which Raise panics: the original; otherwise nil
}

func init() {
	bridge.RaisedOf = func(panicked error) *bridge.Raised { return panicked.(*PanicError).byGet }
	bridge.Again = func(panicked error) error {
		p := panicked.(*PanicError)
		if !p.byGet.IsSet() {
			return p
		}
		again := *p
		again.byGet = p.byGet.Next()
		return &again
	}
}

// NewPanicError makes a PanicError of v, the value that recover returned. The deferred function
// that called recover must call it, because its stack still shows where the panic came from.
//
// NewPanicError returns the original of v if v is a PanicError. The result has the stack of the
// PanicError that v wraps, if it wraps one.
func NewPanicError(v any) *PanicError {
	inner := innermost(v)
	if inner == nil {
		trace := stack.Parse(debug.Stack()).TrimOwn()
		return &PanicError{Value: v, Stack: trace.Append(nil), byGet: new(bridge.Raised)}
	}
	if p, ok := v.(*PanicError); ok && p == inner {
		return p.original()
	}
	return &PanicError{Value: v, Task: inner.Task, Stack: inner.Stack, byGet: inner.byGet}
}

// innermost returns v if it is a PanicError, the PanicError that v wraps, or nil.
func innermost(v any) (p *PanicError) {
	err, ok := v.(error)
	if !ok {
		return nil
	}
	defer func() { // the methods of v may panic, for example if v is a typed nil
		if recover() != nil {
			p = nil
		}
	}()
	errors.As(err, &p)
	return p
}

func (p *PanicError) original() *PanicError {
	if p != nil && p.copyOf != nil {
		return p.copyOf
	}
	return p
}

// Raise panics with p as Wait and Get do: with a copy of p whose Error returns the stacks too. The
// runtime prints Error if nothing recovers the panic.
//
// If Value is [net/http.ErrAbortHandler], and there are no other panics, Raise panics with Value
// itself, because net/http compares the recovered value with it.
func (p *PanicError) Raise() {
	p = p.original()
	if isAbortHandler(p.Value) && len(p.Others) == 0 && p.More == 0 {
		panic(p.Value)
	}
	raised := *p
	raised.copyOf = p
	panic(&raised)
}

// isAbortHandler reports whether v is http.ErrAbortHandler. It compares type and text, because core
// does not import net/http.
func isAbortHandler(v any) bool {
	err, ok := v.(error)
	return ok && reflect.TypeOf(v) == reflect.TypeOf(ErrGoexit) && err.Error() == "net/http: abort Handler"
}

// Unwrap returns Value if Value is an error.
func (p *PanicError) Unwrap() error {
	if p == nil { // a nil *PanicError may be the value of a panic
		return nil
	}
	err, _ := p.Value.(error)
	return err
}

// Error returns one line: the task, the value, and the number of further panics. Task and value are
// quoted if they are not printable. For the value with which Wait, Get and Raise panic, Error
// returns the text and the stacks of all panics.
func (p *PanicError) Error() string {
	if p.copyOf != nil {
		// The runtime prints "panic: " before it.
		return p.details(strings.TrimPrefix(p.title("")+": ", ": "))
	}
	text := p.title("panic") + ": " + quote.Unprintable(p.text())
	if further := len(p.Others) + p.More; further > 0 {
		text += fmt.Sprintf(" (and %d more)", further)
	}
	return text
}

// Format implements [fmt.Formatter]. The verb %+v prints the text and the stacks of all panics.
// Every other verb formats the string that Error returns.
func (p *PanicError) Format(s fmt.State, verb rune) {
	if p == nil {
		io.WriteString(s, "<nil>")
		return
	}
	if verb == 'v' && s.Flag('+') {
		io.WriteString(s, p.details(p.title("panic")+": "))
		return
	}
	if verb == 'v' { // also for %#v
		verb = 's'
	}
	fmt.Fprintf(s, fmt.FormatString(s, verb), p.Error())
}

// title returns word, and the name of the task if it has one.
func (p *PanicError) title(word string) string {
	switch {
	case p.Task == "":
		return word
	case word == "":
		return quote.Unprintable(p.Task)
	}
	return word + " in " + quote.Unprintable(p.Task)
}

// details returns the title, the text of the value and the stack, and then the same for the Others,
// also those of a PanicError that the value wraps. It leaves out the stack if the text contains it.
func (p *PanicError) details(title string) string {
	var b strings.Builder
	text := p.text()
	b.WriteString(title)
	for i, line := range strings.Split(text, "\n") {
		if i > 0 {
			b.WriteString("\n\t")
		}
		b.WriteString(quote.Unprintable(line))
	}
	if stack := strings.TrimSpace(string(p.Stack)); !strings.Contains(text, stack) {
		b.WriteString("\n\n" + stack)
	}
	others, more := p.Others, p.More
	for inner := innermost(p.Value); inner != nil; inner = innermost(inner.Value) {
		others, more = slices.Concat(inner.Others, others), more+inner.More
	}
	for i, other := range others {
		title := other.title(fmt.Sprintf("another panic (%d of %d)", i+1, len(others)+more))
		b.WriteString("\n\n" + other.details(title+": "))
	}
	if more > 0 {
		fmt.Fprintf(&b, "\n\nand %d more panics", more)
	}
	return b.String()
}

// text returns the text of the value. If the value wraps a PanicError that was raised, whose text
// has stacks, text replaces that part by one line.
func (p *PanicError) text() string {
	text := fmt.Sprint(p.Value)
	if inner := innermost(p.Value); inner != nil && inner.copyOf != nil {
		text = strings.ReplaceAll(text, inner.Error(), inner.copyOf.Error())
	}
	return text
}
