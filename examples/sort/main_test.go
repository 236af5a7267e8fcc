package main

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coterie-go/coterie/examples/internal/stop/stoptest"
)

func TestMain(m *testing.M) { stoptest.Main(m, main) }

func TestStatus(t *testing.T) {
	stoptest.Status(t, "merge sort, 1 workers", "slices.Sort", "-n", "100000", "-workers", strings.Repeat("1,", 10_000)+"1")
}

func TestMergeSort(t *testing.T) {
	for _, workers := range []int{1, 2, 8} {
		for _, n := range []int{0, 1, 2, serialLimit, serialLimit + 1, 4*serialLimit - 1} {
			s := make([]int, n)
			for i := range s {
				s[i] = rand.IntN(n) & 0xffff
			}
			want := slices.Clone(s)
			slices.Sort(want)
			mergeSort(t.Context(), workers, s)
			require.True(t, slices.Equal(want, s), "%d numbers, %d workers", n, workers)
		}
	}
}

func TestRun(t *testing.T) {
	t.Run("it prints a row for each number of workers", func(t *testing.T) {
		var stdout, stderr bytes.Buffer
		require.Zero(t, run(t.Context(), []string{"-n", "100000", "-workers", "1, 3"}, &stdout, &stderr), stderr.String())
		lines := strings.Split(stdout.String(), "\n")
		require.True(t, strings.HasPrefix(lines[0], "100000 numbers, "))
		require.True(t, strings.HasPrefix(lines[3], "slices.Sort "))
		require.True(t, strings.HasPrefix(lines[4], "merge sort, 1 workers "))
		require.True(t, strings.HasPrefix(lines[5], "merge sort, 3 workers "))
	})
	t.Run("bad usage is status 2", func(t *testing.T) {
		for _, args := range [][]string{{"-n", "-1"}, {"-workers", "0"}, {"-workers", "x"}, {"-timeout", "-1s"}, {"extra"}, {"-nonsense"}} {
			var stdout, stderr bytes.Buffer
			require.Equal(t, 2, run(t.Context(), args, &stdout, &stderr))
			require.NotEmpty(t, stderr.String())
			require.Empty(t, stdout.String())
		}
	})
}
