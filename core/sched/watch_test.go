package sched_test

import (
	"bytes"
	"context"
	"runtime/trace"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coterie-go/coterie/group"
)

// recorded returns the execution trace of f. It holds the names of its tasks and regions as bytes.
func recorded(t *testing.T, f func()) string {
	if trace.IsEnabled() {
		t.Skip("another trace is being recorded")
	}
	var b bytes.Buffer
	require.NoError(t, trace.Start(&b))
	f()
	trace.Stop()
	return b.String()
}

func TestAnExecutionTraceHas(t *testing.T) {
	t.Run("an owner with a name, also without tasks", func(t *testing.T) {
		require.Contains(t, recorded(t, func() { group.New(group.Options{Name: "traced owner"}).Wait() }), "traced owner")
	})

	t.Run("tasks with a name, whatever the owner", func(t *testing.T) {
		before := group.New(group.Options{Name: "made before the trace"})
		text := recorded(t, func() {
			before.GoNamed("a task", func() {})
			before.Wait()
			require.NoError(t, before.GoContext(t.Context(), func(context.Context) {}))
			before.Wait()
			var unnamed group.Group
			unnamed.GoNamed("a task without an owner's name", func() {})
			unnamed.Wait()
		})
		require.Contains(t, text, "made before the trace/a task")
		require.Contains(t, text, "a task without an owner's name")
	})
}
