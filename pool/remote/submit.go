package remote

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"
)

// This file holds the life of a submission: it gets a record, a token in the room and a message in
// the queue, in this order, and its owner waits for the result or gives it up. Its invariant: each
// step may be repeated by any of the submitters of a Key, because each is refused, or harmless,
// when it was done before. So none depends on another to finish what that has begun.

// ErrFull is what TrySubmit returns when so many tasks wait as may.
var ErrFull = errors.New("remote: queue full")

// ErrTooLarge is wrapped by the error of a Submit whose argument is larger than the server takes.
var ErrTooLarge = errors.New("larger than the server takes")

// reserved is how much of the largest message the server takes is kept for what a
// record or a dead letter has besides an argument or a result.
const reserved = 32 << 10

// longestKey is how many bytes a key may have.
const longestKey = 1 << 10

// largest returns how large an argument or a result may be.
func (e *Engine) largest() int {
	limit := int(e.conn.MaxPayload())
	return limit - min(reserved, limit/2)
}

var errNoAnswer = errors.New("the server does not answer")

// A SubmitOption changes how a task is submitted.
type SubmitOption func(*submission)

// Key gives a submission a name. While another with the same key waits or runs, or its result is
// kept, no further task is started: both get the one result, or the one *[DeadError]. The arguments
// should be the same; only one of them is used. A Submit with an empty key, or one of more than
// 1024 bytes, returns an error.
func Key(key string) SubmitOption {
	return func(s *submission) { s.key, s.keyed = key, true }
}

// Detach lets a task run on when its submitter gives up or dies. Its result can be found by its
// Key.
func Detach() SubmitOption {
	return func(s *submission) { s.detached = true }
}

// A submission is what a Submit asks for.
type submission struct {
	e        *Engine
	q        *queue
	task     *definition
	input    []byte
	key      string
	keyed    bool
	detached bool
	patient  bool   // waits for room
	token    string // among the record's owners
	waiter   *waiter
}

// A waiter is told what becomes of a record.
type waiter struct {
	task, id string
	attached atomic.Bool  // its record has been there
	told     chan *record // nil if the record is gone; what does not fit is found by recheck
}

// Submit puts a task into the queue and returns its result to come. It blocks while the queue is
// full, or the server does not answer, until ctx is done, and then returns context.Cause of ctx;
// the task does not run then.
//
// ctx owns the task for as long as it lives, unless the task is detached: when ctx is done, a task
// that waits is removed, one that runs has its context cancelled, and the future returns
// context.Cause of ctx. The same happens, within 15 seconds, when this process dies. A failure is a
// *[DeadError] of the future: of a task that has failed as often as it may, also by a panic or a
// Goexit, or that returned a [Permanent] error.
//
// Submit returns an error that wraps [ErrTooLarge] if the argument does not fit into a message, and
// [ErrClosed] after [Engine.Close]. It panics if ctx, e or t is nil. It writes three messages, one
// after another, and a fourth with [Detach]; a pending future costs a goroutine.
func Submit[In, Out any](ctx context.Context, e *Engine, t *Task[In, Out], in In, opts ...SubmitOption) (*future[Out], error) {
	return submit(ctx, e, t, in, true, opts)
}

// TrySubmit is Submit that returns [ErrFull] if there is no room in the queue, and
// another error if the server does not answer within a few seconds.
func TrySubmit[In, Out any](ctx context.Context, e *Engine, t *Task[In, Out], in In, opts ...SubmitOption) (*future[Out], error) {
	return submit(ctx, e, t, in, false, opts)
}

func submit[In, Out any](ctx context.Context, e *Engine, t *Task[In, Out], in In, patient bool, opts []SubmitOption) (*future[Out], error) {
	switch {
	case ctx == nil:
		panic("remote: nil context")
	case e == nil:
		panic("remote: nil engine")
	case t == nil:
		panic("remote: nil task")
	}
	s := &submission{e: e, task: &t.definition, patient: patient}
	for _, opt := range opts {
		opt(s)
	}
	r, err := s.accept(ctx, func() (err error) {
		s.input, err = t.Codec.Encode(in)
		return err
	})
	if err != nil {
		return nil, explain(ctx, err, "remote: submit %s", t.name)
	}
	decode := func(r *record) (out Out, err error) {
		if r.State == dead {
			return out, r.failure(s.input)
		}
		if err = t.Codec.Decode(r.result, &out); err != nil {
			err = fmt.Errorf("remote: task %s: decode the result: %w", t.name, err)
		}
		return out, err
	}
	e.mu.Lock()
	if !e.isClosing {
		defer e.mu.Unlock()
		return promise(&e.futures, func() (Out, error) {
			r, err := s.wait(ctx, r)
			if err != nil {
				var zero Out
				return zero, err
			}
			return decode(r)
		}), nil
	}
	e.mu.Unlock()
	s.abandon()
	return nil, ErrClosed
}

