package sched

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// parkOnce makes a submitter park, and lets it go on.
func parkOnce(s *Scheduler) {
	s.locked(func() {
		b := newSubmitter()
		s.parkedLocked(b, true)
		s.shared.alarm.unparkedLocked(b)
		b.free()
	})
}

func TestAlarm(t *testing.T) {
	calm := func(s *Scheduler, n int) {
		s.locked(func() {
			for range n {
				s.shared.alarm.calmLocked()
			}
		})
	}

	timerOf := func(s *Scheduler) *time.Timer { return inLock(s, func() *time.Timer { return s.shared.alarm.timer }) }
	isSet := func(s *Scheduler) bool { return timerOf(s) != nil }

	t.Run("its timer is stopped after many submitters in a row that did not park", func(t *testing.T) {
		var s Scheduler
		s.Limit(1, 0)
		parkOnce(&s)
		require.True(t, isSet(&s))
		calm(&s, longCalm-1)
		require.True(t, isSet(&s))
		parkOnce(&s)
		calm(&s, longCalm-1)
		require.True(t, isSet(&s), "not in a row")
		timer := timerOf(&s)
		calm(&s, 1)
		require.False(t, isSet(&s))
		require.False(t, timer.Stop(), "it is stopped already")
		parkOnce(&s)
		require.True(t, isSet(&s))
	})

	t.Run("a submitter that is admitted no longer counts as parked", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := new(Scheduler)
			s.Limit(1, 0)
			patient := func() int { return inLock(s, func() int { return int(s.shared.alarm.patient) }) }
			release := make(chan struct{})
			s.Go(nil, Func(func() { <-release }))
			go s.Go(nil, Func(func() {}))
			synctest.Wait()
			require.Equal(t, 1, patient())
			close(release)
			synctest.Wait()
			require.Zero(t, patient())
			require.NoError(t, s.Wait(nil))
		})
	})

	t.Run("its timer goes on while a submitter is parked", func(t *testing.T) {
		var s Scheduler
		s.Limit(1, 0)
		s.locked(func() { s.parkedLocked(newSubmitter(), true) })
		calm(&s, 2*longCalm)
		require.True(t, isSet(&s))
	})

	outside := func(t *testing.T, f func(t *testing.T)) { f(t) }
	for name, run := range map[string][2]func(t *testing.T, f func(t *testing.T)){
		"a bubble has ended": {synctest.Test, outside},
		"it is in a bubble":  {outside, synctest.Test},
	} {
		t.Run("its timer is set anew if "+name, func(t *testing.T) {
			var s Scheduler
			s.Limit(1, 0)
			run[0](t, func(*testing.T) { parkOnce(&s) })
			timers := map[*time.Timer]bool{timerOf(&s): true}
			run[1](t, func(*testing.T) {
				for range 64 {
					parkOnce(&s)
					timers[timerOf(&s)] = true
				}
			})
			require.Len(t, timers, 2)
		})
	}

	t.Run("its timer is not stopped if it belongs to a bubble", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var s Scheduler
			s.Limit(1, 0)
			parkOnce(&s)
			calm(&s, longCalm)
			require.True(t, isSet(&s))
		})
	})
}
