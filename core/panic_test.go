package core_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/core/child"
)

// ending says how a call of core.Call ended.
type ending struct {
	returned bool // Call did
	aborted  int  // calls of aborted
	panicked *core.PanicError
}

func call(f func()) (e ending) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		core.Call(f, func(p *core.PanicError) {
			e.aborted++
			e.panicked = p
		})
		e.returned = true
	}()
	<-done
	return e
}

//go:noinline
func panicHere(v any) { panic(v) }

// A nilFriend is an error whose methods do not bear a nil receiver.
type nilFriend struct{ err error }

func (e *nilFriend) Error() string { return e.err.Error() }
func (e *nilFriend) Unwrap() error { return e.err }

func TestCall(t *testing.T) {
	t.Run("a function that returns", func(t *testing.T) {
		ran := false
		require.Equal(t, ending{returned: true}, call(func() { ran = true }))
		require.True(t, ran)
	})

	t.Run("a function that panics", func(t *testing.T) {
		e := call(func() { panicHere("boom") })
		require.True(t, e.returned)
		require.Equal(t, 1, e.aborted)
		require.Equal(t, "boom", e.panicked.Value)
		require.Empty(t, e.panicked.Others)
		require.NoError(t, errors.Unwrap(e.panicked))
		lines := strings.Split(string(e.panicked.Stack), "\n")
		require.Regexp(t, `^goroutine \d+ \[running\]:$`, lines[0])
		require.Regexp(t, `^panic\(`, lines[1])
		require.Regexp(t, `core_test\.panicHere\(`, lines[3])
		require.EqualError(t, e.panicked, "panic: boom")
	})

	t.Run("a function that exits its goroutine", func(t *testing.T) {
		require.Equal(t, ending{aborted: 1}, call(runtime.Goexit))
	})

	t.Run("a panic with an error can be unwrapped", func(t *testing.T) {
		e := call(func() { panicHere(fmt.Errorf("reading: %w", io.ErrUnexpectedEOF)) })
		require.ErrorIs(t, e.panicked, io.ErrUnexpectedEOF)
	})

	t.Run("a runtime error", func(t *testing.T) {
		e := call(func() { _ = strings.Split("a", "b")[len(os.Args)] })
		var runtimeError runtime.Error
		require.ErrorAs(t, e.panicked, &runtimeError)
		require.Contains(t, e.panicked.Error(), "index out of range")
		require.Regexp(t, `^goroutine .*\npanic\(`, string(e.panicked.Stack))
	})

	t.Run("panic(nil) is told from a Goexit, also as it was before Go 1.21", func(t *testing.T) {
		inside, output, err := child.Run(t, "GODEBUG=panicnil=1")
		if !inside {
			require.NoError(t, err, output)
		}
		e := call(func() { panicHere(nil) })
		require.True(t, e.returned)
		require.Equal(t, 1, e.aborted)
		var panicNil *runtime.PanicNilError
		require.ErrorAs(t, e.panicked, &panicNil)
		require.Contains(t, string(e.panicked.Stack), "core_test.panicHere(")
		require.Equal(t, ending{aborted: 1}, call(runtime.Goexit))
		if inside { // as it was: recover does not see it
			require.Empty(t, outcomeOf(func() { panicHere(nil) }))
		}
	})

	t.Run("panic(nil) in a deferred function during a Goexit, and the reverse", func(t *testing.T) {
		e := call(func() {
			defer panicHere(nil)
			runtime.Goexit()
		})
		require.False(t, e.returned)
		require.NotNil(t, e.panicked)
		e = call(func() {
			defer runtime.Goexit()
			panicHere(nil)
		})
		require.Equal(t, ending{aborted: 1}, e)
	})

	t.Run("a panic during a Goexit is reported with it, and the Goexit goes on", func(t *testing.T) {
		e := call(func() {
			defer panicHere("late")
			runtime.Goexit()
		})
		require.False(t, e.returned)
		require.Equal(t, 1, e.aborted)
		require.Equal(t, "late", e.panicked.Value)
		require.True(t, e.panicked.Goexit)
	})

	t.Run("a panic that was raised during a Goexit is reported with it, and stays as it was", func(t *testing.T) {
		first := call(func() { panicHere("early") }).panicked
		e := call(func() {
			defer first.Raise()
			runtime.Goexit()
		})
		require.True(t, e.panicked.Goexit)
		require.Equal(t, "early", e.panicked.Value)
		require.False(t, first.Goexit)
	})

	t.Run("a Goexit during a panic is a Goexit", func(t *testing.T) {
		for _, recovers := range []bool{false, true} {
			e := call(func() {
				defer func() {
					if recovers {
						require.Equal(t, "early", recover())
					}
					runtime.Goexit()
				}()
				panicHere("early")
			})
			require.Equal(t, ending{aborted: 1}, e)
		}
	})

	t.Run("of three in a row the last counts, and a Goexit beneath it goes on", func(t *testing.T) {
		e := call(func() {
			defer panicHere("last")
			defer runtime.Goexit()
			panicHere("first")
		})
		require.False(t, e.returned)
		require.Equal(t, "last", e.panicked.Value)
		require.True(t, e.panicked.Goexit)
		require.Equal(t, ending{aborted: 1}, call(func() {
			defer runtime.Goexit()
			defer panicHere("second")
			runtime.Goexit()
		}))
	})

	t.Run("a panic during a panic is reported", func(t *testing.T) {
		e := call(func() {
			defer panicHere("second")
			panicHere("first")
		})
		require.True(t, e.returned)
		require.Equal(t, "second", e.panicked.Value)
		require.False(t, e.panicked.Goexit)
	})

	t.Run("a Goexit outside does not count", func(t *testing.T) {
		var within ending
		e := call(func() {
			defer func() {
				core.Call(func() { deep(200, func() { panicHere("within") }) }, func(p *core.PanicError) { within.panicked = p })
				within.returned = true
			}()
			runtime.Goexit()
		})
		require.Equal(t, ending{aborted: 1}, e)
		require.True(t, within.returned)
		require.False(t, within.panicked.Goexit)
	})

	t.Run("a Goexit far below a panic counts", func(t *testing.T) {
		e := call(func() {
			defer deep(200, func() { panicHere("late") })
			runtime.Goexit()
		})
		require.True(t, e.panicked.Goexit)
	})

	t.Run("a panic that f recovers is none", func(t *testing.T) {
		require.Equal(t, ending{returned: true}, call(func() {
			defer func() { _ = recover() }()
			panicHere("caught")
		}))
	})

	t.Run("a panic of aborted goes on", func(t *testing.T) {
		require.PanicsWithValue(t, "second", func() {
			core.Call(func() { panicHere("first") }, func(*core.PanicError) { panicHere("second") })
		})
	})

	t.Run("a nil function panics at the call", func(t *testing.T) {
		require.PanicsWithValue(t, "core: nil function", func() { core.Call(nil, func(*core.PanicError) {}) })
		require.PanicsWithValue(t, "core: nil function", func() { core.Call(func() {}, nil) })
	})

	t.Run("the way on which nothing goes wrong allocates nothing", func(t *testing.T) {
		calls := 0
		f, aborted := func() { calls++ }, func(*core.PanicError) {}
		require.Zero(t, testing.AllocsPerRun(1000, func() { core.Call(f, aborted) }))
		require.Equal(t, 1001, calls)
	})
}

