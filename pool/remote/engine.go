package remote

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"

	"github.com/coterie-go/coterie/group"
)

// This file holds the engine: a connection to a server, embedded or not, and everything that runs
// on it. Its invariant: each goroutine that the package starts is a task of Engine.tasks or
// Engine.futures, and Close waits for both.

// ErrClosed is what a Submit or a Serve returns after [Engine.Close], and the future of a task
// whose submitter's engine was closed.
var ErrClosed = errors.New("remote: engine closed")

// answerTimeout is how long one request to the server may take before it is made again.
const answerTimeout = 3 * time.Second

// closeGrace is how long Close goes on trying to reach a server that does not answer.
const closeGrace = 5 * time.Second

// An Engine connects this process to the tasks on a JetStream server. It may submit tasks, serve
// them, or both. Make one with [Embedded] or [Connect]. Its methods, and the functions that take an
// Engine, may be called by several goroutines at once.
type Engine struct {
	id     string
	conn   *nats.Conn
	js     jetstream.JetStream
	server *server.Server // nil unless embedded
	unlock func() error   // gives the directory back; nil unless embedded

	records, dead, engines jetstream.Stream

	active     context.Context // until Close begins
	deactivate context.CancelFunc
	life       context.Context // until Close is done with the server, or gives up on it
	end        context.CancelFunc
	closed     chan struct{} // closed when Close has ended

	tasks   group.Group // workers, heartbeats, clean-up
	futures group.Group // one task for each future that has no result yet

	submissions atomic.Uint64

	mu         sync.Mutex
	isClosing  bool                            // guarded by mu
	session    context.Context                 // until the next reconnect; guarded by mu
	endSession context.CancelFunc              // guarded by mu
	queues     map[string]*queue               // by the task's name; guarded by mu
	waiters    map[string]map[*waiter]struct{} // by the record's key; guarded by mu
	attempts   map[string]*attempt             // that run here, by their run; guarded by mu
	workers    map[*Worker]struct{}            // that were not joined yet; guarded by mu
	listeners  map[net.Listener]struct{}       // of Share; guarded by mu
}

// Embedded starts a server in this process that keeps its files in dir, which is made if need be,
// and returns an engine on it. The server listens on no address, leaves signals alone, and prints
// nothing. It stops in [Engine.Close]; a later Embedded with the same dir finds every task again. A
// second engine on a dir that is in use is an error. See [Engine.Share] for other processes.
func Embedded(dir string) (*Engine, error) {
	if dir == "" {
		return nil, errors.New("remote: embedded server: no directory given")
	}
	return embedded(&server.Options{StoreDir: dir})
}

func embedded(opts *server.Options) (_ *Engine, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("remote: embedded server in %s: %w", opts.StoreDir, err)
		}
	}()
	unlock, err := lockDir(opts.StoreDir)
	if err != nil {
		return nil, err
	}
	opts.ServerName = "coterie"
	opts.JetStream, opts.DontListen, opts.NoSigs, opts.NoLog = true, true, true, true
	s, err := server.NewServer(opts)
	if err != nil {
		return nil, errors.Join(err, unlock())
	}
	stop := func() error {
		s.Shutdown()
		s.WaitForShutdown()
		return unlock()
	}
	s.Start()
	if !s.ReadyForConnections(30 * time.Second) {
		return nil, errors.Join(errors.New("not ready after 30 s"), stop())
	}
	if !s.JetStreamEnabled() {
		return nil, errors.Join(errors.New("JetStream did not start; is "+filepath.Join(opts.StoreDir, "jetstream")+" writable?"), stop())
	}
	e, err := connect("", []nats.Option{nats.InProcessServer(s)})
	if err != nil {
		return nil, errors.Join(err, stop())
	}
	e.server, e.unlock = s, unlock
	return e, nil
}

// Connect returns an engine on the server or cluster at url, whose JetStream must be enabled. It
// makes one attempt to connect; a connection that breaks later is made again for as long as it
// takes. The options are nats.go's, and may replace that.
func Connect(url string, options ...nats.Option) (*Engine, error) {
	e, err := connect(url, options)
	if err != nil {
		return nil, fmt.Errorf("remote: connect to %s: %w", redacted(url), err)
	}
	return e, nil
}

// redacted returns the address of a server without the password in it.
func redacted(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.User == nil {
		return cmp.Or(address, nats.DefaultURL)
	}
	return u.Redacted()
}

func connect(url string, options []nats.Option) (*Engine, error) {
	e := &Engine{
		id:        nuid.Next(),
		closed:    make(chan struct{}),
		queues:    make(map[string]*queue),
		waiters:   make(map[string]map[*waiter]struct{}),
		attempts:  make(map[string]*attempt),
		workers:   make(map[*Worker]struct{}),
		listeners: make(map[net.Listener]struct{}),
	}
	e.active, e.deactivate = context.WithCancel(context.Background())
	e.life, e.end = context.WithCancel(context.Background())
	e.session, e.endSession = context.WithCancel(context.Background())

	opts := nats.GetDefaultOptions()
	opts.Url = url
	opts.Name = "coterie " + e.id
	opts.MaxReconnect = -1
	opts.ReconnectWait = 250 * time.Millisecond
	opts.ReconnectJitter = 100 * time.Millisecond
	for _, option := range options {
		if option == nil {
			continue
		}
		if err := option(&opts); err != nil {
			return nil, err
		}
	}
	told := opts.ReconnectedCB
	opts.ReconnectedCB = func(conn *nats.Conn) {
		e.onReconnect()
		if told != nil {
			told(conn)
		}
	}
	conn, err := opts.Connect()
	if err != nil {
		return nil, err
	}
	e.conn = conn
	if err := e.open(); err != nil {
		conn.Close()
		return nil, err
	}
	return e, nil
}

