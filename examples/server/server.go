package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/coterie-go/coterie/pool"
)

// A server is the HTTP side of a pool of workers.
type server struct {
	*http.ServeMux
	pool       *pool.Pool
	jobs       context.Context // of all jobs
	cancelJobs context.CancelFunc
	log        io.Writer
}

func newServer(workers, queue int, log io.Writer) *server {
	s := &server{
		ServeMux: http.NewServeMux(),
		pool:     pool.New(workers, pool.Options{Name: "jobs", Queue: queue}),
		log:      log,
	}
	s.jobs, s.cancelJobs = context.WithCancel(context.Background())
	s.HandleFunc("POST /jobs", s.accept)
	s.HandleFunc("GET /stats", s.stats)
	return s
}

// accept queues a job. It does not wait for room: whoever sends jobs is told to
// come back later, which is the back-pressure of HTTP.
func (s *server) accept(w http.ResponseWriter, r *http.Request) {
	work, err := time.ParseDuration(r.FormValue("work"))
	if err != nil || work < 0 {
		http.Error(w, "work must be a duration, such as 500ms", http.StatusBadRequest)
		return
	}
	if !s.pool.TryGo(func() { s.job(work) }) {
		w.Header().Set("Retry-After", "1")
		http.Error(w, "no room in the queue", http.StatusServiceUnavailable)
		return
	}
	w.WriteHeader(http.StatusAccepted)
	fmt.Fprintln(w, "accepted")
}

// job stands for what a real server would do.
func (s *server) job(work time.Duration) {
	select {
	case <-time.After(work):
	case <-s.jobs.Done():
	}
}

func (s *server) stats(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(s.pool.Stats())
}
