package benchmarks_test

import (
	"fmt"
	"regexp"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	benchmarks "github.com/coterie-go/coterie/docs/benchmarks"
)

func TestEveryPeerDoesEveryWorkloadOnce(t *testing.T) {
	for _, w := range benchmarks.All() {
		for _, p := range w.Peers {
			t.Run(w.Name+"/peer="+p.Name, func(t *testing.T) {
				op := p.Start(runtime.GOMAXPROCS(0))
				defer op.Close()
				require.Positive(t, op.Time(1))
			})
		}
	}
}

func TestNames(t *testing.T) {
	t.Run("are those of the benchmark format and used once", func(t *testing.T) {
		wellFormed := regexp.MustCompile(`^[a-z-]+(/[a-z-]+|/[a-z-]+=[a-z0-9]+)*$`)
		seen := map[string]bool{}
		for _, w := range benchmarks.All() {
			require.Regexp(t, wellFormed, w.Name)
			for _, p := range w.Peers {
				require.NotContains(t, p.Name, "/")
				name := fmt.Sprint(w.Name, " ", p.Name)
				require.False(t, seen[name], name)
				seen[name] = true
			}
		}
	})
	t.Run("of every target are those of a workload and two of its peers", func(t *testing.T) {
		workloads := benchmarks.All()
		for _, target := range benchmarks.Targets() {
			peers := map[string]bool{"": true, benchmarks.Best: true}
			for _, w := range workloads {
				if w.Name == target.Workload {
					for _, p := range w.Peers {
						peers[p.Name] = true
					}
				}
			}
			require.True(t, peers[target.Peer], target.String())
			require.True(t, peers[target.Against], target.String())
		}
	})
}
