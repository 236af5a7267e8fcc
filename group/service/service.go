// Package service runs the long-lived parts of a program: it starts them in
// order, stops them in reverse, and names the one that hangs.
//
//	err := service.Run(ctx, service.Options{Name: "app", Grace: 10 * time.Second},
//		service.Service{Name: "db", Run: runDB},
//		service.Service{Name: "mail", Run: runMail, After: []string{"db"}},
//		service.Service{Name: "web", Run: runWeb, After: []string{"db", "mail"}},
//	)
//
// # Starting
//
// A service starts when every service in its After is ready. Services that do not
// depend on each other start at once. A service is ready when its Run calls ready,
// or returns nil: a job, such as a migration, just returns. What Run did before
// ready happens before the Run of a service that waited for it.
//
// # Failing
//
// A service fails when its Run returns an error, panics, calls [runtime.Goexit], or
// is not ready within Options.StartWithin. A failure stops all services, unless
// the service's [Restart] allows another attempt. A Run that returns nil before its
// context is done has ended, and that is no failure.
//
// A restart concerns one service alone. The services after it keep running and are
// told nothing: most of them hold a client that reconnects, and to restart them
// would turn one failure into many. A service that cannot outlive the one it comes
// after returns an error when it notices; its own Restart then starts it again,
// once the other is ready.
//
// # Stopping
//
// All services stop when the context of [Run] is done, the first signal comes, or a
// service fails. A service's context ends when every service after it has ended,
// also those that come after it by way of a job that ended long ago. Once stopping
// has begun nothing starts: a service that waits for its next attempt has ended,
// and its last failure counts as mended.
//
// A service that is told to stop has its Grace to end. If it does not, Run reports
// it with the stack of its goroutine, leaves it behind, and stops the next ones.
package service

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"strings"
	"time"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/core/sched"
	"github.com/coterie-go/coterie/group"
)

// A Service is a part of a program that runs for as long as the program does, or a
// job that others wait for.
type Service struct {
	// Name is how reports call the service. It is unique among the services of a
	// Run.
	Name string
	// After names the services that must be ready before this one starts, and
	// that stop after it has ended.
	After []string
	// Run serves until ctx is done. It calls ready once the service can be used;
	// further calls do nothing. A job returns nil when it is done. After ctx is
	// done the error ctx.Err(), and one that is or wraps context.Cause(ctx), are
	// no failures; any other error is. The cause says why the service is stopped.
	//
	// Names nest in ctx: a pool "workers" made with it in the service "mail" of the
	// Run "app" has the path "app/mail/workers".
	Run func(ctx context.Context, ready func()) error
	// Grace is how long Run may take to return when ctx is done. 0 stands for
	// Options.Grace.
	Grace time.Duration
	// Restart says what happens when the service fails. The zero Restart stops
	// all services.
	Restart Restart
}

// A Restart is a budget of further attempts, after the intensity of an Erlang/OTP
// supervisor. A failure that it does not cover stops all services.
type Restart struct {
	// Max is how many restarts there may be in any period of length Within. A
	// restart counts from the moment at which Run is called again, and one that
	// is exactly Within ago still counts.
	Max int
	// Within is the length of the period. 0 makes Max the number of restarts in
	// all.
	Within time.Duration
	// Backoff returns how long to wait before the next attempt, given the number
	// of the attempt that failed, from 1. If it is nil, or the result is not
	// positive, the next attempt starts at once. A Backoff that is longer than
	// Within/Max never exhausts the budget.
	Backoff func(attempt int) time.Duration
}

// Options are the settings of a [Run].
type Options struct {
	// Name comes before the names of the services in reports: "app/db".
	Name string
	// Grace is how long a service may take to end that has no Grace of its own. 0
	// means as long as it takes.
	Grace time.Duration
	// StartWithin is how long a service may take to be ready, counted from its own
	// start, and from the start of each further attempt. 0 means no bound. It
	// holds for jobs, too, which are ready when they have ended.
	StartWithin time.Duration
	// Signals stop the services: the first in order, while the second makes Run
	// return at once. None are caught by default.
	Signals []os.Signal
	// Observe, if not nil, is called with each [Event], by one goroutine at a time,
	// before the event takes effect. Nothing starts or stops until it returns, and
	// a ready that is called meanwhile waits for it.
	Observe func(Event)
	// Logger, if not nil, is given each event, with the path of the service.
	Logger *slog.Logger
}

