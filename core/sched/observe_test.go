package sched

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestObserversStopByThemselves(t *testing.T) {
	var first, second int
	stopFirst := Observe(Observer{Queued: func(Event) { first++ }})
	stopSecond := Observe(Observer{Queued: func(Event) { second++ }})
	newWatched("task", new(Config))
	stopFirst()
	newWatched("task", new(Config))
	require.Equal(t, []int{1, 2}, []int{first, second})
	stopSecond()
	require.Nil(t, newWatched("task", new(Config)), "tasks cost nothing more when the last has stopped")
}
