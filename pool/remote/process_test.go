//go:build unix

package remote_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coterie-go/coterie/pool/remote"
)

// asRole makes the test binary be another program: a worker, a submitter or a
// server, which does what its standard input is told and ends with it.
const asRole = "REMOTE_TEST_ROLE"

// A job is the argument of the task that processes share.
type job struct {
	N       int
	Do      string // kill, sleep, stubborn, or nothing
	For     time.Duration
	Journal journal
}

func doJob(ctx context.Context, j job) (int, error) {
	j.Journal.write("begun %d by %d attempt %d fence %d", j.N, os.Getpid(), remote.Attempt(ctx), remote.FenceOf(ctx))
	switch j.Do {
	case "kill":
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	case "sleep":
		select {
		case <-time.After(j.For):
		case <-ctx.Done():
			j.Journal.write("stopped %d by %d: %v", j.N, os.Getpid(), context.Cause(ctx))
			return 0, context.Cause(ctx)
		}
	case "first": // only the first attempt takes long
		if remote.Attempt(ctx) == 1 {
			<-ctx.Done()
			j.Journal.write("stopped %d by %d: %v", j.N, os.Getpid(), context.Cause(ctx))
			return -1, nil // nobody must get this
		}
	}
	j.Journal.write("ended %d by %d", j.N, os.Getpid())
	return 2 * j.N, nil
}

var jobs = remote.NewTask("job-v1", doJob, remote.TaskOptions{Lease: 3 * time.Second, Attempts: 3, Backoff: soon, Queue: 200_000})

// manyJobs are those of the test that kills workers at random, where an attempt
// may be lost many times.
var manyJobs = remote.NewTask("many", doJob, remote.TaskOptions{Lease: 3 * time.Second, Attempts: 50, Backoff: soon, Queue: 200_000})

// child is the main function of a process with a role.
func child(role string) {
	fail := func(err error) {
		if err != nil {
			fmt.Fprintln(os.Stderr, role, err)
			os.Exit(1)
		}
	}
	args := strings.Fields(os.Getenv(asRole + "_ARGS"))
	ctx := context.Background()
	connect := func() *remote.Engine {
		e, err := remote.Connect(args[0], patient)
		fail(err)
		return e
	}
	switch role {
	case "worker":
		e := connect()
		workers, err := strconv.Atoi(args[1])
		fail(err)
		fmt.Println("ready") // before a task may kill it
		_, err = remote.Serve(ctx, e, jobs, remote.Options{Name: args[2], Workers: workers})
		fail(err)
		_, err = remote.Serve(ctx, e, manyJobs, remote.Options{Name: args[2], Workers: workers})
		fail(err)
	case "submitter": // what it submits stands in its arguments
		e := connect()
		for i, do := range args[2:] {
			var opts []remote.SubmitOption
			if rest, ok := strings.CutPrefix(do, "detached-"); ok {
				do, opts = rest, append(opts, remote.Detach())
			}
			if rest, ok := strings.CutPrefix(do, "keyed-"); ok {
				do, opts = rest, append(opts, remote.Key("key"))
			}
			_, err := remote.Submit(ctx, e, jobs, job{N: i, Do: do, For: time.Hour, Journal: journal(args[1])}, opts...)
			fail(err)
		}
	case "server": // on a directory, at an address
		e, err := remote.Embedded(args[0])
		fail(err)
		l, err := net.Listen("tcp", args[1])
		fail(err)
		fail(e.Share(l))
	}
	if role != "worker" {
		fmt.Println("ready")
	}
	io.Copy(io.Discard, os.Stdin)
}

// A process is a child with a role.
type process struct {
	*exec.Cmd
	stdin io.Closer
}

