// Package service runs the long-lived parts of a program: it starts them in order, stops them in
// reverse order, and reports those that do not stop.
//
//	err := service.Run(ctx, service.Options{Name: "app", Grace: 10 * time.Second},
//		service.Service{Name: "db", Run: runDB},
//		service.Service{Name: "mail", Run: runMail, After: []string{"db"}},
//		service.Service{Name: "web", Run: runWeb, After: []string{"db", "mail"}},
//	)
//
// # Starting
//
// A service starts when every service in its After is ready. Services that do not depend on each
// other start at the same time. A service is ready when its Run calls ready, or returns nil: a job,
// such as a migration, just returns. The call of ready happens before the Run of each service that
// waited for it.
//
// # Failing
//
// A service fails when its Run returns an error, panics or calls [runtime.Goexit], or when it is
// not ready within Options.StartWithin. A failure stops all services, unless the service's
// [Restart] allows another attempt. A Run that returns nil before its context is done is not a
// failure.
//
// A restart affects only the service that failed. The services after it keep running, and Run does
// not notify them: most of them hold a client that reconnects, and to restart them would turn one
// failure into many. If a service cannot continue without the failed one, its Run returns an error.
// Then its own Restart starts it again when the failed service is ready.
//
// # Stopping
//
// All services stop when the context of [Run] is done, the first signal comes, a service fails, or
// a service is stuck before its next attempt. The context of a service is cancelled when every
// service after it has ended. This includes services that come after it through a job, even if the
// job has ended. No service starts when stopping has begun. A service that waits for its next
// attempt then counts as ended, and Run does not return its last failure.
//
// When its context is cancelled, a service must end within its Grace. If it does not, Run reports
// it with the stack of its goroutine, no longer waits for it, and stops the services before it.
//
// [docs/guide/service.md] shows how to write services and their order.
//
// [docs/guide/service.md]: https://github.com/coterie-go/coterie/blob/main/docs/guide/service.md
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

// A Service is a part of a program that runs as long as the program, or a job for which other
// services wait.
type Service struct {
	// Name is the name of the service in reports. It must be unique among the services of a Run.
	Name string
	// After has the names of the services that must be ready before this one starts. They stop
	// after this one has ended.
	After []string
	// Run serves until ctx is done. It calls ready when the service can be used; further calls do
	// nothing. A job returns nil when it has finished. When ctx is done, the error ctx.Err(), and
	// an error that is or wraps context.Cause(ctx), are not failures; any other error is. The cause
	// is the reason why the service is stopped.
	//
	// Names nest in ctx: if the service "mail" of the Run "app" makes an errgroup "workers" with
	// ctx, that has the path "app/mail/workers".
	Run func(ctx context.Context, ready func()) error
	// Grace is how long Run may take to return when ctx is done. 0 means Options.Grace.
	Grace time.Duration
	// Restart says what happens when the service fails. The zero Restart stops all services.
	Restart Restart
}

// A Restart is a budget of further attempts, like the restart intensity of an Erlang/OTP
// supervisor. A failure that it does not cover stops all services.
type Restart struct {
	// Max is how many restarts there may be in any period of length Within. The time of a restart
	// is when Run is called again. A restart exactly Within ago still counts.
	Max int
	// Within is the length of the period. Max is the total number of restarts if Within is 0.
	Within time.Duration
	// Backoff returns how long to wait before the next attempt. Its argument is the number of the
	// attempt that failed, from 1. The next attempt starts at once if Backoff is nil or its result
	// is not positive. A Backoff longer than Within/Max never exhausts the budget.
	Backoff func(attempt int) time.Duration
}

// Options are the settings of a [Run].
type Options struct {
	// Name stands before the names of the services in reports: "app/db".
	Name string
	// Grace is how long a service without a Grace of its own may take to end. 0 means no limit.
	Grace time.Duration
	// StartWithin is how long a service may take to be ready, counted from the start of each
	// attempt. 0 means no limit. It also limits jobs: these are ready when they have ended.
	StartWithin time.Duration
	// Signals are the signals that stop the services. The first signal stops them in order. The
	// second makes Run return at once. Run catches no signals by default.
	Signals []os.Signal
	// Observe, if not nil, is called with each [Event], by one goroutine at a time, before the
	// event takes effect. No service starts or stops until it returns. A call of ready blocks until
	// it returns.
	Observe func(Event)
	// Logger, if not nil, gets a record for each event, with the path of the service.
	Logger *slog.Logger
}

// Run runs services, and blocks until all have ended. It returns nil if none has failed, and else
// an [*Error]. Run starts nothing and returns an error if a name is empty or used twice, an After
// has an unknown name, the Afters form a circle, a Run is nil, or a number is negative. It panics
// if ctx is nil.
//
// Run stops the services in order when ctx is done, and returns nil if none fails. None starts if
// ctx is done at the call. The contexts of the services have the values of ctx, but the end of ctx
// does not cancel them.
//
// The second signal of opts.Signals makes Run return at once, with a report of each service whose
// context was cancelled before and that has not ended. It also cancels the context of every other
// service. Signals do again what they did before when Run returns.
//
// A service that ignores its context outlives Run. Its error is then lost. A panic of it ends the
// process.
//
// Run stops the services in order, without further events, if Observe, the Logger or a Backoff
// panics or calls [runtime.Goexit]. Then Run panics or exits in the same way.
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
		calls: make(chan func()), returned: make(chan struct{}), signals: make(chan os.Signal, 2), // Run needs no third
	}
	if len(opts.Signals) > 0 {
		signal.Notify(r.signals, opts.Signals...)
		defer signal.Stop(r.signals)
	}
	halt := func() { r.stop("stopping", context.Cause(ctx)) }
	defer close(r.returned)
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

// newMembers checks and links services. path is the path of their owner. Their contexts derive from
// values. The returned graph has no circle, so each member can start after those before it, and
// stop after those after it.
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

// refuse returns an error about the owner or service with the given path, or nil if bad is false.
func refuse(bad bool, path, format string, args ...any) error {
	if !bad {
		return nil
	}
	return fmt.Errorf("service: %s: %w", sched.Quote(cmp.Or(path, "Run")), fmt.Errorf(format, args...))
}

// findCircle returns the names of a circle that can be reached from m, or nil. Each service in it
// comes after the next, and the last name is the first again. passed has the names on the way to m.
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
