package core

import (
	"errors"
	"fmt"
	"io"
	"reflect"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/coterie-go/coterie/core/internal/quote"
	"github.com/coterie-go/coterie/core/internal/stack"
	"github.com/coterie-go/coterie/core/internal/told"
)

// This file holds how a panic travels: Call catches it, a PanicError carries it, Raise
// raises it again. In between core/sched/failures.go keeps it until a wait.

// A PanicPolicy says what becomes of a panic in a task.
type PanicPolicy int

const (
	// Propagate keeps the panic and raises it in Wait, as a *[PanicError] with the value
	// and the stack of the first panic and the further ones as its Others. The other tasks
	// run on. An owner with a context cancels it at once. If no Wait raises the panic, the
	// process ends with it when the owner is collected.
	Propagate PanicPolicy = iota
	// Crash lets the panic end the process from where it happened, with its own stack. No
	// Wait returns meanwhile.
	Crash
	// Capture gives the panic to Options.OnPanic, and Wait does not raise it. In errgroup
	// it becomes the task's error instead.
	Capture
)

// Call runs f and tells apart the three ways in which it can end.
//
// If f returns, Call returns, and does not call aborted. If f panics, Call catches the
// panic, calls aborted with it, and returns. If f calls [runtime.Goexit], Call calls
// aborted with nil, and the goroutine goes on to exit: Call does not return.
//
// Deferred functions of f can make both happen:
//   - A panic during a Goexit is reported, with the Goexit field of the PanicError set.
//     The runtime resumes the Goexit, so Call does not return.
//   - A Goexit during a panic is reported as a Goexit. The runtime forgets the panic and
//     its value then, whether it was recovered or not.
//   - A panic during a panic is reported with the later value, which is what recover
//     returns.
//
// A caller that must do something after Call in any case does it in a deferred function.
//
// aborted runs on top of the stack that panicked. If aborted panics, so does Call, and the
// report of a crash still shows where the first panic came from. Call panics if f or
// aborted is nil.
//
// A call that returns costs about 2 ns more than a plain call, and allocates nothing.
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

// abort reports how the function that Call ran ended. Recovered is what recover returned.
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

// unwinding reports, in a deferred function of Call, whether the function that Call ran is
// being unwound by a panic, and whether a Goexit is under way, perhaps beneath that panic.
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

// ErrGoexit stands for a task that ended by [runtime.Goexit], as t.FailNow and t.Skip of a
// test do, where an owner reports that as an error.
var ErrGoexit = errors.New("core: task called runtime.Goexit")

// A PanicError is a panic that was caught in one goroutine to be raised, or returned as an
// error, in another.
type PanicError struct {
	// Task is the path of the task that panicked, such as "ingest/fetch". It is empty if
	// the task has no name.
	Task string
	// Value is what panic was called with. For panic(nil) it is a
	// *[runtime.PanicNilError].
	Value any
	// Stack is the stack trace of the goroutine that panicked, from the call of panic on,
	// without the frames of coterie. Where panics were nested it is that of the innermost.
	Stack []byte
	// Goexit reports whether the goroutine was exiting, by [runtime.Goexit], when a
	// deferred function panicked. It goes on to exit.
	Goexit bool
	// Others are further panics that the same owner caught before it could tell of the
	// first: at most 32.
	Others []*PanicError
	// More is the number of further panics that are not in Others.
	More int

	mark   *told.Mark
	raised *PanicError // not nil in the copy that Raise panics with: the original
}

func init() {
	told.Of = func(panicked error) *told.Mark { return panicked.(*PanicError).mark }
}

// NewPanicError makes a PanicError of what recover returned. The deferred function that
// called recover must call it, because its stack still shows where the panic came from.
//
// If v is a PanicError that was raised again, NewPanicError returns the original. If v
// wraps one, the result has the original's stack.
func NewPanicError(v any) *PanicError {
	inner := innermost(v)
	if inner == nil {
		trace := stack.Parse(debug.Stack()).TrimOwn()
		return &PanicError{Value: v, Stack: trace.Append(nil), mark: new(told.Mark)}
	}
	if p, ok := v.(*PanicError); ok && p == inner {
		return p.original()
	}
	return &PanicError{Value: v, Task: inner.Task, Stack: inner.Stack, mark: inner.mark}
}

