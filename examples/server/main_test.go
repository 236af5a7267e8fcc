package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

// childVar is set in a process that a test has started to be the server.
const childVar = "COTERIE_SERVER_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childVar) != "" {
		main()
	}
	goleak.VerifyTestMain(m)
}

// A process is a server that runs in a process of its own.
type process struct {
	*exec.Cmd
	t             *testing.T
	out           *bufio.Scanner
	lines         []string // of out
	stderr        bytes.Buffer
	base, metrics string // URLs
	client        http.Client
}

func start(t *testing.T, args ...string) *process {
	t.Helper()
	p := &process{t: t, Cmd: exec.CommandContext(t.Context(), os.Args[0], args...)}
	p.Env = append(os.Environ(), childVar+"=1")
	p.Stderr = &p.stderr
	out, err := p.StdoutPipe()
	require.NoError(t, err)
	p.out = bufio.NewScanner(out)
	require.NoError(t, p.Start())
	_, err = fmt.Sscanf(strings.ReplaceAll(p.until("listening on "), ",", " "), "listening on %s metrics on %s", &p.base, &p.metrics)
	require.NoError(t, err)
	t.Cleanup(p.client.CloseIdleConnections)
	return p
}

// until reads what the server prints up to a line that begins with prefix, and returns
// that.
func (p *process) until(prefix string) string {
	p.t.Helper()
	for p.out.Scan() {
		p.lines = append(p.lines, p.out.Text())
		if strings.HasPrefix(p.out.Text(), prefix) {
			return p.out.Text()
		}
	}
	require.Fail(p.t, "not printed: "+prefix, "%q, %s", p.lines, &p.stderr)
	return ""
}

// end waits for the server and returns its exit status.
func (p *process) end() int {
	for p.out.Scan() {
		p.lines = append(p.lines, p.out.Text())
	}
	_ = p.Wait() // the state has it
	return p.ProcessState.ExitCode()
}

// stopped returns the services that were told to stop, in their order.
func (p *process) stopped() (names []string) {
	for _, line := range p.lines {
		if name, ok := strings.CutSuffix(line, " stopping"); ok {
			names = append(names, name)
		}
	}
	return names
}

// ask sends a request and returns the status and the body of the response.
func (p *process) ask(method, url string) (status int, body string) {
	request, err := http.NewRequestWithContext(p.t.Context(), method, url, nil)
	require.NoError(p.t, err)
	response, err := p.client.Do(request)
	require.NoError(p.t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(p.t, err)
	return response.StatusCode, string(text)
}

func TestRequests(t *testing.T) {
	t.Run("jobs are queued, and run", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		server := newServer(settings{workers: 1, queue: 1}, io.Discard)
		status := func(method, url string) int {
			response := httptest.NewRecorder()
			server.ServeHTTP(response, httptest.NewRequest(method, url, nil))
			return response.Code
		}
		require.Equal(t, http.StatusOK, status("POST", "/run?work=1ms"))
		require.EqualValues(t, 1, server.done.Load())
		server.pool.Wait() // the job has ended, but its worker may not have counted that
		require.Equal(t, http.StatusBadRequest, status("POST", "/jobs"))
		require.Equal(t, http.StatusBadRequest, status("POST", "/jobs?work=-1s"))
		require.Equal(t, http.StatusMethodNotAllowed, status("GET", "/jobs"))
		accepted := 0
		for status("POST", "/jobs?work=1h") == http.StatusAccepted {
			accepted++
		}
		require.Equal(t, http.StatusServiceUnavailable, status("POST", "/run?work=1h"))
		require.Equal(t, 2, accepted) // one runs, one waits
		cancel()
		require.Error(t, server.work(ctx, func() {}), "there was no time for them")
	})
}

func TestRun(t *testing.T) {
	t.Run("the demonstration ends well and shows the order of stopping", func(t *testing.T) {
		var stdout, stderr bytes.Buffer
		require.Zero(t, run(t.Context(), []string{"-grace", "1m"}, &stdout, &stderr), &stderr)
		p := &process{lines: strings.Split(stdout.String(), "\n")}
		names := strings.TrimPrefix(strings.Join(p.stopped(), " "), "demo ") // which may have ended by itself
		require.Equal(t, "web workers flush metrics", names)
		require.Contains(t, stdout.String(), "workers ended\nflush stopping\nflushed ", "the last flush has every job")
	})
	t.Run("bad usage is status 2", func(t *testing.T) {
		for _, args := range [][]string{{"-workers", "0"}, {"-queue", "0"}, {"-grace", "-1s"}, {"-flush", "0"}, {"extra"}, {"-nonsense"}} {
			var stdout, stderr bytes.Buffer
			require.Equal(t, 2, run(t.Context(), args, &stdout, &stderr))
			require.NotEmpty(t, stderr.String())
		}
	})
	t.Run("an address that is taken is status 1", func(t *testing.T) {
		var stdout, stderr bytes.Buffer
		require.Equal(t, 1, run(t.Context(), []string{"-addr", "127.0.0.1:-1"}, &stdout, &stderr))
		require.Contains(t, stderr.String(), "server: listen tcp")
	})
	t.Run("a context that is done stops it before it starts", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		var stdout, stderr bytes.Buffer
		require.Zero(t, run(ctx, []string{"-addr", "127.0.0.1:0"}, &stdout, &stderr))
	})
}

func TestDebug(t *testing.T) {
	p := start(t, "-addr=127.0.0.1:0", "-debug=127.0.0.1:0", "-workers=1")
	url := strings.TrimPrefix(p.until("what it is doing: "), "what it is doing: ")
	p.until("web ready")
	for range 2 {
		response, err := p.client.Post(p.base+"/jobs?work=1h", "", nil)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
	}
	text := ""
	for !strings.Contains(text, "\njobs  pool, open, 1 running of 1, 1 queued of 64, ") { // the first may not have begun
		_, text = p.ask("GET", url+"?format=text")
	}
	require.Contains(t, text, "- server/web: ")
	require.NoError(t, p.Process.Signal(os.Kill))
	p.end()
}