// Run runs services until all have ended, and returns nil if all ended well, or
// else an [*Error]. Bad input is an error before anything starts: an empty or
// double name, an After that names no service, a circle, a nil Run, a negative
// number. It panics if ctx is nil.
//
// When ctx is done, Run stops the services in order and returns nil if they end
// well; if ctx is done before the call, none starts. The contexts of the services
// have the values of ctx and not its end.
//
// The second signal of opts.Signals makes Run return at once, with a report of each
// service that was told to stop and has not ended. The context of every other
// service ends, too. When Run returns, signals do again what they did before.
//
// A service that ignores its context outlives Run. Its error is then lost; a panic
// ends the process.
//
// If Observe, the Logger or a Backoff panics or calls [runtime.Goexit], Run stops
// the services in order, without further events, and raises that.
func Run(ctx context.Context, opts Options, services ...Service) error {
	if ctx == nil {
		panic("service: nil context")
	}
	values, path := sched.WithName(context.WithoutCancel(ctx), opts.Name)
	members, err := newMembers(values, path, opts, services)
	if err != nil {
		return err
	}
	r := &runner{
		opts: opts, members: members,
		group: group.New(group.Options{Name: path, Panics: core.Crash}),
		calls: make(chan func()), over: make(chan struct{}), signals: make(chan os.Signal, 2), // Run needs no third
	}
	if len(opts.Signals) > 0 {
		signal.Notify(r.signals, opts.Signals...)
		defer signal.Stop(r.signals)
	}
	halt := func() { r.stop("stopping", context.Cause(ctx)) }
	defer close(r.over)
	defer context.AfterFunc(ctx, func() { r.do(halt) })()
	defer r.abort()
	if ctx.Err() != nil {
		halt()
	}
	r.advance(members...)
	r.loop()
	if len(r.result.Failed)+len(r.result.Stuck) == 0 {
		return nil
	}
	return &r.result
}

// newMembers checks and links services. path is the path of their owner, and values the
// context that theirs derive from. The graph it returns has no circle, so each member can
// start once those before it have, and stop once those after it have.
func newMembers(values context.Context, path string, opts Options, services []Service) ([]*member, error) {
	err := cmp.Or(
		refuse(opts.Grace < 0, path, "negative Options.Grace, got %v", opts.Grace),
		refuse(opts.StartWithin < 0, path, "negative Options.StartWithin, got %v", opts.StartWithin))
	members, byName := make([]*member, len(services)), make(map[string]*member)
	for i, s := range services {
		m := &member{Service: s, phase: waiting}
		m.named, m.path = sched.WithName(values, s.Name)
		err = cmp.Or(err,
			refuse(s.Name == "", path, "empty name of service %d of %d", i+1, len(services)),
			refuse(byName[s.Name] != nil, m.path, "double name"),
			refuse(s.Run == nil, m.path, "nil Run"),
			refuse(s.Grace < 0, m.path, "negative Grace, got %v", s.Grace),
			refuse(s.Restart.Max < 0, m.path, "negative Restart.Max, got %v", s.Restart.Max),
			refuse(s.Restart.Within < 0, m.path, "negative Restart.Within, got %v", s.Restart.Within))
		m.Grace = cmp.Or(m.Grace, opts.Grace)
		members[i], byName[s.Name] = m, m
	}
	for _, m := range members {
		for _, name := range m.After {
			before := byName[name]
			if before == nil {
				return nil, cmp.Or(err, refuse(true, m.path, "no such service in After, got %q", name))
			}
			m.after = append(m.after, before)
			before.users = append(before.users, m)
		}
	}
	for _, m := range members {
		if circle := m.findCircle(nil); circle != nil {
			return nil, cmp.Or(err, refuse(true, byName[circle[0]].path, "circular After: %s", sched.Quote(strings.Join(circle, " after "))))
		}
	}
	return members, err
}

// refuse returns the error for bad input to the owner or service of the given path, or
// nil if the input is not bad.
func refuse(bad bool, path, format string, args ...any) error {
	if !bad {
		return nil
	}
	return fmt.Errorf("service: %s: %w", sched.Quote(cmp.Or(path, "Run")), fmt.Errorf(format, args...))
}

// findCircle returns the names of a circle that m leads to, of which each comes after
// the next and the last is the first again, or nil. passed are those that led to m.
func (m *member) findCircle(passed []string) []string {
	if m.acyclic {
		return nil
	}
	passed = append(passed, m.Name)
	if i := slices.Index(passed, m.Name); i < len(passed)-1 {
		return passed[i:]
	}
	for _, before := range m.after {
		if circle := before.findCircle(passed); circle != nil {
			return circle
		}
	}
	m.acyclic = true
	return nil
}
