package core_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coterie-go/coterie/core"
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
		require.Equal(t, "panic: boom\n\n"+strings.TrimSpace(string(e.panicked.Stack)), e.panicked.Error())
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
	})

	t.Run("panic(nil) is told from a Goexit, also as it was before Go 1.21", func(t *testing.T) {
		inside, output, err := inChild(t, "GODEBUG=panicnil=1")
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

	t.Run("a panic during a Goexit is reported, and the Goexit goes on", func(t *testing.T) {
		e := call(func() {
			defer panicHere("late")
			runtime.Goexit()
		})
		require.False(t, e.returned)
		require.Equal(t, 1, e.aborted)
		require.Equal(t, "late", e.panicked.Value)
	})

	t.Run("a Goexit during a panic is a Goexit", func(t *testing.T) {
		e := call(func() {
			defer runtime.Goexit()
			panicHere("early")
		})
		require.Equal(t, ending{aborted: 1}, e)
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

func TestPanicError(t *testing.T) {
	// origin counts the stacks in the text that show where it began.
	origin := func(err error) int { return strings.Count(err.Error(), "core_test.panicHere(") }

	t.Run("raised again it stays the same", func(t *testing.T) {
		first := call(func() { panicHere("boom") }).panicked
		second := call(func() { panic(first) }).panicked
		require.Same(t, first, second)
		require.Equal(t, 1, origin(second))
	})

	t.Run("wrapped in another panic it keeps its stack, once", func(t *testing.T) {
		first := call(func() { panicHere(io.ErrClosedPipe) }).panicked
		second := call(func() { panic(fmt.Errorf("task 1: %w", first)) }).panicked
		third := call(func() { panic(fmt.Errorf("task 2: %w", second)) }).panicked
		require.Equal(t, first.Stack, third.Stack)
		require.Equal(t, 1, origin(third))
		require.Equal(t, 1, strings.Count(third.Error(), "[running]:"))
		require.ErrorIs(t, third, io.ErrClosedPipe)
		require.True(t, strings.HasPrefix(third.Error(), "panic: task 2: panic: task 1: panic: io: read/write on closed pipe\n\ngoroutine "))
	})

	t.Run("wrapped in an error that hides its text it shows its stack all the same", func(t *testing.T) {
		first := call(func() { panicHere("boom") }).panicked
		second := call(func() { panic(&nilFriend{hidden{first}}) }).panicked
		require.Equal(t, 1, origin(second))
		require.True(t, strings.HasPrefix(second.Error(), "panic: hidden\n\ngoroutine "))
	})

	t.Run("others are shown, and theirs", func(t *testing.T) {
		p := &core.PanicError{Value: "a", Stack: []byte("stack a\n"), Others: []*core.PanicError{
			{Value: "b", Stack: []byte("stack b\n"), Others: []*core.PanicError{{Value: "c"}}},
			{Value: "d", Stack: []byte("stack d\n")},
		}}
		require.EqualError(t, p, "panic: a\n\nstack a"+
			"\n\nanother panic (1 of 2): panic: b\n\nstack b"+
			"\n\nanother panic (1 of 1): panic: c"+
			"\n\nanother panic (2 of 2): panic: d\n\nstack d")
	})

	t.Run("of a nil pointer that is an error", func(t *testing.T) {
		for _, value := range []error{(*nilFriend)(nil), (*core.PanicError)(nil)} {
			e := call(func() { panicHere(value) })
			require.True(t, e.returned)
			require.NotNil(t, e.panicked)
			require.Equal(t, value, e.panicked.Value)
			require.Equal(t, 1, origin(e.panicked))
			require.True(t, strings.HasPrefix(e.panicked.Error(), "panic: <nil>\n\n"), e.panicked.Error())
		}
		require.NoError(t, errors.Unwrap((*core.PanicError)(nil)))
	})
}

// A hidden error says nothing of the one within.
type hidden struct{ error }

func (hidden) Error() string   { return "hidden" }
func (h hidden) Unwrap() error { return h.error }
