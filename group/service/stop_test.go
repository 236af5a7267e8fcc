package service_test

import (
	"context"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/group/service"
)

//go:noinline
func readBlocks(disk chan int) { <-disk }

// deaf returns a Run that is ready at once and ignores its context until disk is
// closed.
func deaf(disk chan int, then func() error) func(context.Context, func()) error {
	return func(_ context.Context, ready func()) error {
		ready()
		readBlocks(disk)
		return then()
	}
}

func well() error { return nil }

// stuckRun runs services until a second has passed, and returns what was told and
// the Error. It closes disk after that.
func stuckRun(t *testing.T, opts service.Options, services func(disk chan int) []service.Service) (lines []string, failure *service.Error) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), second)
		defer cancel()
		disk := make(chan int)
		h := &history{start: time.Now()}
		opts.Observe = h.observe
		require.ErrorAs(t, service.Run(ctx, opts, services(disk)...), &failure)
		lines = h.lines
		close(disk)
	})
	return lines, failure
}

func TestStuck(t *testing.T) {
	t.Run("a service that ignores its context is named with its stack, and the next ones stop", func(t *testing.T) {
		lines, failure := stuckRun(t, service.Options{Name: "app", Grace: 5 * second}, func(disk chan int) []service.Service {
			return []service.Service{
				{Name: "db", Run: serve(0, 5*second-1)},
				{Name: "mail", After: []string{"db"}, Run: deaf(disk, well)},
				{Name: "web", After: []string{"mail"}, Run: serve(0, 4*second)},
			}
		})
		require.Equal(t, []string{
			"1s web stopping", "5s web ended", "5s mail stopping", "10s mail stuck", "10s db stopping", "14.999999999s db ended",
		}, lines[6:])
		require.Empty(t, failure.Failed)
		require.Equal(t, context.DeadlineExceeded, failure.Cause)
		require.Len(t, failure.Stuck, 1)
		stuck := failure.Stuck[0]
		require.Equal(t, "app/mail", stuck.Owner)
		require.Equal(t, 1, stuck.Running)
		require.EqualError(t, stuck.Cause, "did not end within 5s")
		require.Len(t, stuck.Tasks, 1)
		require.Equal(t, "app/mail", stuck.Tasks[0].Name)
		require.Contains(t, string(stuck.Tasks[0].Stack), "service_test.readBlocks")
		require.True(t, strings.HasPrefix(failure.Error(),
			"stopped: context deadline exceeded\nservice \"app/mail\": 1 running: did not end within 5s\n\napp/mail, for 10s\n"), failure.Error())
		var as *core.StuckError
		require.ErrorAs(t, failure, &as)
		require.Same(t, stuck, as)
	})

	t.Run("a Grace of its own comes before that of the options", func(t *testing.T) {
		lines, _ := stuckRun(t, service.Options{Grace: 5 * second}, func(disk chan int) []service.Service {
			return []service.Service{
				{Name: "a", Run: deaf(disk, well), Grace: 3 * second},
				{Name: "b", Run: deaf(disk, well)},
				{Name: "c", Run: serve(0, 7*second), Grace: 7*second + 1},
			}
		})
		require.Equal(t, []string{"4s a stuck", "6s b stuck", "8s c ended"}, lines[len(lines)-3:])
	})

	t.Run("without a Grace Run waits as long as it takes", func(t *testing.T) {
		lines, err := observed(t, second, service.Options{}, service.Service{Name: "db", Run: serve(0, 1000*time.Hour)})
		require.NoError(t, err)
		require.Equal(t, "1000h0m1s db ended", lines[3])
	})

	t.Run("a service that is late and ignores its context is stuck, and all stop at once", func(t *testing.T) {
		lines, failure := stuckRun(t, service.Options{Grace: 5 * second, StartWithin: second / 2}, func(disk chan int) []service.Service {
			return []service.Service{
				{Name: "a", Run: func(context.Context, func()) error { readBlocks(disk); return nil }},
				{Name: "b", Run: serve(0, 0)},
			}
		})
		require.Equal(t, []string{
			"500ms a failed: not ready within 500ms", "500ms a stopping", "500ms b stopping", "500ms b ended", "5.5s a stuck",
		}, lines[3:])
		require.Len(t, failure.Failed, 1)
		require.Len(t, failure.Stuck, 1)
	})

	t.Run("one that would be restarted is not, if it is stuck, and stops all", func(t *testing.T) {
		lines, failure := stuckRun(t, service.Options{Grace: 100 * time.Millisecond, StartWithin: 500 * time.Millisecond}, func(disk chan int) []service.Service {
			return []service.Service{
				{Name: "a", Run: func(context.Context, func()) error { readBlocks(disk); return nil }, Restart: service.Restart{Max: 5}},
				{Name: "b", Run: serve(0, 0)},
			}
		})
		require.Equal(t, []string{
			"500ms a failed: not ready within 500ms", "500ms a stopping", "600ms a stuck", "600ms b stopping", "600ms b ended",
		}, lines[3:])
		require.Empty(t, failure.Failed)
		require.Same(t, failure.Stuck[0], failure.Cause)
		require.Equal(t, failure.Stuck[0].Error(), failure.Error())
	})

	t.Run("what it fails of after that is a failure", func(t *testing.T) {
		lines, failure := stuckRun(t, service.Options{Grace: 100 * time.Millisecond, StartWithin: 500 * time.Millisecond}, func(disk chan int) []service.Service {
			return []service.Service{
				{Name: "a", Run: job(3*second, io.EOF), Restart: service.Restart{Max: 5}},
				{Name: "b", Run: serve(0, 10*second), Grace: time.Minute},
			}
		})
		require.Equal(t, []string{"600ms a stuck", "600ms b stopping", "3s a failed: EOF", "10.6s b ended"}, lines[5:])
		require.Equal(t, []service.Failure{{Service: "a", Err: io.EOF}}, failure.Failed)
	})

	for _, c := range []struct {
		name   string
		then   func() error
		tells  string
		failed bool
	}{
		{"returns nil", well, "8s mail ended", false},
		{"fails", func() error { return io.EOF }, "8s mail failed: EOF", true},
		{"panics", func() error { panic(io.EOF) }, "8s mail failed: panic: EOF", true},
		{"calls Goexit", func() error { runtime.Goexit(); return nil }, "8s mail failed: core: task called runtime.Goexit", true},
	} {
		t.Run("one that was given up and "+c.name+" before the others have ended tells so", func(t *testing.T) {
			lines, failure := stuckRun(t, service.Options{Grace: 5 * second}, func(disk chan int) []service.Service {
				return []service.Service{
					{Name: "db", Run: serve(0, 10*second), Grace: time.Minute},
					{Name: "mail", After: []string{"db"}, Run: func(_ context.Context, ready func()) error {
						ready()
						time.Sleep(8 * second)
						return c.then()
					}},
				}
			})
			require.Equal(t, []string{"1s mail stopping", "6s mail stuck", "6s db stopping", c.tells, "16s db ended"}, lines[4:])
			require.Len(t, failure.Stuck, 1)
			require.Equal(t, c.failed, len(failure.Failed) == 1)
		})
	}

	t.Run("the error of one that ends after Run is lost", func(t *testing.T) {
		_, failure := stuckRun(t, service.Options{Grace: second}, func(disk chan int) []service.Service {
			return []service.Service{{Name: "a", Run: deaf(disk, func() error { return io.EOF })}, {Name: "b", Run: deaf(disk, func() error { runtime.Goexit(); return nil })}}
		})
		require.Empty(t, failure.Failed)
	})

	t.Run("a service that was restarted after a Goexit can be reported as stuck", func(t *testing.T) {
		_, failure := stuckRun(t, service.Options{Grace: second}, func(disk chan int) []service.Service {
			attempt := 0
			return []service.Service{{Name: "a", Restart: service.Restart{Max: 1}, Run: func(ctx context.Context, ready func()) error {
				if attempt++; attempt == 1 {
					runtime.Goexit()
				}
				return deaf(disk, well)(ctx, ready)
			}}}
		})
		require.Len(t, failure.Stuck, 1)
	})

	t.Run("of what happens at one instant the order is that in which the services were given", func(t *testing.T) {
		for range 20 {
			lines, failure := stuckRun(t, service.Options{Grace: second}, func(disk chan int) []service.Service {
				return []service.Service{
					{Name: "db", Run: serve(0, 0)},
					{Name: "a", Run: deaf(disk, well), After: []string{"db"}},
					{Name: "b", Run: deaf(disk, well), After: []string{"db"}},
				}
			})
			require.Equal(t, []string{"2s a stuck", "2s b stuck", "2s db stopping", "2s db ended"}, lines[len(lines)-4:])
			require.Equal(t, failure.Stuck[0].Owner, "a")

			lines, err := observed(t, 0, service.Options{StartWithin: second},
				service.Service{Name: "a", Run: job(2*second, nil)},
				service.Service{Name: "b", Run: job(2*second, nil)})
			require.EqualError(t, err, "a: not ready within 1s")
			require.Equal(t, []string{"1s a failed: not ready within 1s", "1s a stopping", "1s b stopping"}, lines[2:5])
		}
	})

	t.Run("many are reported each with its own stack", func(t *testing.T) {
		_, failure := stuckRun(t, service.Options{Grace: second}, func(disk chan int) []service.Service {
			var services []service.Service
			for _, name := range strings.Split("abcdefghij", "") {
				services = append(services, service.Service{Name: name, Run: deaf(disk, well)})
			}
			return services
		})
		require.Len(t, failure.Stuck, 10)
		for i, stuck := range failure.Stuck {
			require.Equal(t, string(rune('a'+i)), stuck.Tasks[0].Name)
			require.Contains(t, string(stuck.Tasks[0].Stack), "readBlocks")
		}
	})
}

