package remote

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/coterie-go/coterie/group"
	"github.com/coterie-go/coterie/pool"
)

// This file holds how a worker gets its tasks. Its invariant: there are as many slots as workers,
// and a slot asks the server for one task only when it has none. So no task waits here while a
// worker elsewhere is free, and none is fetched whose lease then runs out unnoticed.

// ErrShutdown is the cause with which the contexts of tasks end when their worker shuts down and
// has no more patience.
var ErrShutdown = errors.New("remote: worker shut down")

// pullLasts is how long the server keeps a request for a task. When it has not answered pullLate
// later, the request was lost.
const (
	pullLasts = 10 * time.Second
	pullLate  = 2 * time.Second
)

// giveBackDelay is how long a task that is given back waits until another worker gets it.
const giveBackDelay = 10 * time.Millisecond

// Options are the settings of a Worker. The zero Options are good ones.
type Options struct {
	// Name says in dead letters, and in a *StuckError, which worker it was. It need not be unique.
	// If it is empty, it is the name of the host.
	Name string
	// Workers is how many tasks may run at once; 0 means GOMAXPROCS.
	Workers int
}

// A Worker serves one task on behalf of this process. Make one with [Serve].
type Worker struct {
	e     *Engine
	task  *definition
	run   func(ctx context.Context, data []byte) ([]byte, error)
	name  string
	pool  *pool.Pool
	ctx   context.Context // whose values the tasks' contexts have
	slots group.Group

	halted context.Context // until shutting down has no more patience
	halt   context.CancelFunc
	taking context.Context // until shutting down begins
	rest   context.CancelFunc

	release func() bool // ends the hold of Serve's context; written before Serve returns
}

// Serve makes this process run tasks t that are submitted on e's server, by any engine, up to
// Options.Workers at once, until [Worker.Shutdown], [Engine.Close] or the end of ctx, which stops
// the worker like a Shutdown without patience. Serve returns when the worker is ready.
//
// The tasks run on a [pool.Pool] with the worker's name. Each gets a context that has the values of
// ctx, and not its end.
//
// Serve returns ErrClosed after Close, and an error if the server does not answer until ctx is
// done. It panics if ctx, e or t is nil, or Workers is negative.
func Serve[In, Out any](ctx context.Context, e *Engine, t *Task[In, Out], opts Options) (*Worker, error) {
	switch {
	case ctx == nil:
		panic("remote: nil context")
	case e == nil:
		panic("remote: nil engine")
	case t == nil:
		panic("remote: nil task")
	case opts.Workers < 0:
		panic(fmt.Sprintf("remote: negative Workers of %q, got %d", opts.Name, opts.Workers))
	}
	if opts.Workers == 0 {
		opts.Workers = runtime.GOMAXPROCS(0)
	}
	if opts.Name == "" {
		opts.Name, _ = os.Hostname()
	}
	if e.active.Err() != nil {
		return nil, ErrClosed
	}
	w := &Worker{
		e:    e,
		task: &t.definition,
		run:  t.run,
		name: opts.Name,
		pool: pool.New(opts.Workers, pool.Options{Name: opts.Name}),
		ctx:  context.WithoutCancel(ctx),
	}
	w.halted, w.halt = context.WithCancel(e.life)
	w.taking, w.rest = context.WithCancel(w.halted)
	if err := w.begin(ctx, opts.Workers); err != nil {
		w.halt()
		return nil, explain(ctx, err, "remote: serve %s", t.name)
	}
	return w, nil
}

func (w *Worker) begin(ctx context.Context, workers int) error {
	q, err := w.ready(ctx)
	if err != nil {
		return err
	}
	var subs []*nats.Subscription
	for range workers {
		sub, err := w.e.conn.SubscribeSync(w.e.conn.NewInbox())
		if err != nil {
			for _, sub := range subs {
				sub.Unsubscribe()
			}
			return err
		}
		sub.SetPendingLimits(-1, -1)
		subs = append(subs, sub)
	}
	e := w.e
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.isClosing {
		return ErrClosed // and so is the connection, with the subscriptions
	}
	e.workers[w] = struct{}{}
	for _, sub := range subs {
		s := &slot{w, q, sub}
		w.slots.Go(s.serve)
	}
	w.release = context.AfterFunc(ctx, w.halt)
	return nil
}

