//go:build unix

package main

import (
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coterie-go/coterie/group"
)

func TestSignals(t *testing.T) {
	t.Run("SIGTERM drains: what was accepted is done, and the page answers", func(t *testing.T) {
		t.Parallel()
		p := start(t, "-addr", "127.0.0.1:0", "-workers", "2", "-grace", "1m", "-flush", "1h")
		p.until("web ready")
		for range 10 {
			code, _ := p.ask("POST", p.base+"/jobs?work=20ms")
			require.Equal(t, http.StatusAccepted, code)
		}
		_, page := p.ask("GET", p.metrics)
		require.Contains(t, page, "jobs_submitted_total 10\n")
		require.NoError(t, p.Process.Signal(syscall.SIGTERM))
		require.Equal(t, 143, p.end(), &p.stderr)
		require.Equal(t, []string{"web", "workers", "flush", "metrics"}, p.stopped())
		require.Contains(t, p.lines, "flushed 10 jobs")
	})

	// slow starts a server, sends it a request that does not end, and then the signal.
	// It returns when both are under way. The request ends with the server.
	slow := func(t *testing.T, grace string) (p *process) {
		t.Parallel()
		p = start(t, "-addr", "127.0.0.1:0", "-grace", grace)
		p.until("web ready")
		var asking group.Group
		t.Cleanup(asking.Wait)
		asking.Go(func() {
			response, err := p.client.Post(p.base+"/run?work=1h", "", nil)
			if err == nil {
				response.Body.Close()
			}
		})
		for page := ""; !strings.Contains(page, "jobs_busy 1\n"); {
			_, page = p.ask("GET", p.metrics)
		}
		require.NoError(t, p.Process.Signal(syscall.SIGTERM))
		p.until("web stopping")
		return p
	}

	t.Run("a slow handler is reported, with the service, the job and their stacks", func(t *testing.T) {
		p := slow(t, "100ms")
		require.Equal(t, 1, p.end())
		require.Equal(t, []string{"web", "workers", "flush", "metrics"}, p.stopped())
		report := p.stderr.String()
		require.Contains(t, report, "server/web, for ")
		require.Contains(t, report, "net/http.(*Server).Shutdown")
		require.Contains(t, report, `server/workers: pool "jobs": 1 running: context deadline exceeded`)
		require.Contains(t, report, "(*server).job(")
	})

	t.Run("a second signal ends it at once, with the report", func(t *testing.T) {
		p := slow(t, "1h")
		require.NoError(t, p.Process.Signal(os.Interrupt))
		require.Equal(t, 1, p.end())
		require.Contains(t, p.stderr.String(), "second signal: interrupt")
		require.Contains(t, p.stderr.String(), "server/web, for ")
	})
}
