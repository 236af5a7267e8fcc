package sched

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/core/race"
)

// limited is an owner with settings and nothing else.
type limited struct{ config Config }

func (l *limited) Aborted(_ *Scheduler, set *Set, _ Task, p *core.PanicError) { set.Fail(p) }

// A keyedFunc is a task with a key that does nothing if it is replaced.
type keyedFunc struct {
	Context
	KeyTask
	f func()
}

func (t *keyedFunc) Run(*Worker) { t.f() }
func (t *keyedFunc) Replaced()   {}

func keyedTask(s *Scheduler, f func()) *KeyTask {
	t := &keyedFunc{f: f}
	t.Context.Init(context.Background(), s, nil)
	t.KeyTask.Init(t)
	return &t.KeyTask
}

func newLimited(name string, workers, waiting int) *Scheduler {
	s := new(Scheduler)
	l := &limited{Config{Kind: "pool", Name: name}}
	l.config.Nest(context.Background())
	s.SetOwner(l, &l.config)
	s.Limit(workers, waiting)
	s.Register(context.Background())
	return s
}

func TestAKeyIsForgotten(t *testing.T) {
	if race.Hidden {
		t.Skip("a build with -race forgets no key")
	}
	for name, keys := range map[string]int{"when its submitter had to block for room": 1, "also if there are many": 1200} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newLimited("", 2, 0)
				k := NewKeyed[int](s, 1, 10)
				release, hold := make(chan struct{}), make(chan struct{})
				s.Go(nil, Func(func() { <-release }))
				require.NoError(t, k.GoContext(t.Context(), -1, keyedTask(s, func() { <-hold })))
				for key := range keys {
					go func() {
						assert.NoError(t, k.GoContext(t.Context(), key, keyedTask(s, func() {})))
					}()
				}
				synctest.Wait()
				require.Len(t, k.queues, keys+1)
				close(release)
				synctest.Wait()
				require.Len(t, k.queues, 1, "a key with a task stays")
				close(hold)
				k.Wait()
				require.Empty(t, k.queues)
				require.True(t, k.all.Empty())
				require.Equal(t, keys > 1000, k.queues == nil, "a map that was large is made anew")
				require.False(t, k.large)
			})
		})
	}

	t.Run("when the scheduler refuses its task", func(t *testing.T) {
		s := newLimited("", 1, 0)
		k := NewKeyed[int](s, 1, 10)
		s.ClosePool()
		require.ErrorIs(t, k.GoContext(t.Context(), 1, keyedTask(s, func() {})), ErrClosed)
		require.ErrorIs(t, k.Replace(t.Context(), 1, keyedTask(s, func() {}), false), ErrClosed)
		require.Empty(t, k.queues)
	})

	for name, wait := range map[string]func(k *Keyed[int]){
		"when a wait raises its panic": func(k *Keyed[int]) {
			raise, err := k.WaitKey(context.Background(), 1)
			require.NoError(t, err)
			raise()
		},
		"when a wait for all keys raises its panic": (*Keyed[int]).Wait,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newLimited("", 1, 0)
				k := NewKeyed[int](s, 1, 10)
				require.NoError(t, k.GoContext(t.Context(), 1, keyedTask(s, func() { panic("boom") })))
				synctest.Wait()
				require.Len(t, k.queues, 1)
				require.Panics(t, func() { wait(k) })
				require.Empty(t, k.queues)
			})
		})
	}

	t.Run("when its submitter has given up", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newLimited("", 1, 0)
			k := NewKeyed[int](s, 1, 10)
			s.Go(nil, Func(func() { time.Sleep(time.Minute) }))
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			require.ErrorIs(t, k.GoContext(ctx, 1, keyedTask(s, func() {})), context.DeadlineExceeded)
			require.Empty(t, k.queues)
			require.NoError(t, s.Wait(nil))
		})
	})
}

// A Replace can put its task in the place of an active one, and a wait for the key must not miss it.
func TestAKeyWithAnActiveTaskIsNotIdle(t *testing.T) {
	s := newLimited("", 1, 0)
	k := NewKeyed[int](s, 1, 10)
	release := make(chan struct{})
	s.Go(nil, Func(func() { <-release }))
	var task Context // lends its place, since there is no room
	task.Init(t.Context(), s, nil)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for range 2000 {
			assert.NoError(t, k.GoContext(&task, 1, keyedTask(s, func() {})))
		}
	}()
	idle := false
	for goesOn := true; goesOn; {
		select {
		case <-ended:
			goesOn = false
		default:
			idle = idle || inLock(s, func() bool {
				q := k.queues[1]
				return q != nil && q.actives > 0 && q.emptyLocked()
			})
		}
	}
	require.False(t, idle)
	close(release)
	require.NoError(t, s.Wait(nil))
}

func TestLookListsSoManyTasks(t *testing.T) {
	const more = MaxLooked + 10
	look := func(t *testing.T, s *Scheduler) View {
		v := s.Look(Bubble())
		require.Equal(t, 1, v.Running)
		require.Len(t, v.Tasks, 1)
		return v
	}

	t.Run("of one key", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newLimited(t.Name(), 1, more)
			k := NewKeyed[int](s, 1, more)
			release := make(chan struct{})
			s.Go(nil, s.InOwner(Func(func() { <-release })))
			for range more {
				require.NoError(t, k.GoContext(t.Context(), 1, keyedTask(s, func() {})))
			}
			synctest.Wait()
			v := look(t, s)
			require.Equal(t, 1, v.Queued)
			require.Equal(t, more-1, v.Keyed)
			require.Len(t, v.Line, MaxLooked)
			require.False(t, v.Line[0].Keyed)
			require.True(t, v.Line[1].Keyed)
			close(release)
			k.Wait()
			require.NoError(t, s.Wait(nil))
		})
	})

	t.Run("in the run queue", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newLimited(t.Name(), 1, 2*more)
			release := make(chan struct{})
			s.Go(nil, s.InOwner(Func(func() { <-release })))
			synctest.Wait()
			for i := range more {
				s.Go(nil, s.WithPath(fmt.Sprint(i), Func(func() {})))
			}
			v := look(t, s)
			require.Equal(t, more, v.Queued)
			require.Len(t, v.Line, MaxLooked)
			for i, q := range v.Line {
				require.Equal(t, QueuedView{Path: s.config().PathOf(fmt.Sprint(i)), Since: time.Now()}, q)
			}
			close(release)
			require.NoError(t, s.Wait(nil))
			v = s.Look(Bubble())
			require.Zero(t, v.Running+v.Queued+len(v.Line)+len(v.Tasks))
			require.EqualValues(t, more+1, v.Accepted)
		})
	})

	t.Run("that run", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newLimited(t.Name(), Unlimited, 0)
			release := make(chan struct{})
			for range more {
				s.Go(nil, s.InOwner(Func(func() { <-release })))
			}
			synctest.Wait()
			v := s.Look(Bubble())
			require.Equal(t, more, v.Running)
			require.Len(t, v.Tasks, MaxLooked)
			require.Equal(t, Unlimited, v.Limit)
			close(release)
			require.NoError(t, s.Wait(nil))
		})
	})
}