// start starts a child and returns when it is ready. It ends with the test.
func start(t *testing.T, role string, args ...any) *process {
	command := exec.Command(os.Args[0])
	command.Env = append(os.Environ(), asRole+"="+role, asRole+"_ARGS="+strings.TrimSuffix(fmt.Sprintln(args...), "\n"))
	command.Stderr = os.Stderr
	stdin, err := command.StdinPipe()
	require.NoError(t, err)
	stdout, err := command.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, command.Start())
	p := &process{command, stdin}
	t.Cleanup(p.kill)
	line, err := bufio.NewReader(stdout).ReadString('\n')
	require.NoError(t, err, "a %s that does not get ready", role)
	require.Equal(t, "ready\n", line)
	return p
}

// kill is kill -9. It returns when the process has ended.
func (p *process) kill() {
	if p.ProcessState == nil {
		p.Process.Signal(syscall.SIGCONT)
		p.Process.Kill()
		p.Wait()
	}
}

func TestWorkerProcesses(t *testing.T) {
	t.Parallel()
	t.Run("a task whose worker is killed is begun by another when the lease ends", func(t *testing.T) {
		t.Parallel()
		e, j := open(t), newJournal(t)
		url := share(t, e)
		first := start(t, "worker", url, 1, "first")
		f, err := remote.Submit(t.Context(), e, jobs, job{N: 1, Do: "first", Journal: j})
		require.NoError(t, err)
		eventually(t, func() bool { return j.count("begun 1") == 1 }, "begun")
		first.kill()
		killed := time.Now()
		start(t, "worker", url, 1, "second")
		n, err := f.GetContext(within(t, 40*time.Second))
		require.NoError(t, err)
		require.Equal(t, 2, n)
		require.Less(t, time.Since(killed), 10*time.Second)
		require.Equal(t, 2, j.count("begun 1"))
		require.Equal(t, 1, j.count("ended 1"))
		fences(t, j)
	})

	t.Run("a worker that was stopped beyond its lease learns that it has lost, and its result is refused", func(t *testing.T) {
		t.Parallel()
		e, j := open(t), newJournal(t)
		url := share(t, e)
		first := start(t, "worker", url, 1, "first")
		f, err := remote.Submit(t.Context(), e, jobs, job{N: 1, Do: "first", Journal: j})
		require.NoError(t, err)
		eventually(t, func() bool { return j.count("begun 1") == 1 }, "begun")
		require.NoError(t, first.Process.Signal(syscall.SIGSTOP))
		start(t, "worker", url, 1, "second")
		n, err := f.GetContext(within(t, 40*time.Second))
		require.NoError(t, err)
		require.Equal(t, 2, n)
		require.NoError(t, first.Process.Signal(syscall.SIGCONT))
		eventually(t, func() bool { return j.count("stopped 1") == 1 }, "the first learns")
		require.Contains(t, strings.Join(j.lines(), "\n"), fmt.Sprintf("stopped 1 by %d: %v", first.Process.Pid, remote.ErrLeaseLost))

		// The same key still has the result of the second, and the first goes on.
		f, err = remote.Submit(t.Context(), e, jobs, job{N: 2, Journal: j})
		require.NoError(t, err)
		n, err = f.GetContext(within(t, 40*time.Second))
		require.NoError(t, err)
		require.Equal(t, 4, n)
		fences(t, j)
	})

	t.Run("a worker that was stopped when it got a task does not take it from the one that has it by then", func(t *testing.T) {
		t.Parallel()
		e, j := open(t), newJournal(t)
		url := share(t, e)
		first := start(t, "worker", url, 1, "first")
		f, err := remote.Submit(t.Context(), e, jobs, job{N: 1, Journal: j})
		require.NoError(t, err)
		_, err = f.GetContext(within(t, 40*time.Second)) // it asks for the next task
		require.NoError(t, err)
		time.Sleep(500 * time.Millisecond)
		require.NoError(t, first.Process.Signal(syscall.SIGSTOP))
		f, err = remote.Submit(t.Context(), e, jobs, job{N: 2, Do: "sleep", For: 5 * time.Second, Journal: j})
		require.NoError(t, err)
		start(t, "worker", url, 1, "second")
		eventually(t, func() bool { return j.count("begun 2") == 1 }, "begun by the second")
		require.NoError(t, first.Process.Signal(syscall.SIGCONT))
		n, err := f.GetContext(within(t, 40*time.Second))
		require.NoError(t, err)
		require.Equal(t, 4, n)
		require.Equal(t, 1, j.count("begun 2"), j.lines())
	})

	t.Run("a task that kills its workers is a dead letter, and those beside it go on", func(t *testing.T) {
		t.Parallel()
		e, j := open(t), newJournal(t)
		url := share(t, e)
		f, err := remote.Submit(t.Context(), e, jobs, job{N: 1, Do: "kill", Journal: j})
		require.NoError(t, err)
		for i := range 3 {
			w := start(t, "worker", url, 1, fmt.Sprint("w", i))
			require.Error(t, w.Wait(), "killed")
		}
		start(t, "worker", url, 1, "w3")
		_, err = f.GetContext(within(t, 40*time.Second))
		var d *remote.DeadError
		require.ErrorAs(t, err, &d)
		require.Equal(t, 3, d.Attempts)
		require.Equal(t, []string{"w0", "w1", "w2"}, d.Workers)
		require.EqualError(t, d, "remote: task job-v1 failed in attempt 3: worker w2 died or was cut off in attempt 3")
		require.Equal(t, 3, j.count("begun 1"))

		f, err = remote.Submit(t.Context(), e, jobs, job{N: 2, Journal: j})
		require.NoError(t, err)
		_, err = f.GetContext(within(t, 40*time.Second))
		require.NoError(t, err)
	})
}

