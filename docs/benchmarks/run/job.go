package main

import (
	"runtime"
	"slices"
	"strings"

	benchmarks "github.com/coterie-go/coterie/docs/benchmarks"
)

// A job is a workload done by one peer on ps processors.
type job struct {
	workload benchmarks.Workload
	peer     benchmarks.Peer
	ps       int
	n        int // runs in one measurement, 0 until it is calibrated
}

// chooseJobs returns what is to be measured in a round, those of one workload
// next to each other.
func chooseJobs(f flags, ps []int) []*job {
	all := runtime.NumCPU()
	var jobs []*job
	for _, p := range ps {
		for _, w := range benchmarks.All() {
			if !named(w.Name, f.only) || f.quick && f.ps == "" && f.only == "" && !inQuick(w.Name, p, all) {
				continue
			}
			for _, peer := range w.Peers {
				jobs = append(jobs, &job{workload: w, peer: peer, ps: p})
			}
		}
	}
	return jobs
}

// named reports whether name has one of the words in it.
func named(name, words string) bool {
	if words == "" {
		return true
	}
	return slices.ContainsFunc(strings.Split(words, ","), func(word string) bool {
		return strings.Contains(name, word)
	})
}

// inQuick reports whether the workload has a target or a plot on p processors.
func inQuick(workload string, p, all int) bool {
	for _, t := range benchmarks.Targets() {
		if t.Workload == workload && (t.Ps == p || t.Ps == 0 && p == all) {
			return true
		}
	}
	return plotted(workload, p, all)
}
