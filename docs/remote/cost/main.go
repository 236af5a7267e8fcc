//go:build unix

// Cost measures pool/remote beside a plain work queue of nats.go and asynq on a
// local Redis, and prints a table:
//
//	go run ./cost
//
// It starts a redis-server of its own on a socket, which Debian's package
// redis-server has; without one the column stays empty. A task gets a number and
// returns twice that. All of a contender's parts are on this machine: its server, one
// submitter and eight workers.
package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

const workers = 8

// inFlight is how many tasks are under way in the measurement of Map.
const inFlight = 1024

// A contender runs tasks. Its methods are called in this order, some not at all.
type contender interface {
	serve() error                                // starts the workers
	one(ctx context.Context, n int) (int, error) // through a worker and back
	all(ctx context.Context, n int) error        // that many, inFlight at a time
	queue(ctx context.Context, n int) error      // puts that many into the queue, and waits for none
	serverMemory() (int, error)                  // bytes that the server takes
	elsewhere() (time.Duration, error)           // processor time of other processes
	close()
}

func main() {
	tasks := flag.Int("tasks", 20_000, "measure `n` tasks in Map, and a tenth of that one by one")
	queued := flag.Int("queued", 1_000_000, "queue `n` tasks to measure memory")
	only := flag.String("only", "", "measure this `contender` alone")
	flag.Parse()
	dir, err := os.MkdirTemp("", "cost")
	check(err)
	defer os.RemoveAll(dir)

	fmt.Printf("%s, %d processors; tasks %d, queued %d\n\n", runtime.Version(), runtime.NumCPU(), *tasks, *queued)
	fmt.Println("| | one by one | latency, median | latency, 99% | in Map | processor time a task, in Map | memory, queued |")
	fmt.Println("|---|---|---|---|---|---|---|")
	for _, c := range []struct {
		name string
		open func(dir string) (contender, error)
	}{
		{"pool/remote", openCoterie},
		{"nats.go", openNats},
		{"asynq", openAsynq},
	} {
		if *only != "" && *only != c.name {
			continue
		}
		row, err := measure(c.open, filepath.Join(dir, c.name), *tasks, *queued)
		if err != nil {
			fmt.Fprintln(os.Stderr, c.name, err)
			continue
		}
		fmt.Printf("| %s | %s |\n", c.name, strings.Join(row, " | "))
	}
}

func measure(open func(string) (contender, error), dir string, tasks, queued int) (row []string, err error) {
	ctx := context.Background()
	c, err := open(filepath.Join(dir, "run"))
	if err != nil {
		return nil, err
	}
	if err := c.serve(); err != nil {
		return nil, err
	}
	var latencies []time.Duration
	start := time.Now()
	for i := range tasks / 10 {
		begun := time.Now()
		n, err := c.one(ctx, i)
		if err != nil || n != 2*i {
			return nil, fmt.Errorf("task %d: %d, %w", i, n, err)
		}
		latencies = append(latencies, time.Since(begun))
	}
	row = append(row, perSecond(len(latencies), start))
	slices.Sort(latencies)
	for _, part := range []int{50, 99} {
		row = append(row, fmt.Sprintf("%.2f ms", latencies[len(latencies)*part/100].Seconds()*1e3))
	}
	busy, err := processorTime(c)
	if err != nil {
		return nil, err
	}
	start = time.Now()
	if err := c.all(ctx, tasks); err != nil {
		return nil, err
	}
	row = append(row, perSecond(tasks, start))
	until, err := processorTime(c)
	if err != nil {
		return nil, err
	}
	row = append(row, fmt.Sprintf("%d µs", (until-busy).Microseconds()/int64(tasks)))
	c.close()

	if queued == 0 {
		return append(row, ""), nil
	}
	c, err = open(filepath.Join(dir, "queue"))
	if err != nil {
		return nil, err
	}
	defer c.close()
	before, err := c.serverMemory()
	if err != nil {
		return nil, err
	}
	start = time.Now()
	if err := c.queue(ctx, queued); err != nil {
		return nil, err
	}
	took := time.Since(start)
	after, err := c.serverMemory()
	if err != nil {
		return nil, err
	}
	return append(row, fmt.Sprintf("%d MB, in %.0f s", (after-before)>>20, took.Seconds())), nil
}

func perSecond(n int, start time.Time) string {
	return fmt.Sprintf("%.0f/s", float64(n)/time.Since(start).Seconds())
}

// processorTime returns how long processors have worked for a contender and this
// process.
func processorTime(c contender) (time.Duration, error) {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0, err
	}
	elsewhere, err := c.elsewhere()
	return elsewhere + time.Duration(usage.Utime.Nano()+usage.Stime.Nano()), err
}

// memory returns the resident memory of this process, without garbage.
func memory() (int, error) {
	debug.FreeOSMemory()
	file, err := os.Open("/proc/self/status")
	if err != nil {
		return 0, err
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		if rest, ok := strings.CutPrefix(lines.Text(), "VmRSS:"); ok {
			n, err := strconv.Atoi(strings.Fields(rest)[0])
			return n << 10, err
		}
	}
	return 0, lines.Err()
}

// concurrently calls f for 0..n-1, up to inFlight at a time.
func concurrently(n int, f func(i int) error) error {
	var wg sync.WaitGroup
	var mu sync.Mutex
	var failed error
	next := 0
	for range inFlight {
		wg.Go(func() {
			for {
				mu.Lock()
				i := next
				next++
				stop := failed != nil || i >= n
				mu.Unlock()
				if stop {
					return
				}
				if err := f(i); err != nil {
					mu.Lock()
					failed = err
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	return failed
}

func encode(n int) []byte { return binary.AppendVarint(nil, int64(n)) }

func decode(data []byte) int {
	n, _ := binary.Varint(data)
	return int(n)
}

// startRedis starts a server on a socket in dir.
func startRedis(dir string) (socket string, stop func(), err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", nil, err
	}
	socket = filepath.Join(dir, "redis")
	command := exec.Command("redis-server", "--port", "0", "--unixsocket", socket, "--dir", dir, "--appendonly", "yes", "--save", "")
	if err := command.Start(); err != nil {
		return "", nil, err
	}
	stop = func() {
		command.Process.Kill()
		command.Wait()
	}
	for range 500 {
		if conn, err := net.Dial("unix", socket); err == nil {
			conn.Close()
			return socket, stop, nil
		}
		time.Sleep(10 * time.Millisecond)
	}
	stop()
	return "", nil, fmt.Errorf("redis-server does not answer")
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