// ready makes what the worker needs on the server.
func (w *Worker) ready(ctx context.Context) (*queue, error) {
	q, err := w.e.queueOf(ctx, w.task)
	if err == nil {
		err = w.e.ensureConsumer(ctx, q, w.task.Lease)
	}
	return q, err
}

// Stats returns the numbers of the worker's pool, all of the same instant.
func (w *Worker) Stats() pool.Stats { return w.pool.Stats() }

// Shutdown takes no more tasks, and returns when those that run have ended and their results are
// written. When ctx is done before that, it cancels the contexts of those that still run with
// [ErrShutdown], gives them back at once, so that another worker starts them while this attempt
// does not count, and returns a *StuckError that says who is still running. It may be called again,
// to go on waiting. It must not be called by a task that the worker runs.
func (w *Worker) Shutdown(ctx context.Context) error {
	w.rest()
	if err := w.pool.Shutdown(ctx); err != nil {
		w.halt()
		return err
	}
	// Only results are still to be written.
	defer context.AfterFunc(ctx, w.halt)()
	w.join()
	return nil
}

// join waits until the worker has ended.
func (w *Worker) join() {
	w.rest()
	w.slots.Wait()
	w.pool.Close()
	w.halt()
	w.release()
	w.e.mu.Lock()
	defer w.e.mu.Unlock()
	delete(w.e.workers, w)
}

// A slot gets one task at a time from the server.
type slot struct {
	*Worker
	q   *queue
	sub *nats.Subscription // what the server answers
}

// serve is the life of a slot.
func (s *slot) serve() {
	defer s.drain()
	for s.taking.Err() == nil {
		msg := s.next()
		switch {
		case msg == nil:
		case isDelivery(msg):
			s.attempt(msg)
		case msg.Header.Get("Status") == "408": // no task while the request lasted
		default: // the server has no leader, is about to go, or has lost the consumer
			s.pause(250 * time.Millisecond)
			s.e.forgetQueue(s.q)
			if q, err := s.ready(s.taking); err == nil {
				s.q = q
			}
		}
	}
}

// isDelivery reports whether msg is a task, rather than the status of a request.
func isDelivery(msg *nats.Msg) bool { return strings.HasPrefix(msg.Reply, "$JS.ACK.") }

// next asks for a task and returns what comes, or nil if the request was lost or the worker takes
// no more.
func (s *slot) next() *nats.Msg {
	ctx, cancel := context.WithTimeout(s.taking, pullLasts+pullLate)
	defer cancel()
	defer context.AfterFunc(s.e.connected(), cancel)()
	if n, _, err := s.sub.Pending(); err == nil && n == 0 {
		request := fmt.Sprintf(`{"batch":1,"expires":%d}`, pullLasts)
		subject := "$JS.API.CONSUMER.MSG.NEXT." + s.q.stream() + "." + consumerName
		s.e.conn.PublishRequest(subject, s.sub.Subject, []byte(request))
	}
	msg, err := s.sub.NextMsgWithContext(ctx)
	if err != nil && ctx.Err() == nil {
		s.pause(100 * time.Millisecond)
	}
	return msg
}

// pause waits, unless the worker takes no more tasks.
func (s *slot) pause(d time.Duration) {
	select {
	case <-time.After(d):
	case <-s.taking.Done():
	}
}

// drain gives back what the server has sent until it learns that the slot takes no more; without
// that it would be lost until its lease ends.
func (s *slot) drain() {
	if s.sub.Drain() != nil {
		return
	}
	for {
		msg, err := s.sub.NextMsg(time.Second)
		if err != nil {
			return
		}
		if isDelivery(msg) {
			nak(msg, giveBackDelay)
		}
	}
}

// nak gives a message back, to be handed out again after a delay.
func nak(msg *nats.Msg, delay time.Duration) {
	msg.NakWithDelay(max(delay, giveBackDelay))
}
