package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	benchmarks "github.com/coterie-go/coterie/docs/benchmarks"
)

// written returns what is read of measurements after they have been written.
func written(t *testing.T, ms ...measurement) *results {
	t.Helper()
	path := filepath.Join(t.TempDir(), "raw.txt")
	file, err := os.Create(path)
	require.NoError(t, err)
	rec := newRecorder(file)
	for _, m := range ms {
		require.NoError(t, rec.record(m))
	}
	require.NoError(t, file.Close())
	res, err := readResults(path)
	require.NoError(t, err)
	return res
}

func timed(workload, peer string, ps int, ns float64) measurement {
	j := &job{workload: benchmarks.Workload{Name: workload}, peer: benchmarks.Peer{Name: peer}, ps: ps}
	return measurement{job: j, n: 10, ns: ns, bytes: 24, allocs: 1}
}

const fanOut = "group/fanout/tasks=1000/body=0"

func TestResults(t *testing.T) {
	t.Run("read back are those that were recorded", func(t *testing.T) {
		peak := timed(fanOut, "sync", 2, 0)
		peak.peak = 4096
		res := written(t,
			timed(fanOut, "sync", 1, 100), timed(fanOut, "sync", 2, 200), timed(fanOut, "x-sync", 2, 250.5), peak)
		require.Len(t, res.cases, 2)
		require.Equal(t, series{"ns/op": {100}, "B/op": {24}, "allocs/op": {1}, "waited-%": {0}}, res.find(fanOut, 1).peers["sync"])
		require.Equal(t, series{"ns/op": {200}, "B/op": {24}, "allocs/op": {1}, "waited-%": {0}, "peak-B": {4096}}, res.find(fanOut, 2).peers["sync"])
		require.Equal(t, []float64{250.5}, res.find(fanOut, 2).peers["x-sync"][benchmarks.Time])
		require.Nil(t, res.find(fanOut, 3))
		require.Equal(t, 2, res.mostPs())
	})
	t.Run("are compared round by round", func(t *testing.T) {
		res := written(t,
			timed(fanOut, "coterie", 1, 10), timed(fanOut, "sync", 1, 100),
			timed(fanOut, "coterie", 1, 40), timed(fanOut, "sync", 1, 200),
			timed(fanOut, "coterie", 1, 30), timed(fanOut, "sync", 1, 100))
		ratio, ok := res.cases[0].ratio("coterie", "sync", benchmarks.Time)
		require.True(t, ok)
		require.Equal(t, []float64{0.2, 0.1, 0.3}, []float64{ratio.Center, ratio.Lo, ratio.Hi})
	})
	t.Run("know the best of the others", func(t *testing.T) {
		res := written(t,
			timed(fanOut, "conc", 1, 3), timed(fanOut, "sync", 1, 2),
			timed(fanOut, benchmarks.Limit, 1, 1), timed(fanOut, "coterie-reused", 1, 1))
		require.Equal(t, "sync", res.cases[0].best())
	})
}

func TestCheck(t *testing.T) {
	target := benchmarks.Target{Workload: fanOut, Peer: "coterie", Against: "sync", Metric: benchmarks.Time, Max: 0.5}
	judged := func(ratios ...float64) string {
		var ms []measurement
		for _, r := range ratios {
			ms = append(ms, timed(fanOut, "coterie", 2, 100*r), timed(fanOut, "sync", 2, 100))
		}
		return judge(written(t, ms...), target).word
	}
	require.Equal(t, met, judged(0.3, 0.4, 0.5))
	require.Equal(t, metUnclear, judged(0.4, 0.4, 0.6))
	require.Equal(t, missedUnclear, judged(0.4, 0.6, 0.6))
	require.Equal(t, missedClear, judged(0.6, 0.7, 0.8))

	t.Run("says what was not measured", func(t *testing.T) {
		require.Equal(t, unmeasured, judge(written(t, timed(fanOut, "sync", 2, 1)), target).word)
		require.Equal(t, unmeasured, judge(written(t, timed("group/burst", "sync", 2, 1)), target).word)
	})
	t.Run("compares counts with the target itself", func(t *testing.T) {
		count := benchmarks.Target{Workload: fanOut, Peer: "coterie", Metric: benchmarks.Allocs, Max: 0.5}
		require.Equal(t, missedClear, judge(written(t, timed(fanOut, "coterie", 2, 1)), count).word)
		count.Max = 1
		require.Equal(t, met, judge(written(t, timed(fanOut, "coterie", 2, 1)), count).word)
	})
	t.Run("finds the best peer where a target is against that", func(t *testing.T) {
		best := target
		best.Against = benchmarks.Best
		v := judge(written(t, timed(fanOut, "coterie", 2, 30), timed(fanOut, "sync", 2, 100), timed(fanOut, "conc", 2, 60)), best)
		require.Equal(t, "conc", v.against)
		require.InDelta(t, 0.5, v.center, 1e-9)
		require.InDelta(t, 0.5, v.fastest, 1e-9)
	})
	t.Run("reports whether any target is missed", func(t *testing.T) {
		var out bytes.Buffer
		fast := written(t, timed(fanOut, "coterie", 2, 1), timed(fanOut, "sync", 2, 100))
		slow := written(t, timed(fanOut, "coterie", 2, 100), timed(fanOut, "sync", 2, 100))
		require.False(t, check(fast, "", &out))
		require.True(t, check(slow, "", &out))
		require.Contains(t, out.String(), "MISSED")
		require.False(t, check(slow, "pool/", &out))
	})
}

func TestReport(t *testing.T) {
	t.Run("is written with tables and plots", func(t *testing.T) {
		dir := t.TempDir()
		res := written(t,
			timed(fanOut, "coterie", 2, 20), timed(fanOut, "sync", 2, 200),
			timed("group/fanout/tasks=10/body=0", "coterie", 2, 100), timed("group/fanout/tasks=10/body=0", "sync", 2, 220))
		readme := filepath.Join(dir, "README.md")
		require.NoError(t, os.WriteFile(readme, []byte("before\n"+beginMark+"old\n"+endMark+"after\n"), 0o666))
		require.NoError(t, writeReport(res, flags{out: dir, updates: readme}))

		text, err := os.ReadFile(readme)
		require.NoError(t, err)
		require.True(t, strings.HasPrefix(string(text), "before\n"+beginMark+"Measured on "))
		require.True(t, strings.HasSuffix(string(text), endMark+"after\n"))
		require.Contains(t, string(text), "| "+fanOut+" | 2 | 20 |")
		require.NotContains(t, string(text), "old")

		for _, name := range []string{"bars-light.svg", "bars-dark.svg", "tasks-light.svg", "tasks-dark.svg", "table.md"} {
			require.FileExists(t, filepath.Join(dir, name))
		}
	})
	t.Run("is refused for a file without results", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "raw.txt")
		require.NoError(t, os.WriteFile(path, []byte("goos: linux\n"), 0o666))
		_, err := readResults(path)
		require.ErrorContains(t, err, "has no results")
	})
}

func TestProcessors(t *testing.T) {
	ps, err := processors("8,2,2")
	require.NoError(t, err)
	require.Equal(t, []int{2, 8}, ps)
	_, err = processors("0")
	require.EqualError(t, err, `numbers of processors must be at least 1, got "0"`)
}
