package tree

import (
	"bytes"
	"runtime"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"

	"github.com/coterie-go/coterie/core/sched"
)

// This file holds how the items of loops are found. A loop keeps no list of them. But their workers
// carry the profiler label of the context that the loop was given, which is the path of an owner or
// a task, and the goroutine profile shows the labels beside the stacks. So they cost the loop
// nothing.

// items are those of loops in one path that stand at the same place.
type items struct {
	path  string
	count int
	calls []uintptr // the innermost first, down to the item's function
}

const (
	loops = "github.com/coterie-go/coterie/pool/internal/loop."
	item  = "item of a loop"
)

// readItems returns the items that run. It stops the world for microseconds.
func readItems() (all []items) {
	var profile bytes.Buffer
	_ = pprof.Lookup("goroutine").WriteTo(&profile, 1) // a Buffer does not fail
	for record := range strings.SplitSeq(profile.String(), "\n\n") {
		head, rest, _ := strings.Cut(record, "\n")
		if strings.HasPrefix(head, "goroutine profile:") {
			head, rest, _ = strings.Cut(rest, "\n")
		}
		labels, _, _ := strings.Cut(rest, "\n")
		_, labels, ok := strings.Cut(labels, `"coterie":`)
		if !ok || !strings.Contains(rest, loops) {
			continue
		}
		count, calls := readRecord(head)
		if calls = itemCalls(calls); len(calls) == 0 {
			continue
		}
		quoted, _ := strconv.QuotedPrefix(labels)
		path, _ := strconv.Unquote(quoted)
		all = append(all, items{path, count, calls})
	}
	return all
}

// readRecord reads the first line of a record: "3 @ 0x43c0a1 0x4e1b5c".
func readRecord(line string) (count int, calls []uintptr) {
	number, addresses, _ := strings.Cut(line, " @ ")
	count, _ = strconv.Atoi(number)
	for word := range strings.FieldsSeq(addresses) {
		pc, _ := strconv.ParseUint(word, 0, 64)
		calls = append(calls, uintptr(pc))
	}
	return count, calls
}

// itemCalls returns those of a worker's calls that are an item's, or nil if the goroutine is no
// worker of a loop, or has no item.
func itemCalls(calls []uintptr) []uintptr {
	for i := range slices.Backward(calls) {
		frame, _ := runtime.CallersFrames(calls[i : i+1]).Next()
		name, ok := strings.CutPrefix(frame.Function, loops)
		if !ok || name != "(*loop).help" && !strings.HasSuffix(name, ").serve") {
			continue
		}
		if function, _, _ := sched.Caller(calls[:i]); function == "" {
			return nil
		}
		return calls[:i]
	}
	return nil
}

// task returns what is shown of items.
func (i *items) task() Task {
	function, file, line := sched.Caller(i.calls)
	return Task{Path: i.path, Count: i.count, State: item, Function: function, Place: place(file, line)}
}

// items returns the items of loops in an owner. Of several with the path, that is the youngest.
func (l *look) items(v *sched.View) (tasks []Task) {
	for i := range l.stacks.items {
		if l.paths[l.stacks.items[i].path] != v.Number {
			continue
		}
		task := l.stacks.items[i].task()
		at := slices.IndexFunc(tasks, func(t Task) bool {
			return t.Path == task.Path && t.Function == task.Function && t.Place == task.Place
		})
		if at < 0 {
			tasks = append(tasks, task)
		} else {
			tasks[at].Count += task.Count
		}
	}
	return tasks
}
