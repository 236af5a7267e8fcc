package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coterie-go/coterie/pool"
)

// A server is a pool of workers with an HTTP handler.
type server struct {
	*http.ServeMux
	set        settings
	pool       *pool.Pool
	jobs       context.Context // the context of all jobs
	cancelJobs context.CancelFunc
	done       atomic.Int64 // jobs that have run to their end
	log        io.Writer
}

func newServer(set settings, log io.Writer) *server {
	s := &server{
		ServeMux: http.NewServeMux(),
		set:      set,
		pool:     pool.New(set.workers, pool.Options{Name: "jobs", Queue: set.queue}),
		log:      log,
	}
	s.jobs, s.cancelJobs = context.WithCancel(context.Background())
	s.HandleFunc("POST /jobs", s.accept)
	s.HandleFunc("POST /run", s.accept)
	return s
}

// accept queues a job. If there is no room in the queue, it does not block: it answers 503 with
// Retry-After, so that the client tries again later. For /run it answers when the job has ended.
func (s *server) accept(w http.ResponseWriter, r *http.Request) {
	work, err := time.ParseDuration(r.FormValue("work"))
	if err != nil || work < 0 {
		http.Error(w, "work must be a duration, such as 500ms", http.StatusBadRequest)
		return
	}
	ended := make(chan struct{})
	if !s.pool.TryGo(func() { defer close(ended); s.job(work) }) {
		w.Header().Set("Retry-After", "1")
		http.Error(w, "no room in the queue", http.StatusServiceUnavailable)
		return
	}
	if r.URL.Path == "/run" {
		<-ended
		fmt.Fprintln(w, "done")
		return
	}
	w.WriteHeader(http.StatusAccepted)
	fmt.Fprintln(w, "accepted")
}

// job stands for the work of a real server.
func (s *server) job(work time.Duration) {
	select {
	case <-time.After(work):
		s.done.Add(1)
	case <-s.jobs.Done():
	}
}

// work is the Run of the service workers. When ctx is done it lets the jobs finish. If they have
// not ended after the grace, it drops jobs that have not begun, and cancels those that run. The
// error has their stacks.
func (s *server) work(ctx context.Context, ready func()) error {
	ready()
	<-ctx.Done()
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.set.grace)
	defer cancel()
	err := s.pool.Shutdown(limited)
	s.cancelJobs()
	s.pool.Close() // waits for the jobs that were cancelled
	return err
}

// flush is the Run of the service flush. The workers stop before it does, so the last flush counts
// every job.
func (s *server) flush(ctx context.Context, ready func()) error {
	ready()
	ticker := time.NewTicker(s.set.flush)
	defer ticker.Stop()
	written := int64(0)
	for ctx.Err() == nil {
		select {
		case <-ticker.C:
		case <-ctx.Done():
		}
		if done := s.done.Load(); done > written {
			fmt.Fprintf(s.log, "flushed %d jobs\n", done-written)
			written = done
		}
	}
	return nil
}

// metrics answers with the pool's numbers.
func (s *server) metrics(w http.ResponseWriter, r *http.Request) {
	stats := s.pool.Stats()
	for _, metric := range []struct {
		name  string
		value any
	}{
		{"jobs_busy", stats.Busy},
		{"jobs_queued", stats.Queued},
		{"jobs_submitted_total", stats.Submitted},
		{"jobs_completed_total", stats.Completed},
		{"jobs_dropped_total", stats.Dropped},
	} {
		fmt.Fprintf(w, "%s %d\n", metric.name, metric.value)
	}
}

// Several services write to a lockedWriter at once, a line at a time.
type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer // guarded by mu
}

func (l *lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}
