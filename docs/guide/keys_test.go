package guide_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coterie-go/coterie/pool"
)

type payment struct {
	account string
	amount  int
}

// bank books a payment in 10 ms, or in a second if it is a large one.
type bank struct {
	mu       sync.Mutex
	balances map[string]int
	declined []payment
}

func newBank() *bank { return &bank{balances: make(map[string]int)} }

func (b *bank) book(p payment) {
	time.Sleep(10 * time.Millisecond)
	if p.amount >= 1000 {
		time.Sleep(time.Second)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.balances[p.account]+p.amount < 0 {
		b.declined = append(b.declined, p)
		return
	}
	b.balances[p.account] += p.amount
}

// snippet: payments overtake each other
func bookAll(b *bank, payments []payment) {
	p := pool.New(8, pool.Options{})
	defer p.Close()
	for _, payment := range payments {
		p.Go(func() { b.book(payment) })
	}
}

func TestBugOrderLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBank()
		bookAll(b, []payment{{"ann", 1000}, {"ann", -30}})
		for _, payment := range b.declined {
			t.Errorf("declined: %v, with a balance of %d", payment, b.balances["ann"])
		}
	})
}

// end snippet

// snippet: a lock for each account
type locks struct{ accounts sync.Map }

func (l *locks) book(b *bank, p payment) {
	lock, _ := l.accounts.LoadOrStore(p.account, make(chan bool, 1))
	lock.(chan bool) <- true
	defer func() { <-lock.(chan bool) }()
	b.book(p)
}

func TestBugHotKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, l := newBank(), new(locks)
		p := pool.New(8, pool.Options{})
		for range 20 {
			p.Go(func() { l.book(b, payment{"shop", 1000}) })
		}
		started := time.Now()
		p.Go(func() {
			if waited := time.Since(started); waited > time.Second {
				t.Errorf("bob's payment has waited for %v: all workers wait for the shop", waited)
			}
			l.book(b, payment{"bob", 5})
		})
		p.Close()
	})
}

// end snippet

// snippet: in order for each account
func bookByAccount(ctx context.Context, b *bank, payments []payment) error {
	p := pool.New(8, pool.Options{})
	defer p.Close()
	accounts := pool.NewKeyed[string](p, 1)
	defer accounts.Wait()
	for _, payment := range payments {
		err := accounts.GoContext(ctx, payment.account, func(context.Context) { b.book(payment) })
		if err != nil {
			return err
		}
	}
	return nil
}

// end snippet

func TestBookByAccount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBank()
		payments := []payment{{"ann", 1000}, {"ann", -30}}
		for range 20 {
			payments = append(payments, payment{"shop", 1000})
		}
		payments = append(payments, payment{"bob", 5})
		go func() {
			time.Sleep(100 * time.Millisecond)
			b.mu.Lock()
			defer b.mu.Unlock()
			assert.Equal(t, 5, b.balances["bob"])
		}()
		require.NoError(t, bookByAccount(t.Context(), b, payments))
		require.Empty(t, b.declined)
		require.Equal(t, map[string]int{"ann": 970, "shop": 20000, "bob": 5}, b.balances)
	})
}

// snippet: a crawler with two requests a host
type spider struct {
	hosts   *pool.Keyed[string]
	visited sync.Map
	fetch   func(ctx context.Context, host, path string) (links [][2]string)
}

func (s *spider) visit(ctx context.Context, host, path string) {
	if _, known := s.visited.LoadOrStore(host+path, true); known {
		return
	}
	_ = s.hosts.GoContext(ctx, host, func(ctx context.Context) { // an error only if ctx is done
		for _, link := range s.fetch(ctx, host, path) {
			s.visit(ctx, link[0], link[1])
		}
	})
}

func crawlHosts(ctx context.Context, s *spider, host string) {
	p := pool.New(16, pool.Options{})
	defer p.Close()
	s.hosts = pool.NewKeyed[string](p, 2)
	s.visit(ctx, host, "/")
	s.hosts.Wait()
}

// end snippet

func TestCrawlHosts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var now, most, all atomic.Int32
		s := &spider{fetch: func(_ context.Context, host, path string) (links [][2]string) {
			all.Add(1)
			if n := now.Add(1); n > most.Load() {
				most.Store(n)
			}
			time.Sleep(time.Second)
			now.Add(-1)
			if path == "/" {
				for i := range 40 {
					links = append(links, [2]string{host, fmt.Sprint("/", i)})
				}
				links = append(links, [2]string{"b.example", "/"})
			}
			return links
		}}
		started := time.Now()
		crawlHosts(t.Context(), s, "a.example")
		require.EqualValues(t, 82, all.Load())
		require.EqualValues(t, 4, most.Load())
		require.Equal(t, 22*time.Second, time.Since(started))
	})
}

// snippet: the newest text
type checker struct {
	files *pool.Keyed[string]
	check func(ctx context.Context, text string) (problems []string)
	show  func(file string, problems []string)
}

// changed is called at each keystroke. A check of an older text gives up.
func (c *checker) changed(ctx context.Context, file, text string) error {
	return c.files.Replace(ctx, file, func(ctx context.Context) {
		if problems := c.check(ctx, text); ctx.Err() == nil {
			c.show(file, problems)
		}
	})
}

// end snippet

func TestChecker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pool.New(2, pool.Options{})
		var shown []string
		c := &checker{
			files: pool.NewKeyed[string](p, 1),
			check: func(ctx context.Context, text string) []string {
				select {
				case <-ctx.Done():
				case <-time.After(time.Second):
				}
				return []string{text}
			},
			show: func(_ string, problems []string) { shown = append(shown, problems...) },
		}
		for _, text := range []string{"f", "fu", "fun", "func"} {
			require.NoError(t, c.changed(t.Context(), "main.go", text))
			time.Sleep(100 * time.Millisecond)
		}
		c.files.Wait()
		require.Equal(t, []string{"func"}, shown)
		p.Close()
	})
}