func TestObserverThatDoesNotReturn(t *testing.T) {
	kinds := []service.EventKind{
		service.Starting, service.Ready, service.Failed, service.Restarting, service.Stopping, service.Ended, service.Stuck,
	}
	for _, at := range kinds {
		for _, how := range []string{"panics", "calls Goexit"} {
			t.Run("if Observe "+how+" at "+at.String()+" all services stop first", func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					ctx, cancel := context.WithTimeout(t.Context(), 10*second)
					defer cancel()
					disk := make(chan int)
					defer close(disk)
					dbEnded := false
					raised := errors.New("nothing")
					exited := make(chan bool)
					go func() {
						returned := false
						defer func() {
							raised, _ = recover().(error)
							exited <- !returned && raised == nil
						}()
						_ = service.Run(ctx, service.Options{Grace: 3 * second, Observe: func(e service.Event) {
							if e.Kind == at && e.Service != "db" {
								if how == "panics" {
									panic(errDown)
								}
								runtime.Goexit()
							}
						}},
							service.Service{Name: "db", Run: func(ctx context.Context, ready func()) error {
								defer func() { dbEnded = true }()
								return serve(0, second)(ctx, ready)
							}},
							service.Service{Name: "deaf", After: []string{"db"}, Run: deaf(disk, well)},
							service.Service{Name: "web", After: []string{"db"}, Run: failing(second), Restart: service.Restart{Max: 1}})
						returned = true
					}()
					require.Equal(t, how == "calls Goexit", <-exited)
					require.True(t, dbEnded)
					if how == "panics" {
						require.Equal(t, errDown, raised)
					}
				})
			})
		}
	}

	t.Run("a Backoff that panics is raised when all services have ended", func(t *testing.T) {
		for _, late := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				ended := false
				require.Panics(t, func() {
					_ = service.Run(t.Context(), service.Options{StartWithin: second},
						service.Service{Name: "db", Run: func(ctx context.Context, ready func()) error {
							defer func() { ended = true }()
							return serve(0, second)(ctx, ready)
						}},
						service.Service{Name: "web", Restart: service.Restart{Max: 1, Backoff: func(int) time.Duration { panic(errDown) }},
							Run: func(ctx context.Context, ready func()) error {
								if late {
									<-ctx.Done()
								}
								return errDown
							}})
				})
				require.True(t, ended)
			})
		}
	})

	t.Run("what is late while Observe is slow is told apart from what is in time", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			h := &history{start: time.Now()}
			late := 6*second + 1
			err := service.Run(t.Context(), service.Options{StartWithin: 6 * second, Observe: func(e service.Event) {
				h.observe(e)
				if e.Service == "slow" && e.Kind == service.Ready {
					time.Sleep(10 * second)
				}
			}},
				service.Service{Name: "first", Run: job(second, nil)},
				service.Service{Name: "early", After: []string{"first"}, Run: job(6*second-1, nil)},
				service.Service{Name: "late", Restart: service.Restart{Max: 1}, Run: func(ctx context.Context, ready func()) error {
					defer func() { late = 0 }()
					return job(late, nil)(ctx, ready)
				}},
				service.Service{Name: "slow", After: []string{"first"}, Run: fail(second, nil)})
			require.NoError(t, err)
			require.Equal(t, []string{
				"1s slow ready", "11s slow ended",
				"11s late failed: not ready within 6s", "11s late stopping", "11s late restarting", "11s late starting 2",
				"11s early ended", "11s late ended 2",
			}, h.lines[5:])
		})
	})

	t.Run("what happens while Observe is slow counts as in time", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			h := &history{start: time.Now()}
			err := service.Run(ctx, service.Options{Grace: second, StartWithin: second, Observe: func(e service.Event) {
				h.observe(e)
				if e.Service == "slow" {
					time.Sleep(10 * second)
				}
			}},
				service.Service{Name: "db", Run: serve(second/2, second/2)},
				service.Service{Name: "slow", Run: serve(0, 0)})
			require.NoError(t, err)
		})
	})
}
