package remote

import (
	"context"
	"strings"

	"github.com/nats-io/nats.go"
)

// This file holds what engines tell each other: that a task is over, or has been given up. A
// message may be lost, so nothing depends on one: the record has the same to say, and is looked at
// from time to time.

const (
	tellOver  = "over"  // to the engines of a record's owners
	tellEnded = "ended" // to the engine of the attempt
)

func (e *Engine) tell(engine, what string, r *record) {
	data, err := r.encode()
	if err != nil {
		return // it was decoded a moment ago
	}
	e.conn.PublishMsg(&nats.Msg{Subject: tellSubjects + engine, Data: data, Header: nats.Header{tellHeader: {what}}})
}

// tellOwners says that the task of a record is over.
func (e *Engine) tellOwners(r *record) {
	told := make(map[string]bool)
	for _, token := range r.Owners {
		engine, _, _ := strings.Cut(token, "-")
		if !told[engine] {
			told[engine] = true
			e.tell(engine, tellOver, r)
		}
	}
}

// listen subscribes to what this engine is told.
func (e *Engine) listen() error {
	sub, err := e.conn.Subscribe(tellSubjects+e.id, func(msg *nats.Msg) {
		r, err := decodeRecord(msg.Data)
		if err != nil {
			return
		}
		e.mu.Lock()
		defer e.mu.Unlock()
		switch msg.Header.Get(tellHeader) {
		case tellOver:
			e.resolveLocked(r.Task+"."+r.ID, r)
		case tellEnded:
			if a := e.attempts[r.Run]; a != nil {
				a.cancel(ErrAbandoned)
			}
		}
	})
	if err != nil {
		return err
	}
	return sub.SetPendingLimits(-1, -1)
}

// await makes w be told what becomes of its record.
func (e *Engine) await(w *waiter) {
	e.mu.Lock()
	defer e.mu.Unlock()
	key := w.task + "." + w.id
	if e.waiters[key] == nil {
		e.waiters[key] = make(map[*waiter]struct{})
	}
	e.waiters[key][w] = struct{}{}
}

// forget ends what await began.
func (e *Engine) forget(w *waiter) {
	e.mu.Lock()
	defer e.mu.Unlock()
	key := w.task + "." + w.id
	delete(e.waiters[key], w)
	if len(e.waiters[key]) == 0 {
		delete(e.waiters, key)
	}
}

// resolveLocked hands a record to those who wait for it.
func (e *Engine) resolveLocked(key string, r *record) {
	for w := range e.waiters[key] {
		if !w.attached.Load() && r == nil {
			continue
		}
		select {
		case w.told <- r:
		default:
		}
	}
}

// recheck looks at the records of n tasks whose results are waited for, or of all if n is negative.
func (e *Engine) recheck(ctx context.Context, n int) {
	type asked struct{ task, id string }
	ask := make(map[string]asked)
	e.mu.Lock()
	for key, waiters := range e.waiters {
		if len(ask) == n {
			break
		}
		for w := range waiters {
			if w.attached.Load() {
				ask[key] = asked{w.task, w.id}
			}
		}
	}
	e.mu.Unlock()
	for key, a := range ask {
		r, err := e.read(ctx, a.task, a.id)
		if err != nil {
			return
		}
		if r == nil || r.over() {
			e.mu.Lock()
			e.resolveLocked(key, r)
			e.mu.Unlock()
		}
	}
}
