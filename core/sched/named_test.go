package sched

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
)

// A workerFunc is a task that calls a function with its worker.
type workerFunc func(w *Worker)

func (f workerFunc) Run(w *Worker) { f(w) }

// A worker that has claimed the entry of a task that RunClaimed runs has no task, and none waits.
func TestCountsWhileAWorkerDiscardsAnEntry(t *testing.T) {
	s := newLimited("", 1, 8)
	var c Context
	c.Init(context.Background(), s, nil)
	var counts Counts
	require.True(t, s.Go(nil, workerFunc(func(w *Worker) {
		c.Begin(w)
		defer c.End(w)
		place, _ := s.PlaceOf(&c)
		s.Go(nil, workerFunc(func(w *Worker) {
			w.MarkVoid()
			counts = s.Counts()
		}))
		s.RunClaimed(place, Func(func() {}))
	})))
	require.NoError(t, s.Wait(nil))
	s.ClosePool()
	require.NoError(t, s.Join(nil))
	require.Equal(t, Counts{Workers: 1, Accepted: 2, Completed: 2}, counts)
}
