package sched

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestObserversStopByThemselves(t *testing.T) {
	var first, second int
	stopFirst := Observe(Observer{Queued: func(Event) { first++ }})
	stopSecond := Observe(Observer{Queued: func(Event) { second++ }})
	start := func() *watch {
		r := new(record)
		r.init("task", nil, new(Config))
		return r.watch
	}
	start()
	stopFirst()
	start()
	require.Equal(t, []int{1, 2}, []int{first, second})
	stopSecond()
	require.Nil(t, start(), "tasks cost nothing more when the last has stopped")
}
