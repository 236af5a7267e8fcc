package core_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coterie-go/coterie/core"
)

func TestStuckError(t *testing.T) {
	noTime := errors.New("no time")

	t.Run("its first line says whose, how many and why", func(t *testing.T) {
		for want, e := range map[string]core.StuckError{
			`group: 0 running`:                                  {},
			`group: 2 running: no time`:                         {Running: 2, Cause: noTime},
			`pool "mail": 1 running, 5 dropped: no time`:        {Kind: "pool", Owner: "mail", Running: 1, Dropped: 5, Cause: noTime},
			`errgroup "a\nb": 1 running, 3 queued, 1 dropped`:   {Kind: "errgroup", Owner: "a\nb", Running: 1, Queued: 3, Dropped: 1},
			"group: 1 running\n\n\"a\\nb\"":                     {Running: 1, Tasks: []core.Task{{Name: "a\nb"}}},
			"group: 1 running\n\nfetch\ngoroutine 7 [running]:": {Running: 1, Tasks: []core.Task{{Name: "fetch", Stack: []byte("goroutine 7 [running]:")}}},
			"group: 1 running\n\nfetch, for 1m0.5s":             {Running: 1, Time: time.Unix(100, 5e8), Tasks: []core.Task{{Name: "fetch", Started: time.Unix(40, 0)}}},
		} {
			require.EqualError(t, &e, want)
			require.Equal(t, e.Cause, errors.Unwrap(&e))
		}
	})

	t.Run("tasks with one name and one place are shown once", func(t *testing.T) {
		stackOf := func(id, args, line, offset string) []byte {
			return []byte("goroutine " + id + " [chan receive]:\nmain.fetch(" + args + ")\n\t/src/main.go:" + line + " +0x" + offset +
				"\ncreated by main.main in goroutine 1\n\t/src/main.go:99 +0x" + offset)
		}
		e := &core.StuckError{Running: 6, Tasks: []core.Task{
			{Name: "fetch", Stack: stackOf("7", "0x1", "14", "1c")},
			{Name: "store", Stack: stackOf("8", "0x1", "14", "1c")},
			{Name: "fetch", Stack: stackOf("9", "0x2, {0x3, 0x4}", "14", "2c")},
			{Name: "fetch", Stack: stackOf("10", "0x1", "15", "1c")},
			{Name: "fetch"},
			{Name: "fetch"},
		}}
		require.EqualError(t, e, "group: 6 running"+
			"\n\n2 × fetch\n"+string(e.Tasks[0].Stack)+
			"\n\nstore\n"+string(e.Tasks[1].Stack)+
			"\n\nfetch\n"+string(e.Tasks[3].Stack)+
			"\n\n2 × fetch")
	})
}