// deep calls f with so many frames beneath it.
func deep(frames int, f func()) {
	if frames > 0 {
		deep(frames-1, f)
		return
	}
	f()
}

// A hidden error says nothing of the one within.
type hidden struct{ error }

func (hidden) Error() string   { return "hidden" }
func (h hidden) Unwrap() error { return h.error }

// raise returns what p.Raise panics with.
func raise(p *core.PanicError) (v any) {
	defer func() { v = recover() }()
	p.Raise()
	return nil
}

func details(p error) string { return fmt.Sprintf("%+v", p) }

func TestPanicError(t *testing.T) {
	// origins counts the stacks in a text that show where it began.
	origins := func(text string) int { return strings.Count(text, "core_test.panicHere(") }
	boom := func() *core.PanicError { return call(func() { panicHere("boom") }).panicked }

	t.Run("an error is one line, and what is not printable is quoted", func(t *testing.T) {
		for want, p := range map[string]*core.PanicError{
			`panic: boom`:                        {Value: "boom", Stack: []byte("goroutine 7 [running]:")},
			`panic in ingest/fetch: boom`:        {Value: "boom", Task: "ingest/fetch"},
			`panic: 7`:                           {Value: 7},
			`panic: file already closed`:         {Value: os.ErrClosed},
			`panic in "a\nb": "1\n2"`:            {Value: "1\n2", Task: "a\nb"},
			`panic: "\x1b[31mred"`:               {Value: "\x1b[31mred"},
			`panic: "\xff"`:                      {Value: "\xff"},
			`panic: größer ≠ kleiner`:            {Value: "größer ≠ kleiner"},
			`panic: boom (and 1 more)`:           {Value: "boom", Others: []*core.PanicError{{Value: "b"}}},
			`panic in a: boom (and 6 more)`:      {Value: "boom", Task: "a", Others: []*core.PanicError{{Value: "b"}}, More: 5},
			`panic: panic in a: "line\x00 feed"`: {Value: &core.PanicError{Value: "line\x00 feed", Task: "a"}},
		} {
			require.EqualError(t, p, want)
			require.Equal(t, want, fmt.Sprint(p))
			require.Equal(t, want, fmt.Sprintf("%s", p))
			require.Equal(t, want, fmt.Sprintf("%#v", p))
			require.Equal(t, fmt.Sprintf("%q", want), fmt.Sprintf("%q", p))
			require.Equal(t, fmt.Sprintf("%-80s|", want), fmt.Sprintf("%-80s|", p))
		}
	})

	t.Run("its details have the stacks of all, and each line of a value is quoted by itself", func(t *testing.T) {
		p := &core.PanicError{Value: "a", Stack: []byte("stack a\n"), More: 3, Others: []*core.PanicError{
			{Value: "b", Stack: []byte("stack b\n"), Others: []*core.PanicError{{Value: "c"}}},
			{Value: "d\nand \x00", Task: "mail", Stack: []byte("stack d\n")},
		}}
		const rest = "a\n\nstack a" +
			"\n\nanother panic (1 of 5): b\n\nstack b" +
			"\n\nanother panic (1 of 1): c" +
			"\n\nanother panic (2 of 5) in mail: d\n\t\"and \\x00\"\n\nstack d" +
			"\n\nand 3 more panics"
		require.Equal(t, "panic: "+rest, details(p))
		require.EqualError(t, raise(p).(error), rest)
		p.Task = "ingest"
		require.Equal(t, "panic in ingest: "+rest, details(p))
		require.EqualError(t, raise(p).(error), "ingest: "+rest)
	})

	t.Run("raised it shows its stack, once, and can be unwrapped", func(t *testing.T) {
		p := call(func() { panicHere(io.ErrClosedPipe) }).panicked
		raised := raise(p).(*core.PanicError)
		require.Equal(t, io.ErrClosedPipe, raised.Value)
		require.ErrorIs(t, raised, io.ErrClosedPipe)
		require.EqualError(t, raised, "io: read/write on closed pipe\n\n"+string(p.Stack))
		require.Equal(t, 1, origins(raised.Error()))
		require.Equal(t, details(p), details(raised))
		require.EqualError(t, raise(raised).(error), raised.Error())
	})

	t.Run("caught again it is the same, and one line", func(t *testing.T) {
		first := boom()
		require.Same(t, first, call(func() { panic(first) }).panicked)
		require.Same(t, first, call(func() { first.Raise() }).panicked)
	})

	t.Run("wrapped in another panic it keeps its stack, once", func(t *testing.T) {
		first := call(func() { panicHere(io.ErrClosedPipe) }).panicked
		second := call(func() { panic(fmt.Errorf("task 1: %w", first)) }).panicked
		third := call(func() { panic(fmt.Errorf("task 2: %w", second)) }).panicked
		require.Equal(t, first.Stack, third.Stack)
		require.ErrorIs(t, third, io.ErrClosedPipe)
		require.EqualError(t, third, "panic: task 2: panic: task 1: panic: io: read/write on closed pipe")
		require.Equal(t, third.Error()+"\n\n"+string(first.Stack), details(third))
	})

	t.Run("wrapped after it was raised it is one line", func(t *testing.T) {
		first := boom()
		second := call(func() { panic(fmt.Errorf("task 1: %w", raise(first).(error))) }).panicked
		require.EqualError(t, second, "panic: task 1: panic: boom")
		require.Equal(t, second.Error()+"\n\n"+string(first.Stack), details(second))
	})

	t.Run("wrapped it shows its Others too, however often", func(t *testing.T) {
		first := &core.PanicError{Value: "a", Stack: []byte("stack a"), More: 2, Others: []*core.PanicError{{Value: "b", Stack: []byte("stack b")}}}
		second := call(func() { panic(fmt.Errorf("task 1: %w", raise(first).(error))) }).panicked
		third := call(func() { panic(fmt.Errorf("task 2: %w", raise(second).(error))) }).panicked
		const others = "\n\nstack a\n\nanother panic (1 of 3): b\n\nstack b\n\nand 2 more panics"
		require.Equal(t, "panic: task 1: panic: a (and 3 more)"+others, details(second))
		require.Equal(t, "panic: task 2: panic: task 1: panic: a (and 3 more)"+others, details(third))
	})

	t.Run("wrapped in an error that hides its text it shows its stack all the same", func(t *testing.T) {
		second := call(func() { panic(&nilFriend{hidden{boom()}}) }).panicked
		require.EqualError(t, second, "panic: hidden")
		require.Equal(t, 1, origins(details(second)))
	})

	t.Run("a stack that the text has is not repeated", func(t *testing.T) {
		p := boom()
		p.Value = details(p)
		require.Equal(t, 1, origins(details(p)))
	})

	t.Run("http.ErrAbortHandler is raised as it is, so that a handler may do so", func(t *testing.T) {
		p := call(func() { panicHere(http.ErrAbortHandler) }).panicked
		require.Equal(t, any(http.ErrAbortHandler), raise(p))
		p.Others = []*core.PanicError{boom()}
		require.Same(t, http.ErrAbortHandler, raise(p).(*core.PanicError).Value)
		p = call(func() { panicHere(fmt.Errorf("wrapped: %w", http.ErrAbortHandler)) }).panicked
		require.IsType(t, p, raise(p))
	})

	t.Run("of a nil pointer that is an error", func(t *testing.T) {
		for _, value := range []error{(*nilFriend)(nil), (*core.PanicError)(nil)} {
			e := call(func() { panicHere(value) })
			require.True(t, e.returned)
			require.Equal(t, value, e.panicked.Value)
			require.EqualError(t, e.panicked, "panic: <nil>")
			require.Equal(t, 1, origins(details(e.panicked)))
		}
		require.NoError(t, errors.Unwrap((*core.PanicError)(nil)))
		require.Equal(t, "<nil>", details((*core.PanicError)(nil)))
	})
}
