package main

import (
	"bytes"
	"os"
	"strconv"
	"time"
)

// waited returns for how long the threads of this process have been ready to run
// and had no processor, all threads together. Only Linux tells; elsewhere it is 0.
func waited() time.Duration {
	const dir = "/proc/self/task/"
	threads, err := os.ReadDir(dir)
	if err != nil {
		return 0
	}
	var sum time.Duration
	for _, thread := range threads {
		// Time on a processor, time waiting for one, number of turns.
		text, err := os.ReadFile(dir + thread.Name() + "/schedstat")
		if fields := bytes.Fields(text); err == nil && len(fields) == 3 {
			ns, _ := strconv.ParseInt(string(fields[1]), 10, 64)
			sum += time.Duration(ns)
		}
	}
	return sum
}