// innermost returns the PanicError that a panic value is or wraps, or nil.
func innermost(v any) (p *PanicError) {
	err, ok := v.(error)
	if !ok {
		return nil
	}
	defer func() { // the methods of the value may panic, as those of a typed nil do
		if recover() != nil {
			p = nil
		}
	}()
	errors.As(err, &p)
	return p
}

func (p *PanicError) original() *PanicError {
	if p != nil && p.raised != nil {
		return p.raised
	}
	return p
}

// Raise panics with p as Wait and Get do: with a copy whose Error has the stacks, because
// that is what the runtime prints if nothing recovers it.
//
// If the value is [net/http.ErrAbortHandler], and there are no other panics, Raise panics
// with that value itself: net/http compares what it recovers with it.
func (p *PanicError) Raise() {
	p = p.original()
	if isAbortHandler(p.Value) && len(p.Others) == 0 && p.More == 0 {
		panic(p.Value)
	}
	raised := *p
	raised.raised = p
	panic(&raised)
}

// isAbortHandler reports whether v is http.ErrAbortHandler, which only an import of net/http
// could name.
func isAbortHandler(v any) bool {
	err, ok := v.(error)
	return ok && reflect.TypeOf(v) == reflect.TypeOf(ErrGoexit) && err.Error() == "net/http: abort Handler"
}

// Unwrap returns Value if that is an error.
func (p *PanicError) Unwrap() error {
	if p == nil { // which a panic value may be
		return nil
	}
	err, _ := p.Value.(error)
	return err
}

// Error returns one line: the task, the value, and the number of further panics. What is
// not printable is quoted. For the value that Wait, Get and Raise panic with, it returns
// the text and the stacks of all panics.
func (p *PanicError) Error() string {
	if p.raised != nil {
		// The runtime prints "panic: " before it.
		return p.details(strings.TrimPrefix(p.title("")+": ", ": "))
	}
	text := p.title("panic") + ": " + quote.Unprintable(p.text())
	if further := len(p.Others) + p.More; further > 0 {
		text += fmt.Sprintf(" (and %d more)", further)
	}
	return text
}

// Format implements [fmt.Formatter]. The verb %+v prints the text and the stacks of all
// panics. Every other verb prints what it prints of Error.
func (p *PanicError) Format(s fmt.State, verb rune) {
	if p == nil {
		io.WriteString(s, "<nil>")
		return
	}
	if verb == 'v' && s.Flag('+') {
		io.WriteString(s, p.details(p.title("panic")+": "))
		return
	}
	if verb == 'v' { // %#v, too
		verb = 's'
	}
	fmt.Fprintf(s, fmt.FormatString(s, verb), p.Error())
}

// title returns the word and, if the task has a name, which it is.
func (p *PanicError) title(word string) string {
	switch {
	case p.Task == "":
		return word
	case word == "":
		return quote.Unprintable(p.Task)
	}
	return word + " in " + quote.Unprintable(p.Task)
}

// details returns the title, the text of the value, and the stack, then the same of the
// others. It leaves out a stack that the text contains.
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
	for i, other := range p.Others {
		title := other.title(fmt.Sprintf("another panic (%d of %d)", i+1, len(p.Others)+p.More))
		b.WriteString("\n\n" + other.details(title+": "))
	}
	if p.More > 0 {
		fmt.Fprintf(&b, "\n\nand %d more panics", p.More)
	}
	return b.String()
}

// text returns the text of the value. If the value wraps a raised PanicError, whose text
// has the stacks, the text has one line of that.
func (p *PanicError) text() string {
	text := fmt.Sprint(p.Value)
	if inner := innermost(p.Value); inner != nil && inner.raised != nil {
		text = strings.ReplaceAll(text, inner.Error(), inner.raised.Error())
	}
	return text
}
