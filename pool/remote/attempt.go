package remote

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/pool"
)

// This file holds one attempt at a task: the claim, the lease, and the result.
//
// A worker claims a task by writing into its record by which delivery it got it, and one attempt
// more. It may do so only if its delivery is later than the one in the record, so of two workers
// that the server has given a task the later one has it. A result is written only if the record
// still has the delivery of the attempt.
//
// The lease is the time for which the server keeps the message from others. The worker renews it at
// each third, and looks at the record then. By the worker's own clock a lease counts from when the
// last renewal that the server has answered was sent, so it never ends later than by the server's.
// Until the first renewal it counts from the arrival of the message.
//
// When a record says that the task is over, whoever holds the message sees to the rest: the dead
// letter, the owners, and then the message itself. Each of these may happen twice.

// ErrLeaseLost is the cause with which a task's context ends when its worker could not renew the
// lease in time, or another worker has begun the task.
var ErrLeaseLost = errors.New("remote: lease lost")

// ErrAbandoned is the cause with which a task's context ends when all who wanted its result have
// given up or died. It is wrapped by the error of a future whose submitter was cut off for so long
// that it was taken for dead.
var ErrAbandoned = errors.New("remote: abandoned")

type attempt struct {
	*slot
	msg      *nats.Msg
	run      string
	id       string
	delivery delivery
	record   *record // as the claim left it
	fence    uint64
	ctx      context.Context // until the attempt has lost its task
	cancel   context.CancelCauseFunc
	until    time.Time // when the lease ends by this clock; of the slot's goroutine

	// Written before the task's future is done, read after.

	began  bool
	result []byte
	err    error
	stack  string
}

// attempt does what there is to do about a delivery.
func (s *slot) attempt(msg *nats.Msg) {
	metadata, err := msg.Metadata()
	if err != nil {
		return
	}
	a := &attempt{
		slot:     s,
		msg:      msg,
		run:      msg.Subject[strings.LastIndexByte(msg.Subject, '.')+1:],
		id:       msg.Header.Get(idHeader),
		delivery: delivery{metadata.Sequence.Stream, metadata.NumDelivered},
		until:    time.Now().Add(s.task.Lease),
	}
	a.ctx, a.cancel = context.WithCancelCause(context.Background())
	defer a.cancel(nil)
	s.e.mu.Lock()
	s.e.attempts[a.run] = a
	s.e.mu.Unlock()
	defer func() {
		s.e.mu.Lock()
		defer s.e.mu.Unlock()
		if s.e.attempts[a.run] == a {
			delete(s.e.attempts, a.run)
		}
	}()

	if name := msg.Header.Get(taskHeader); name != s.task.name || a.id == "" {
		a.refuse(fmt.Errorf("unknown task %q: this queue is for %s", name, s.task.name))
		return
	}
	ctx, cancel := a.leased()
	defer cancel()
	var known *record
	if a.delivery.Count == 1 {
		known = recordFromHint(msg.Header.Get(recordHeader))
	}
	r, err := s.e.update(ctx, s.task.name, a.id, known, a.claim)
	switch {
	case err != nil:
		nak(msg, time.Second)
	case r == nil || r.Run != a.run:
		a.ack(ctx)
	case r.over():
		a.settle(r)
	case r.Delivery != a.delivery:
		// The message has been handed out again since.
	default:
		a.record, a.fence = r, r.revision
		if err := s.e.release(ctx, s.q, a.run, a.token()); err != nil {
			a.giveBack()
			return
		}
		a.perform()
	}
}

// leased returns a context that ends with the lease.
func (a *attempt) leased() (context.Context, context.CancelFunc) {
	return context.WithDeadlineCause(a.e.life, a.until, ErrLeaseLost)
}

// token returns the sequence of the task's token in the room, or 0.
func (a *attempt) token() uint64 {
	sequence, _ := strconv.ParseUint(a.msg.Header.Get(roomHeader), 10, 64)
	return sequence
}

