package pool_test

import (
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coterie-go/coterie/pool"
)

// A gauge counts the tasks that run code of their own at an instant: not those
// that wait for another, which may run in their place.
type gauge struct{ now, most atomic.Int32 }

func (g *gauge) enter() {
	now := g.now.Add(1)
	for most := g.most.Load(); now > most && !g.most.CompareAndSwap(most, now); most = g.most.Load() {
	}
	runtime.Gosched()
}

func (g *gauge) leave() { g.now.Add(-1) }

// pause is a wait in a task.
func (g *gauge) pause(wait func()) {
	g.leave()
	wait()
	g.enter()
}

// caught returns what f panicked with.
func caught(f func()) (v any) {
	defer func() { v = recover() }()
	f()
	return nil
}

// closeEmpty closes p and checks that it leaves nothing behind.
func closeEmpty(t *testing.T, p *pool.Pool) pool.Stats {
	t.Helper()
	p.Close()
	s := p.Stats()
	require.Equal(t, s.Submitted, s.Completed+s.Dropped)
	require.Equal(t, pool.Stats{
		Submitted: s.Submitted, Completed: s.Completed, Panicked: s.Panicked, Dropped: s.Dropped,
	}, s)
	return s
}