// accept makes all the steps of a submission, or takes back those that it made. It returns the
// record.
func (s *submission) accept(ctx context.Context, encode func() error) (r *record, err error) {
	e := s.e
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if s.keyed && s.key == "" {
		return nil, errors.New("empty key")
	}
	if len(s.key) > longestKey {
		return nil, fmt.Errorf("key of %d bytes is longer than %d", len(s.key), longestKey)
	}
	if err := encode(); err != nil {
		return nil, fmt.Errorf("encode the argument: %w", err)
	}
	if len(s.input) > e.largest() {
		return nil, fmt.Errorf("argument of %d bytes: %w, which is %d", len(s.input), ErrTooLarge, e.largest())
	}
	if e.active.Err() != nil {
		return nil, ErrClosed
	}
	bounded, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(e.active, func() { cancel(ErrClosed) })()
	if !s.patient {
		defer time.AfterFunc(answerTimeout, func() { cancel(errNoAnswer) }).Stop()
	}

	run := nuid.Next()
	id := run
	if s.keyed {
		sum := sha256.Sum256([]byte(s.key))
		id = hex.EncodeToString(sum[:16])
	}
	s.token = e.newToken()
	s.waiter = &waiter{task: s.task.name, id: id, told: make(chan *record, 4)}
	if s.q, err = e.queueOf(bounded, s.task); err != nil {
		return nil, err
	}
	e.await(s.waiter)
	defer func() {
		if err != nil {
			s.abandon()
		}
	}()
	if s.keyed {
		r, err = s.attach(bounded, run)
	} else {
		r, err = s.create(bounded, run)
	}
	s.waiter.attached.Store(err == nil)
	if err == nil && r == nil {
		err = ErrAbandoned // this engine has been taken for dead
	}
	if err == nil && r.State == queued && r.Delivery == (delivery{}) {
		var over *record
		if over, err = s.enqueue(bounded, r); over != nil {
			r = over
		}
	}
	if err == nil && s.detached {
		err = s.detach(bounded)
	}
	return r, err
}

// detach makes the record need no owner. It comes last: a submission that is taken back
// leaves nothing behind.
func (s *submission) detach(ctx context.Context) error {
	_, err := s.e.update(ctx, s.task.name, s.waiter.id, nil, func(r *record) (*record, change, time.Duration) {
		if r == nil || r.over() || r.Detached {
			return r, keep, 0
		}
		r.Detached = true
		return r, replace, 0
	})
	return err
}

// create makes the record of a submission that has no key, for which none can be there.
func (s *submission) create(ctx context.Context, run string) (*record, error) {
	r := &record{Task: s.task.name, ID: run, Run: run, State: queued, Owners: []string{s.token}}
	return s.e.update(ctx, s.task.name, run, r, func(r *record) (*record, change, time.Duration) {
		if r == nil || r.revision != 0 { // it was written, and perhaps given up again
			return r, keep, 0
		}
		return r, replace, 0
	})
}

// attach makes a record, or becomes an owner of the one that there is.
func (s *submission) attach(ctx context.Context, run string) (*record, error) {
	return s.e.update(ctx, s.task.name, s.waiter.id, nil, func(r *record) (*record, change, time.Duration) {
		switch {
		case r == nil:
			r = &record{Task: s.task.name, ID: s.waiter.id, Run: run, Key: s.key, State: queued}
		case r.over() || slices.Contains(r.Owners, s.token):
			return r, keep, 0
		}
		r.Owners = append(r.Owners, s.token)
		return r, replace, 0
	})
}

// enqueue takes room for r's task and puts it into the queue. If another submitter of the key was
// faster it returns the record that it finds.
func (s *submission) enqueue(ctx context.Context, r *record) (over *record, err error) {
	sequence, over, err := s.takeRoom(ctx, r)
	if err != nil || over != nil {
		return over, err
	}
	if err := s.publish(ctx, r, sequence); err != nil {
		return nil, err
	}
	if r.Key == "" {
		return nil, nil
	}
	// A worker may have begun the task, for another submitter, before we took room:
	// nobody else gives that back.
	now, err := s.e.read(ctx, r.Task, r.ID)
	if err == nil && (now == nil || now.Run != r.Run || now.State != queued) {
		err = s.e.release(ctx, s.q, r.Run, 0)
	}
	return nil, err
}

// publish puts the message of a run into the queue, unless it is there.
func (s *submission) publish(ctx context.Context, r *record, room uint64) error {
	msg := &nats.Msg{Subject: s.q.subject(r.Run), Data: s.input, Header: nats.Header{
		taskHeader: {r.Task}, idHeader: {r.ID}, recordHeader: {r.hint()},
	}}
	if room != 0 {
		msg.Header.Set(roomHeader, strconv.FormatUint(room, 10))
	}
	return s.e.try(ctx, func(ctx context.Context) error {
		_, err := s.e.js.PublishMsg(ctx, msg)
		if refusedAs(err) == "maximum messages per subject exceeded" {
			return nil
		}
		return err
	})
}

