package sched

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAMomentIsATime(t *testing.T) {
	require.True(t, moment(0).time().IsZero())
	isNow := func(t *testing.T) {
		before := time.Now()
		m := now().time()
		require.False(t, m.Before(before.Add(-time.Microsecond)), "%v is before %v", m, before)
		require.False(t, m.After(time.Now().Add(time.Microsecond)))
	}
	isNow(t)
	synctest.Test(t, isNow)
}
