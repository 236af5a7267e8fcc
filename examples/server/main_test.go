package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/coterie-go/coterie/group"
	"github.com/coterie-go/coterie/pool"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// visited runs a server with one worker and a queue of one while visit runs, and
// returns what serve returned and the pool's numbers in the end.
func visited(t *testing.T, grace time.Duration, visit func(client *http.Client, base string)) (pool.Stats, error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var log bytes.Buffer
	s := newServer(1, 1, &log)
	err = serve(t.Context(), s, l, grace, func(ctx context.Context, base string) {
		client := new(http.Client)
		defer client.CloseIdleConnections()
		visit(client, base)
	})
	return s.pool.Stats(), err
}

func status(t *testing.T, client *http.Client, method, url string) int {
	request, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	require.NoError(t, err)
	response, err := client.Do(request)
	require.NoError(t, err)
	response.Body.Close()
	return response.StatusCode
}

func TestServer(t *testing.T) {
	t.Run("what is accepted is done before it ends", func(t *testing.T) {
		stats, err := visited(t, time.Hour, func(client *http.Client, base string) {
			for done := 0; done < 20; {
				if status(t, client, "POST", base+"/jobs?work=1ms") == http.StatusAccepted {
					done++
				}
			}
		})
		require.NoError(t, err)
		require.EqualValues(t, 20, stats.Submitted)
		require.EqualValues(t, 20, stats.Completed)
	})

	t.Run("a full queue is service unavailable", func(t *testing.T) {
		_, err := visited(t, 0, func(client *http.Client, base string) {
			accepted := 0
			for status(t, client, "POST", base+"/jobs?work=1h") == http.StatusAccepted {
				accepted++
			}
			require.LessOrEqual(t, accepted, 2) // one runs, one waits
			require.Positive(t, accepted)
		})
		require.Error(t, err)
	})

	t.Run("who is stuck is told, and no job stays behind", func(t *testing.T) {
		stats, err := visited(t, time.Millisecond, func(client *http.Client, base string) {
			require.Equal(t, http.StatusAccepted, status(t, client, "POST", base+"/jobs?work=1h"))
		})
		var stuck *group.StuckError
		require.ErrorAs(t, err, &stuck)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, "jobs", stuck.Group)
		require.Equal(t, stats.Submitted, stats.Completed+stats.Dropped)
	})

	t.Run("bad requests are refused", func(t *testing.T) {
		stats, err := visited(t, time.Hour, func(client *http.Client, base string) {
			require.Equal(t, http.StatusBadRequest, status(t, client, "POST", base+"/jobs"))
			require.Equal(t, http.StatusBadRequest, status(t, client, "POST", base+"/jobs?work=-1s"))
			require.Equal(t, http.StatusMethodNotAllowed, status(t, client, "GET", base+"/jobs"))
			response, err := client.Get(base + "/stats")
			require.NoError(t, err)
			defer response.Body.Close()
			var stats pool.Stats
			require.NoError(t, json.NewDecoder(response.Body).Decode(&stats))
		})
		require.NoError(t, err)
		require.Zero(t, stats.Submitted)
	})
}

func TestRun(t *testing.T) {
	t.Run("the demonstration ends with who is stuck", func(t *testing.T) {
		var stdout, stderr bytes.Buffer
		require.Equal(t, 1, run(t.Context(), []string{"-grace", "100ms"}, &stdout, &stderr))
		require.Contains(t, stdout.String(), "listening on http://127.0.0.1:")
		require.Contains(t, stdout.String(), "shutting down: ")
		require.Contains(t, stderr.String(), "still running: context deadline exceeded")
		require.Contains(t, stderr.String(), "server.go")
	})
	t.Run("bad usage is status 2", func(t *testing.T) {
		for _, args := range [][]string{{"-workers", "0"}, {"-queue", "0"}, {"-grace", "-1s"}, {"extra"}, {"-nonsense"}} {
			var stdout, stderr bytes.Buffer
			require.Equal(t, 2, run(t.Context(), args, &stdout, &stderr))
			require.NotEmpty(t, stderr.String())
		}
	})
}
