package chaos_test

import (
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// fail reports a tree that has failed, after it has made it smaller.
func fail(t *testing.T, execute mode, seed uint64, tree []*op, wrong []string) {
	t.Errorf("seed %d, GOMAXPROCS %d:\n%s", seed, runtime.GOMAXPROCS(0), strings.Join(wrong, "\n"))
	t.Logf("replay: go test ./docs/chaos -run '%s$' -chaos.seed %d -chaos.trees 1 -chaos.procs %d -chaos.repeat 1000",
		t.Name(), seed, runtime.GOMAXPROCS(0))
	small, wrong, rate := shrink(t, execute, seed, tree)
	if wrong == nil {
		t.Logf("it does not fail again so soon; the tree:\n%s", show(tree))
		return
	}
	t.Logf("a smaller tree, of %d ops, fails with:\n%s\n\n%s", size(small), strings.Join(wrong, "\n"), show(small))
	t.Logf("one run of the first tree in %d failed", rate)
}

// firstTries is how often a tree that has failed is run again.
const firstTries = 30

// shrink takes parts of a tree away as long as what remains fails.
func shrink(t *testing.T, execute mode, seed uint64, tree []*op) (small []*op, wrong []string, rate int) {
	began, runs := time.Now(), 0
	for ; runs < firstTries || rate == 0 && time.Since(began) < *shrinkFlag/2; runs++ {
		if again := attempt(t, execute, seed, tree); len(again) > 0 {
			wrong = again
			rate++
		}
	}
	if rate == 0 {
		return tree, nil, 0
	}
	tries := 4 * runs / rate
	small = slices.Clone(tree)
	for shrunk := true; shrunk; {
		shrunk = false
		for _, c := range cuts(&small) {
			if time.Since(began) > *shrinkFlag {
				return small, wrong, runs / rate
			}
			before := show(small)
			undo := c()
			if show(small) == before {
				continue
			}
			if again := retry(t, execute, seed, small, tries); again != nil {
				wrong, shrunk = again, true
				continue
			}
			undo()
		}
	}
	return small, wrong, runs / rate
}

// retry runs the tree until it fails.
func retry(t *testing.T, execute mode, seed uint64, tree []*op, tries int) []string {
	for range tries {
		if wrong := attempt(t, execute, seed, tree); len(wrong) > 0 {
			return wrong
		}
	}
	return nil
}

func size(tree []*op) int { return strings.Count(show(tree), "\n") }

// A cut is one way to make a tree smaller. It returns how to undo it.
type cut func() (undo func())

// cuts lists what can be taken away from the ops, the largest parts first.
func cuts(list *[]*op) []cut {
	var all []cut
	collectCuts(list, &all)
	return all
}

func collectCuts(list *[]*op, all *[]cut) {
	for i := range *list {
		*all = append(*all, without(list, i))
	}
	for _, o := range *list {
		if o.task != nil {
			cutTask(o.task, all)
		}
		if o.owner != nil {
			cutOwner(o.owner, all)
		}
		if o.loop != nil {
			cutLoop(o.loop, all)
		}
		if o.fan != nil {
			for _, fn := range o.fan.fns {
				cutTask(fn, all)
			}
		}
		if o.n > 1 && o.kind == opBulk {
			*all = append(*all, setTo(&o.n, o.n/2))
		}
	}
}

func cutTask(t *task, all *[]cut) {
	if t.end != endReturn {
		*all = append(*all, setTo(&t.end, endReturn))
	}
	collectCuts(&t.ops, all)
}

func cutOwner(o *owner, all *[]cut) {
	if o.twin != nil {
		*all = append(*all, setTo(&o.twin, nil))
		cutOwner(o.twin, all)
	}
	if len(o.lanes) > 1 {
		*all = append(*all, setTo(&o.lanes, o.lanes[:len(o.lanes)-1]))
	}
	if o.name != "" {
		*all = append(*all, setTo(&o.name, ""))
	}
	if o.end != endReturn {
		*all = append(*all, setTo(&o.end, endReturn))
	}
	for i := range o.lanes {
		collectCuts(&o.lanes[i], all)
	}
}

func cutLoop(l *loop, all *[]cut) {
	if l.n > 1 {
		*all = append(*all, setTo(&l.n, l.n/2))
	}
	for i := range l.items {
		*all = append(*all, without(&l.items, i))
		cutTask(l.items[i].task, all)
	}
	collectCuts(&l.body, all)
}

// without takes the element at i out of the list. Another cut may have made the
// list shorter meanwhile.
func without[T any](list *[]T, i int) cut {
	return func() func() {
		old := *list
		if i < len(old) {
			*list = slices.Delete(slices.Clone(old), i, i+1)
		}
		return func() { *list = old }
	}
}

func setTo[T any](at *T, value T) cut {
	return func() func() {
		old := *at
		*at = value
		return func() { *at = old }
	}
}
