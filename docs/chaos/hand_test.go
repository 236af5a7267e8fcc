package chaos_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// The generator rarely makes these trees. Most of them do something that the oracle must not take for
// a fault.
func TestTreesMadeByHandHaveNoViolations(t *testing.T) {
	for name, owner := range map[string]func() *owner{
		"a wait for the pool comes before a batch that loses a task": func() *owner {
			batch := &owner{kind: batchOf, on: 1, lanes: [][]*op{{
				starts(2, verbGo, sleeps(5)),
				{kind: opStart, up: 2, env: 2, verb: verbGoSoon, d: 1, task: returns()},
				{kind: opWait, up: 2},
				starts(2, verbGo, returns()),
			}}}
			return &owner{kind: poolNew, limit: 1, queue: 8, lanes: [][]*op{{{kind: opWait, up: 1}, owns(1, batch)}}}
		},
		"a Shutdown gives up while a Replace waits": func() *owner {
			keyed := &owner{kind: keyedOf, on: 1, perKey: 1, lanes: [][]*op{
				{starts(2, verbKeyed, sleeps(10)), {kind: opSleep, d: 1}, starts(2, verbReplace, returns())},
				{{kind: opSleep, d: 2}, {kind: opShutdown, up: 1, d: 1}},
			}}
			return &owner{kind: poolNew, limit: 2, queue: 8, lanes: [][]*op{{owns(1, keyed)}}}
		},
		"a task returns why its context is done, which ends the context of a pool's tasks": func() *owner {
			p := &owner{kind: poolNew, limit: 1, queue: 8, lanes: [][]*op{{
				starts(2, verbGo, sleeps(2)),
				{kind: opStart, up: 2, env: 2, verb: verbGoSoon, d: 5, task: returns()},
			}}}
			return &owner{kind: errNew, lanes: [][]*op{{
				{kind: opStart, up: 1, env: 1, verb: verbGoSoon, d: 1, task: &task{end: endEcho}},
				owns(1, p),
			}}}
		},
		"a task of a key is started while a Replace waits": func() *owner {
			keyed := &owner{kind: keyedOf, on: 1, perKey: 1, lanes: [][]*op{
				{starts(2, verbKeyed, sleeps(10)), {kind: opSleep, d: 1}, starts(2, verbReplace, returns())},
				{{kind: opSleep, d: 3}, starts(2, verbKeyed, returns())},
			}}
			return &owner{kind: poolNew, limit: 2, queue: 8, lanes: [][]*op{{owns(1, keyed)}}}
		},
		"two goroutines start tasks of one key": func() *owner {
			lane := func(v verb) (ops []*op) {
				for range 10 {
					ops = append(ops, starts(2, v, returns()), &op{kind: opYield, n: 1})
				}
				return ops
			}
			keyed := &owner{kind: keyedOf, on: 1, perKey: 1, lanes: [][]*op{lane(verbReplace), lane(verbKeyed)}}
			return &owner{kind: poolNew, limit: 2, queue: 8, lanes: [][]*op{{owns(1, keyed)}}}
		},
		"more errors than are kept come while somebody waits": func() *owner {
			return &owner{kind: errNew, collect: true, maxErrors: 1, lanes: [][]*op{
				{starts(1, verbGo, sleeps(5)), {kind: opWait, up: 1}},
				{{kind: opSleep, d: 1}, starts(1, verbGo, &task{end: endFail}), {kind: opSleep, d: 1}, {kind: opCancel, up: 1}},
			}}
		},
		"a task is started between a Wait and its Err": func() *owner {
			batch := &owner{kind: batchOf, on: 1, lanes: [][]*op{
				{
					starts(2, verbGo, sleeps(5)),
					{kind: opStart, up: 2, env: 2, verb: verbGoSoon, d: 1, task: returns()},
					{kind: opWait, up: 2},
				},
				{{kind: opSleep, d: 5}, starts(2, verbGo, returns())},
			}}
			return &owner{kind: poolNew, limit: 1, queue: 8, lanes: [][]*op{{owns(1, batch)}}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			for range 20 {
				tree := []*op{owns(0, owner())}
				require.Empty(t, attempt(t, fakeTime, 0, tree))
				require.Empty(t, attempt(t, realTime, 0, tree))
			}
		})
	}
}

func returns() *task { return &task{} }

func sleeps(d int) *task { return &task{ops: []*op{{kind: opSleep, d: d}}} }

func starts(level int, v verb, t *task) *op {
	return &op{kind: opStart, up: level, env: level, verb: v, task: t}
}

func owns(level int, o *owner) *op { return &op{kind: opOwner, owner: o, env: level} }