// fences checks that each attempt had a larger fence than the one before.
func fences(t *testing.T, j journal) {
	last := make(map[int]uint64)
	for _, line := range j.lines() {
		var n, pid, attempt int
		var fence uint64
		if k, _ := fmt.Sscanf(line, "begun %d by %d attempt %d fence %d", &n, &pid, &attempt, &fence); k == 4 {
			require.Greater(t, fence, last[n], line)
			last[n] = fence
		}
	}
}

func TestSubmitterProcesses(t *testing.T) {
	t.Parallel()
	t.Run("when a submitter dies its tasks end within 15 seconds, those that wait and those that run, but not the detached", func(t *testing.T) {
		t.Parallel()
		e, j := open(t), newJournal(t)
		url := share(t, e)
		js := inspect(t, e)
		start(t, "worker", url, 2, "w")
		// Two run; two wait, one of them with a key.
		s := start(t, "submitter", url, j, "sleep", "detached-sleep", "sleep", "keyed-sleep")
		eventually(t, func() bool { return j.count("begun") == 2 }, "two run")
		require.Equal(t, 2, messages(t, js, "coterie_room_job-v1"))
		s.kill()
		killed := time.Now()
		eventually(t, func() bool { return messages(t, js, "coterie_room_job-v1") == 0 }, "removed")
		eventually(t, func() bool { return j.count("stopped 0") == 1 }, "cancelled")
		require.Less(t, time.Since(killed), 15*time.Second)
		t.Log("noticed after", time.Since(killed))
		require.Contains(t, strings.Join(j.lines(), "\n"), ": "+remote.ErrAbandoned.Error())
		require.Zero(t, j.count("ended"), "one that waited may begin while they are removed, and no more")
		require.Zero(t, j.count("stopped 1"), "the detached one goes on")
		require.Equal(t, 1, messages(t, js, "coterie_queue_job-v1"))
	})

	t.Run("when one of two submitters of a key dies the task goes on for the other", func(t *testing.T) {
		t.Parallel()
		e, j := open(t), newJournal(t)
		url := share(t, e)
		s := start(t, "submitter", url, j, "keyed-nothing")
		f, err := remote.Submit(t.Context(), e, jobs, job{N: 7, Journal: j}, remote.Key("key"))
		require.NoError(t, err)
		s.kill()
		select {
		case <-f.Done():
			require.Fail(t, "given up")
		case <-time.After(13 * time.Second):
		}
		start(t, "worker", url, 1, "w")
		n, err := f.GetContext(within(t, 40*time.Second))
		require.NoError(t, err)
		require.Zero(t, n) // the argument of the first was used
		require.Equal(t, 1, j.count("begun"))
	})
}