// open makes what all engines share, and begins to listen and to beat.
func (e *Engine) open() (err error) {
	if e.js, err = jetstream.New(e.conn); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(e.life, 10*answerTimeout)
	defer cancel()
	for _, shared := range []struct {
		stream *jetstream.Stream
		config jetstream.StreamConfig
	}{{&e.records, recordStream}, {&e.dead, deadStream}, {&e.engines, engineStream}} {
		if *shared.stream, err = e.ensureStream(ctx, shared.config); err != nil {
			return err
		}
	}
	if err := e.listen(); err != nil {
		return err
	}
	if err := e.beat(ctx); err != nil {
		return fmt.Errorf("make itself known: %w", err)
	}
	e.tasks.Go(e.keepBeating)
	return nil
}

// Close ends everything that this engine started, and returns when it has ended. What its
// submitters still wait for is given up: their futures return [ErrClosed], and their tasks end
// unless they are detached or another engine's submitter waits for the same key. A task that one of
// its workers runs has its context cancelled with [ErrShutdown]; if it is still owned it goes back
// to the queue, and the attempt is not counted. Close waits until every task that runs here has
// returned; use [Worker.Shutdown] first to let them finish, or to wait no longer than a context
// lasts. An embedded server is stopped.
//
// A task must not call Close of an engine that serves it. A second Close waits for the first, and
// returns nil.
func (e *Engine) Close() error {
	e.mu.Lock()
	if e.isClosing {
		e.mu.Unlock()
		<-e.closed
		return nil
	}
	e.isClosing = true
	e.deactivate()
	workers := slices.Collect(maps.Keys(e.workers))
	listeners := slices.Collect(maps.Keys(e.listeners))
	e.mu.Unlock()
	defer close(e.closed)

	gaveUp := time.AfterFunc(closeGrace, e.end)
	defer gaveUp.Stop()
	for _, w := range workers {
		w.halt()
	}
	e.futures.Wait() // they are told through active
	for _, w := range workers {
		w.join()
	}
	e.forgetBeat()
	for _, l := range listeners {
		l.Close()
	}
	e.end()
	e.conn.Close()
	e.tasks.Wait()
	if e.server != nil {
		e.server.Shutdown()
		e.server.WaitForShutdown()
		return e.unlock()
	}
	return nil
}

// start runs f as a task of the engine, unless that is closing.
func (e *Engine) start(f func()) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.isClosing {
		return false
	}
	e.tasks.Go(f)
	return true
}

// onReconnect wakes the workers, whose requests the server has forgotten, and looks for results
// that were told while the connection was down.
func (e *Engine) onReconnect() {
	e.mu.Lock()
	e.endSession()
	e.session, e.endSession = context.WithCancel(context.Background())
	e.mu.Unlock()
	e.start(func() { e.recheck(e.active, -1) })
}

// connected returns a context that ends at the next reconnect.
func (e *Engine) connected() context.Context {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.session
}

// try calls op until the server has answered it, ctx is done, or Close has given up. op may have
// taken effect although no answer came, so it must be one that can be repeated.
func (e *Engine) try(ctx context.Context, op func(ctx context.Context) error) error {
	for pause := 10 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		bounded, cancel := context.WithTimeout(ctx, answerTimeout)
		err := op(bounded)
		cancel()
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case e.life.Err() != nil:
			return ErrClosed
		case !transient(err):
			return err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-e.life.Done():
			return ErrClosed
		}
	}
}

// explain says what was being done when err came, unless err is ErrClosed or the cause of ctx.
func explain(ctx context.Context, err error, format string, args ...any) error {
	if err == nil || err == ErrClosed || err == ErrFull || ctx.Err() != nil && err == context.Cause(ctx) {
		return err
	}
	return fmt.Errorf(format+": %w", append(args, err)...)
}

// unavailable are the codes of a JetStream that is about to be available: temporarily unavailable,
// no leader yet, not the leader.
var unavailable = []jetstream.ErrorCode{10008, 10009, 10006}

// transient reports whether err says that there was no answer, rather than being one.
func transient(err error) bool {
	if api := (*jetstream.APIError)(nil); errors.As(err, &api) {
		return slices.Contains(unavailable, api.ErrorCode)
	}
	for _, target := range []error{
		context.DeadlineExceeded, nats.ErrTimeout, nats.ErrNoResponders, nats.ErrDisconnected, nats.ErrConnectionReconnecting,
		nats.ErrReconnectBufExceeded, nats.ErrStaleConnection, jetstream.ErrNoStreamResponse, jetstream.ErrJetStreamNotEnabled,
	} {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}

// newToken returns a name for one submission that begins with the engine's.
func (e *Engine) newToken() string {
	return e.id + "-" + strconv.FormatUint(e.submissions.Add(1), 10)
}