// claim is what an attempt does to the record before it begins.
func (a *attempt) claim(r *record) (*record, change, time.Duration) {
	if r == nil || r.Run != a.run || r.over() || !a.delivery.after(r.Delivery) {
		return r, keep, 0
	}
	if r.State == running {
		r.Error = fmt.Sprintf("worker %s died or was cut off in attempt %d", r.Workers[len(r.Workers)-1], r.Attempts)
		r.Stack = ""
	}
	r.Delivery = a.delivery
	if r.Attempts >= a.task.Attempts {
		r.State, r.Engine = dead, ""
		return r, replace, a.task.Keep
	}
	r.State, r.Engine = running, a.e.id
	r.Attempts++
	r.Workers = append(r.Workers, a.name)
	return r, replace, 0
}

// mine reports whether the record is as the claim has left it, but for owners.
func (a *attempt) mine(r *record) bool {
	return r != nil && r.Run == a.run && r.Delivery == a.delivery && r.State == running
}

// perform runs the task on the pool, keeps its lease meanwhile, and writes what came of it.
func (a *attempt) perform() {
	future, err := pool.Submit(a.Worker.ctx, a.pool, func(ctx context.Context) (struct{}, error) {
		a.call(ctx)
		return struct{}{}, nil
	})
	if err != nil { // the pool was closed a moment ago
		a.giveBack()
		return
	}
	a.tend(future.Done())
	<-future.Done()
	switch {
	case context.Cause(a.ctx) == ErrAbandoned:
		a.ack(a.e.life)
	case a.ctx.Err() != nil:
	case !a.began:
		a.giveBack()
	default:
		a.finish()
	}
}

// call runs the task's function.
func (a *attempt) call(ctx context.Context) {
	ctx, cancel := context.WithCancelCause(context.WithValue(ctx, contextKey{}, a))
	defer cancel(nil)
	defer context.AfterFunc(a.ctx, func() { cancel(context.Cause(a.ctx)) })()

	a.began = true
	a.err = errors.New("the task called runtime.Goexit") // unless it returns or panics
	returned := false
	defer func() {
		if returned {
			return
		}
		a.stack = string(debug.Stack())
		if value := recover(); value != nil {
			a.err = fmt.Errorf("panic: %v", value)
			if p, ok := value.(*core.PanicError); ok { // of a task that this one waited for
				a.err, a.stack = fmt.Errorf("panic: %v", p.Value), string(p.Stack)
			}
		}
	}()
	a.result, a.err = a.Worker.run(ctx, a.msg.Data)
	returned = true
}

// tend renews the lease until the task has returned, or the attempt has lost it.
func (a *attempt) tend(returned <-chan struct{}) {
	timer := time.NewTimer(a.task.Lease / 3)
	defer timer.Stop()
	for {
		select {
		case <-returned:
			return
		case <-a.ctx.Done():
			return
		case <-timer.C:
			next := a.task.Lease / 3
			if !a.renew() {
				next = min(a.task.Lease/12, time.Until(a.until))
			}
			timer.Reset(next)
		case <-a.halted.Done():
			select {
			case <-returned: // in time after all
			default:
				a.cancel(ErrShutdown)
				a.giveBack()
			}
			return
		}
	}
}

