package pool_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/coterie-go/coterie/pool"
)

// Payments of one account are booked in the order in which they came, those of different
// accounts at the same time.
func ExampleKeyed() {
	p := pool.New(8, pool.Options{})
	defer p.Close()
	accounts := pool.NewKeyed[string](p, 1)

	balance := map[string]*int{"ann": new(int), "bob": new(int)}
	ctx := context.Background()
	for _, payment := range []struct {
		account string
		amount  int
	}{{"ann", 100}, {"bob", 70}, {"ann", -30}, {"ann", -70}} {
		err := accounts.GoContext(ctx, payment.account, func(context.Context) {
			*balance[payment.account] += payment.amount // needs no lock
		})
		if err != nil {
			fmt.Println(err)
		}
	}
	accounts.Wait()
	fmt.Println(*balance["ann"], *balance["bob"])
	// Output: 0 70
}

// A crawler with eight requests at once, and no more than two to one host.
func Example_crawler() {
	web := map[string][]string{ // instead of requests
		"a.example/":  {"a.example/x", "a.example/y", "b.example/"},
		"a.example/x": {"a.example/", "a.example/z"},
		"b.example/":  {"a.example/", "b.example/", "b.example/w"},
	}
	p := pool.New(8, pool.Options{})
	defer p.Close()
	hosts := pool.NewKeyed[string](p, 2)

	var visited sync.Map
	var pages atomic.Int32
	var visit func(ctx context.Context, page string)
	visit = func(ctx context.Context, page string) {
		if _, known := visited.LoadOrStore(page, true); known {
			return
		}
		host, _, _ := strings.Cut(page, "/")
		err := hosts.GoContext(ctx, host, func(ctx context.Context) {
			pages.Add(1)
			for _, link := range web[page] {
				visit(ctx, link) // which starts a task, and does not wait for it
			}
		})
		if err != nil {
			return // ctx is done
		}
	}
	visit(context.Background(), "a.example/")
	hosts.Wait()
	fmt.Println(pages.Load())
	// Output: 6
}

func ExampleNewKeyed() {
	p := pool.New(8, pool.Options{})
	defer p.Close()
	users := pool.NewKeyed[int](p, 1) // one at a time for each user
	_ = users.GoContext(context.Background(), 17, func(context.Context) { fmt.Println("for user 17") })
	users.Wait()
	// Output: for user 17
}

// GoContext returns at once, though the key is busy.
func ExampleKeyed_GoContext() {
	p := pool.New(8, pool.Options{})
	defer p.Close()
	k := pool.NewKeyed[string](p, 1)
	ctx := context.Background()
	for i := range 3 {
		if err := k.GoContext(ctx, "letters", func(context.Context) { fmt.Println(i) }); err != nil {
			fmt.Println(err)
		}
	}
	k.Wait()
	// Output:
	// 0
	// 1
	// 2
}

// An editor checks the newest text of a file, and gives up the check of an older one.
func ExampleKeyed_Replace() {
	p := pool.New(8, pool.Options{})
	defer p.Close()
	checks := pool.NewKeyed[string](p, 1)
	began := make(chan bool)
	check := func(ctx context.Context, text string) {
		if text == "draft" {
			close(began)
			<-ctx.Done() // in the middle of a long check
			fmt.Println("draft:", context.Cause(ctx))
			return
		}
		fmt.Println("checked", text)
	}
	ctx := context.Background()
	for _, text := range []string{"draft", "final text"} {
		if err := checks.Replace(ctx, "letter.txt", func(ctx context.Context) { check(ctx, text) }); err != nil {
			fmt.Println(err)
		}
		<-began
	}
	checks.Wait()
	// Output:
	// draft: pool: replaced by a later task of its key
	// checked final text
}

func ExampleKeyed_WaitKey() {
	p := pool.New(8, pool.Options{})
	defer p.Close()
	accounts := pool.NewKeyed[string](p, 1) //coterie:unwaited its tasks have ended
	ctx := context.Background()
	sum := 0
	for amount := range 5 {
		_ = accounts.GoContext(ctx, "ann", func(context.Context) { sum += amount })
	}
	_ = accounts.GoContext(ctx, "bob", func(context.Context) {})
	err := accounts.WaitKey(ctx, "ann") // bob's may still run
	fmt.Println(sum, err)
	// Output: 10 <nil>
}

func ExampleKeyed_Wait() {
	p := pool.New(8, pool.Options{})
	defer p.Close()
	k := pool.NewKeyed[int](p, 1)
	var done atomic.Int32
	for key := range 10 {
		_ = k.GoContext(context.Background(), key, func(context.Context) { done.Add(1) })
	}
	k.Wait()
	fmt.Println(done.Load())
	// Output: 10
}