func TestServerProcess(t *testing.T) {
	t.Parallel()
	t.Run("a server that is killed and restarts on its directory loses nothing", func(t *testing.T) {
		t.Parallel()
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		address := l.Addr().String()
		require.NoError(t, l.Close())
		dir, j := t.TempDir(), newJournal(t)
		server := start(t, "server", dir, address)
		e := join(t, "nats://"+address)
		start(t, "worker", "nats://"+address, 4, "w")

		const n = 200
		results := make([]int, n)
		errs := make([]error, n)
		var wg sync.WaitGroup
		var submitted sync.WaitGroup
		for i := range n {
			submitted.Add(1)
			wg.Go(func() {
				f, err := remote.Submit(t.Context(), e, jobs, job{N: i, Do: "sleep", For: 20 * time.Millisecond, Journal: j})
				submitted.Done()
				if err == nil {
					results[i], err = f.GetContext(within(t, 60*time.Second))
				}
				errs[i] = err
			})
		}
		eventually(t, func() bool { return j.count("ended") >= 10 }, "under way")
		server.kill()
		server = start(t, "server", dir, address)
		eventually(t, func() bool { return j.count("ended") >= 50 }, "under way again")
		server.kill()
		start(t, "server", dir, address)
		wg.Wait()
		for i := range n {
			require.NoError(t, errs[i], i)
			require.Equal(t, 2*i, results[i])
		}
	})
}

// TestChaos is short unless REMOTE_TEST_CHAOS says how many tasks there are.
func TestChaos(t *testing.T) {
	t.Parallel()
	t.Run("with workers killed at random each task has one result, and none is lost", func(t *testing.T) {
		t.Parallel()
		n, patience := 2000, 5*time.Minute
		if long, err := strconv.Atoi(os.Getenv("REMOTE_TEST_CHAOS")); err == nil {
			n, patience = long, 6*time.Hour
		}
		e, j := open(t), newJournal(t)
		url := share(t, e)
		ctx, cancel := context.WithCancel(t.Context())
		var killer sync.WaitGroup
		kills := 0
		for i := range 2 {
			w := start(t, "worker", url, 4, fmt.Sprint("w", i))
			killer.Go(func() {
				for {
					select {
					case <-ctx.Done():
						return
					case <-time.After(time.Second + rand.N(2*time.Second)):
					}
					w.kill()
					if i == 0 {
						kills++
					}
					w = start(t, "worker", url, 4, fmt.Sprint("w", i)) //coterie:failnow nobody else starts the next worker
				}
			})
		}
		defer killer.Wait()
		defer cancel()

		inputs := func(yield func(job) bool) {
			for i := range n {
				do := "sleep"
				if i%500 == 0 {
					do = "first" // runs until its worker is killed, so that a kill is never too late
				}
				if !yield(job{N: i, Journal: j, Do: do, For: time.Duration(rand.IntN(10)) * time.Millisecond}) {
					return
				}
			}
		}
		next := 0
		for v, err := range remote.Map(within(t, patience), e, manyJobs, inputs) {
			require.NoError(t, err)
			require.Equal(t, 2*next, v)
			next++
		}
		require.Equal(t, n, next)
		attempts := make(map[int]int)
		for _, line := range j.lines() {
			var i, pid, attempt int
			if k, _ := fmt.Sscanf(line, "begun %d by %d attempt %d", &i, &pid, &attempt); k == 3 {
				attempts[i]++
				require.LessOrEqual(t, attempt, 50)
			}
		}
		require.Len(t, attempts, n)
		again := 0
		for _, count := range attempts {
			if count > 1 {
				again++
			}
		}
		t.Logf("%d tasks, %d begun more than once, at least %d kills", n, again, kills)
		require.GreaterOrEqual(t, again, n/500)
		fences(t, j)
		for range remote.Dead(t.Context(), e, manyJobs) {
			require.Fail(t, "a dead letter")
		}
	})
}