// refusedAs returns the reason for which a stream did not store a message.
func refusedAs(err error) string {
	if api := (*jetstream.APIError)(nil); errors.As(err, &api) && api.ErrorCode == 10077 {
		return api.Description
	}
	return ""
}

// takeRoom puts a token into the room, as soon as that is not full. It returns the
// token's sequence, or 0 if another submitter of the key has put it there, or the
// record of a task that ended meanwhile.
//
// Whoever finds the room full waits for the gate, so that only one of each engine asks again and
// again.
func (s *submission) takeRoom(ctx context.Context, r *record) (sequence uint64, over *record, err error) {
	full := false
	ask := func(ctx context.Context) error {
		full = false
		ack, err := s.e.js.PublishMsg(ctx, nats.NewMsg(s.q.roomSubject(r.Run)))
		switch refusedAs(err) {
		case "":
		case "maximum messages per subject exceeded":
			return nil
		case "maximum messages exceeded":
			full = true
			return nil
		}
		if err == nil {
			sequence = ack.Sequence
		}
		return err
	}
	if err := s.e.try(ctx, ask); err != nil || !full {
		return sequence, nil, err
	}
	if !s.patient {
		return 0, nil, ErrFull
	}
	select {
	case s.q.gate <- struct{}{}:
		defer func() { <-s.q.gate }()
	case <-ctx.Done():
		return 0, nil, context.Cause(ctx)
	}
	for pause := 2 * time.Millisecond; ; pause = min(2*pause, 50*time.Millisecond) {
		if err := s.e.try(ctx, ask); err != nil || !full {
			return sequence, nil, err
		}
		select {
		case <-time.After(pause):
		case told := <-s.waiter.told:
			if told.Run == r.Run {
				return 0, told, nil
			}
		case <-ctx.Done():
			return 0, nil, context.Cause(ctx)
		}
	}
}

// wait returns the record of the run when it is over.
func (s *submission) wait(ctx context.Context, r *record) (*record, error) {
	defer s.e.forget(s.waiter)
	for !r.over() {
		select {
		case told := <-s.waiter.told:
			if told == nil {
				return nil, s.lost()
			}
			if told.Run == r.Run {
				r = told
			}
		case <-ctx.Done():
			s.leave()
			return nil, context.Cause(ctx)
		case <-s.e.active.Done():
			s.leave()
			return nil, ErrClosed
		}
	}
	return r, nil
}

// lost is the error of a task that has no record any more.
func (s *submission) lost() error {
	return fmt.Errorf("remote: task %s: %w", s.task.name, ErrAbandoned)
}

// abandon takes back what accept has done.
func (s *submission) abandon() {
	s.e.forget(s.waiter)
	s.leave()
}

// leave ends the submission's part in the task. It returns when the server has been told; if that
// does not answer, the engine goes on trying.
func (s *submission) leave() {
	left := func(token string) bool { return token == s.token }
	ctx, cancel := context.WithTimeout(s.e.life, answerTimeout)
	defer cancel()
	if err := s.e.leave(ctx, s.task.name, s.waiter.id, left); err != nil && ctx.Err() != nil {
		s.e.start(func() { s.e.leave(s.e.life, s.task.name, s.waiter.id, left) })
	}
}

// leave removes those owners of a task for which left is true. The last one to leave ends the task,
// unless it is detached: its record is deleted, and then its message and its token. Who dies in
// between leaves those to the worker that finds no record for them.
func (e *Engine) leave(ctx context.Context, task, id string, left func(token string) bool) error {
	var ended *record
	_, err := e.update(ctx, task, id, nil, func(r *record) (*record, change, time.Duration) {
		if r == nil {
			return nil, keep, 0 // perhaps by the drop that had no answer
		}
		ended = nil
		if r.over() {
			return r, keep, 0
		}
		owners := without(r.Owners, left)
		if len(owners) == len(r.Owners) {
			return r, keep, 0
		}
		r.Owners = owners
		if len(owners) > 0 || r.Detached {
			return r, replace, 0
		}
		ended = r
		return r, drop, 0
	})
	if err != nil || ended == nil {
		return err
	}
	if ended.State == running {
		e.tell(ended.Engine, tellEnded, ended)
	}
	q, err := e.findQueue(ctx, task)
	if err != nil {
		return err
	}
	return errors.Join(e.discard(ctx, q, ended.Run), e.release(ctx, q, ended.Run, 0))
}

// discard removes the message of a run from the queue.
func (e *Engine) discard(ctx context.Context, q *queue, run string) error {
	return e.try(ctx, func(ctx context.Context) error {
		return q.waiting.Purge(ctx, jetstream.WithPurgeSubject(q.subject(run)))
	})
}
