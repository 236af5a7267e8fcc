package service_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/group/service"
)

// until returns a Run that is ready at once and serves until its context is done.
func until(what string) func(context.Context, func()) error {
	return func(ctx context.Context, ready func()) error {
		fmt.Println(what, "is open")
		ready()
		<-ctx.Done()
		fmt.Println(what, "is closed")
		return nil
	}
}

// Services start in the order of After and stop in reverse. A job comes before those
// that need what it does.
func ExampleRun() {
	ctx, cancel := context.WithCancel(context.Background())
	err := service.Run(ctx, service.Options{Name: "app", Grace: 10 * time.Second},
		service.Service{Name: "db", Run: until("the database")},
		service.Service{Name: "migrate", After: []string{"db"}, Run: func(context.Context, func()) error {
			fmt.Println("the tables are there")
			return nil
		}},
		service.Service{Name: "web", After: []string{"migrate"}, Run: func(ctx context.Context, ready func()) error {
			cancel() // as a signal would
			return until("the listener")(ctx, ready)
		}},
	)
	fmt.Println(err)
	// Output:
	// the database is open
	// the tables are there
	// the listener is open
	// the listener is closed
	// the database is closed
	// <nil>
}

func ExampleService() {
	tries := 0
	flaky := service.Service{
		Name: "feed",
		Run: func(ctx context.Context, ready func()) error {
			if tries++; tries < 3 {
				return errors.New("connection reset")
			}
			fmt.Println("connected at the third attempt")
			return nil
		},
		Restart: service.Restart{
			Max: 5, Within: time.Minute, // one more within a minute stops all
			Backoff: func(attempt int) time.Duration { return time.Millisecond << attempt },
		},
	}
	fmt.Println(service.Run(context.Background(), service.Options{}, flaky))
	// Output:
	// connected at the third attempt
	// <nil>
}

func ExampleOptions() {
	err := service.Run(context.Background(), service.Options{
		Name: "app",
		Observe: func(e service.Event) {
			fmt.Println(e.Service, e.Kind, e.Attempt)
		},
	}, service.Service{Name: "job", Run: func(context.Context, func()) error { return nil }})
	fmt.Println(err)
	// Output:
	// job starting 1
	// job ended 1
	// <nil>
}

func ExampleError() {
	ctx, cancel := context.WithCancel(context.Background())
	disk := make(chan int)
	err := service.Run(ctx, service.Options{Name: "app", Grace: time.Millisecond},
		service.Service{Name: "mail", Run: func(_ context.Context, ready func()) error {
			cancel()
			<-disk // whatever ctx says
			return nil
		}})
	var failure *service.Error
	if errors.As(err, &failure) {
		for _, stuck := range failure.Stuck {
			fmt.Println(stuck.Tasks[0].Name, stuck.Cause, len(stuck.Tasks[0].Stack) > 0)
		}
		fmt.Println("why all stopped:", failure.Cause)
	}
	close(disk)
	// Output:
	// app/mail did not end within 1ms true
	// why all stopped: context canceled
}

func ExampleError_Error() {
	err := service.Run(context.Background(), service.Options{Name: "app"},
		service.Service{Name: "db", Run: func(context.Context, func()) error { return errors.New("connection refused") }})
	fmt.Println(err)
	// Output: app/db: connection refused
}

func ExampleError_Unwrap() {
	err := service.Run(context.Background(), service.Options{},
		service.Service{Name: "db", Run: func(context.Context, func()) error { panic("no config") }})
	var p *core.PanicError
	fmt.Println(errors.As(err, &p), p.Value)
	// Output: true no config
}

func ExampleEventKind_String() {
	fmt.Println(service.Restarting)
	// Output: restarting
}
