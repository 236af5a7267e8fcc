package a

import (
	"context"
	"time"

	"github.com/coterie-go/coterie/group"
)

func fetch() int { return 0 }
func use(...any) {}

func timesOut(ctx context.Context) int {
	result := make(chan int)
	go func() {
		result <- fetch() // want `the task stays blocked here if the select that receives from result takes another case; give the channel a buffer of 1, or start the task with group.Fork or pool.Submit, which return its result .*docs/guide/cancellation.md`
	}()
	select {
	case n := <-result:
		return n
	case <-time.After(time.Second):
		return 0
	}
}

func inTask(ctx context.Context, g *group.Group) {
	result := make(chan int)
	g.Go(func() { result <- fetch() }) // want `the task stays blocked here`
	select {
	case <-result:
	case <-ctx.Done():
	}
}

// What follows is right, or at least not this.

func room() {
	result := make(chan int, 1)
	go func() { result <- fetch() }()
	select {
	case <-result:
	case <-time.After(time.Second):
	}
}

func chooses(ctx context.Context) {
	result := make(chan int)
	go func() {
		select {
		case result <- fetch():
		case <-ctx.Done():
		}
	}()
	select {
	case <-result:
	case <-ctx.Done():
	}
}

func receives(ctx context.Context) {
	result := make(chan int)
	go func() { result <- fetch() }()
	use(<-result)
	alone := make(chan int)
	go func() { alone <- fetch() }()
	select {
	case <-alone:
	}
	drained := make(chan int)
	go func() { drained <- fetch() }()
	select {
	case <-drained:
	case <-ctx.Done():
		<-drained
	}
}

func passed(ctx context.Context, keep func(chan int)) {
	result := make(chan int)
	keep(result)
	go func() { result <- fetch() }()
	select {
	case <-result:
	case <-ctx.Done():
	}
}
