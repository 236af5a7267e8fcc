package main

import (
	"fmt"
	"os"
	"strings"
)

// This file holds the list of equivalent mutants: those that no test can tell from the
// original, or that differ only in cost. An entry is four lines, and a blank line ends it:
//
//	core/sched/queue.go  (*runQueue).recycle
//	q.frees++
//	delete statement
//	Why: how many free segments are kept is no promise.
//
// It covers each place in that function with that source and that change. The source or
// the change may be *, for all.

type equivalent struct {
	file, function, source, change, reason string
	used                                   bool
}

func readEquivalents(path string) ([]*equivalent, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var all []*equivalent
	for entry := range strings.SplitSeq(string(text), "\n\n") {
		var lines []string
		for line := range strings.SplitSeq(entry, "\n") {
			if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "# ") {
				lines = append(lines, line)
			}
		}
		if len(lines) == 0 {
			continue
		}
		if len(lines) < 4 {
			return nil, fmt.Errorf("%s: an entry has four lines, got %q", path, entry)
		}
		e := &equivalent{source: lines[1], change: lines[2], reason: strings.Join(lines[3:], " ")}
		e.file, e.function, _ = strings.Cut(lines[0], " ")
		e.function = strings.TrimSpace(e.function)
		all = append(all, e)
	}
	return all, nil
}

func (e *equivalent) covers(m *mutant) bool {
	return e.file == m.file.rel && e.function == m.function &&
		(e.source == "*" || e.source == m.source) && (e.change == "*" || e.change == m.change)
}

// find returns the entry that covers a mutant, or nil.
func find(all []*equivalent, m *mutant) *equivalent {
	for _, e := range all {
		if e.covers(m) {
			return e
		}
	}
	return nil
}