// renew extends the lease and looks whether the task is still this attempt's. It cancels the
// attempt if not, or if the lease has ended. It reports whether it got an answer.
func (a *attempt) renew() bool {
	sent := time.Now()
	ctx, cancel := context.WithDeadline(a.e.life, earlier(a.until, sent.Add(a.task.Lease/3)))
	defer cancel()
	_, err := a.e.conn.RequestWithContext(ctx, a.msg.Reply, []byte("+WPI"))
	var r *record
	if err == nil {
		r, err = a.e.read(ctx, a.task.name, a.id)
	}
	switch {
	case err != nil:
		if !time.Now().Before(a.until) {
			a.cancel(ErrLeaseLost)
		}
		return false
	case r == nil || r.Run != a.run:
		a.cancel(ErrAbandoned)
	case !a.mine(r):
		a.cancel(ErrLeaseLost)
	}
	a.until = sent.Add(a.task.Lease)
	return true
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// finish writes what came of the attempt. As long as the server has no room for it, finish tries
// again, under the lease.
func (a *attempt) finish() {
	if a.err == nil && len(a.result) > a.e.largest() {
		a.err = Permanent(fmt.Errorf("result of %d bytes: %w, which is %d", len(a.result), ErrTooLarge, a.e.largest()))
	}
	for known := a.record; ; known = nil {
		ctx, cancel := a.leased()
		r, err := a.e.update(ctx, a.task.name, a.id, known, a.outcome)
		cancel()
		switch {
		case err == nil && r != nil && r.Run == a.run && r.Delivery == a.delivery:
			if r.over() {
				a.settle(r)
			} else {
				nak(a.msg, a.task.Backoff(r.Attempts))
			}
			return
		case err == nil: // it is another's
			return
		}
		select {
		case <-time.After(a.task.Lease / 12):
		case <-a.halted.Done():
			a.giveBack()
			return
		}
		a.renew()
		if a.ctx.Err() != nil {
			return
		}
	}
}

// outcome is what an attempt does to the record after it.
func (a *attempt) outcome(r *record) (*record, change, time.Duration) {
	if !a.mine(r) {
		return r, keep, 0
	}
	r.Engine = ""
	switch {
	case a.err == nil:
		r.State, r.result, r.Error, r.Stack = done, a.result, "", ""
		return r, replace, a.task.Keep
	case isPermanent(a.err) || r.Attempts >= a.task.Attempts:
		r.State = dead
	default:
		r.State = queued
	}
	r.Error, r.Stack = shortened(a.err.Error()), shortened(a.stack)
	if r.State == dead {
		return r, replace, a.task.Keep
	}
	return r, replace, 0
}

// giveBack makes another worker begin the task at once. This attempt does not count.
func (a *attempt) giveBack() {
	ctx, cancel := context.WithTimeout(a.e.life, answerTimeout)
	defer cancel()
	r, err := a.e.update(ctx, a.task.name, a.id, nil, func(r *record) (*record, change, time.Duration) {
		if !a.mine(r) {
			return r, keep, 0
		}
		r.State, r.Engine = queued, ""
		r.Attempts--
		r.Workers = r.Workers[:len(r.Workers)-1]
		return r, replace, 0
	})
	if err == nil && r != nil && r.Delivery == a.delivery && r.State == queued {
		nak(a.msg, giveBackDelay)
	}
}

// settle carries out what the record of a task that is over says.
func (a *attempt) settle(r *record) {
	ctx, cancel := context.WithTimeout(a.e.life, a.task.Lease)
	defer cancel()
	if r.State == dead {
		if err := a.e.bury(ctx, r, a.msg.Data); err != nil {
			return // the message comes again
		}
	}
	a.e.tellOwners(r)
	if r.Delivery == a.delivery && a.record != nil {
		a.msg.Ack()
		return
	}
	a.ack(ctx)
}

// ack removes the message of a task that is over or has no record, and the token that a submitter
// may have left in the room.
func (a *attempt) ack(ctx context.Context) {
	if a.e.release(ctx, a.q, a.run, 0) == nil {
		a.msg.Ack()
	}
}

// refuse makes a dead letter of a message that is no task of this queue.
func (a *attempt) refuse(err error) {
	ctx, cancel := a.leased()
	defer cancel()
	r := &record{Task: a.task.name, ID: a.id, Run: a.run, State: dead, Error: shortened(err.Error())}
	if a.e.bury(ctx, r, a.msg.Data) == nil {
		a.ack(ctx)
	}
}

// shortened cuts a text that is too long for a record.
func shortened(text string) string {
	const most = 6 << 10
	if len(text) > most {
		return strings.ToValidUTF8(text[:most], "") + "..."
	}
	return text
}
