package grouptest_test

import (
	"bytes"
	"context"
	"fmt"
	"regexp"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/coterie-go/coterie/group"
	"github.com/coterie-go/coterie/group/grouptest"
	"github.com/coterie-go/coterie/pool"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A tester is the T of a test that may fail.
type tester struct {
	testing.TB
	errors   []string
	cleanups []func()
}

func (t *tester) Helper()          {}
func (t *tester) Name() string     { return "TestIngest" }
func (t *tester) Cleanup(f func()) { t.cleanups = append(t.cleanups, f) }
func (t *tester) Errorf(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	text = regexp.MustCompile(`goroutine \d+ \[([a-z ]*[a-z]).*\]`).ReplaceAllString(text, "goroutine N [$1]")
	text = regexp.MustCompile(`\([0-9a-fx?{}, .]*\)`).ReplaceAllString(text, "(...)")
	t.errors = append(t.errors, regexp.MustCompile(`(\t)?(/.*/)?(\w+\.go):\d+( \+0x[0-9a-f]+)?`).ReplaceAllString(text, "$1$3:N"))
}

func (t *tester) end() {
	for len(t.cleanups) > 0 {
		f := t.cleanups[len(t.cleanups)-1]
		t.cleanups = t.cleanups[:len(t.cleanups)-1]
		f()
	}
}

func block(c chan struct{}) { <-c }

func TestNoLeaks(t *testing.T) {
	for _, c := range []struct {
		name string
		test func(t *tester, release chan struct{})
		want []string
	}{
		{"nothing is left", func(t *tester, release chan struct{}) {
			group.Run(func(g *group.Group) { g.GoNamed("a", func() {}) })
		}, nil},
		{"what ends within a second is no leak", func(t *tester, release chan struct{}) {
			group.New(group.Options{Name: "ends"}).Go(func() { time.Sleep(900 * time.Millisecond) })
			go time.Sleep(900 * time.Millisecond)
		}, nil},
		{"what the test's Cleanup ends is no leak", func(t *tester, release chan struct{}) {
			ended := make(chan struct{})
			group.New(group.Options{Name: "ends"}).Go(func() { block(ended) })
			t.Cleanup(func() { close(ended) })
		}, nil},
		{"an idle pool is no leak", func(t *tester, release chan struct{}) {
			p := pool.New(2, pool.Options{IdleAfter: time.Minute})
			p.Go(func() {})
			p.Wait()
			go func() { <-release; p.Close() }()
			synctest.Wait()
		}, []string{"a goroutine has not ended"}},
		{"a task with a name", func(t *tester, release chan struct{}) {
			group.New(group.Options{Name: "ingest"}).GoNamed("fetch", func() { block(release) })
		}, []string{"ingest/fetch, which grouptest_test.go:N started, has not ended\n" +
			"goroutine N [chan receive]:\n" +
			"github.com/coterie-go/coterie/group/grouptest_test.block(...)\n\tgrouptest_test.go:N\n" +
			"github.com/coterie-go/coterie/group/grouptest_test.TestNoLeaks.func5.1(...)\n\tgrouptest_test.go:N"}},
		{"a task whose name is not printable", func(t *tester, release chan struct{}) {
			group.New(group.Options{Name: "in\ngest"}).Go(func() { block(release) })
		}, []string{`"in\ngest", which grouptest_test.go:N started, has not ended`}},
		{"tasks with a context, one of them queued", func(t *tester, release chan struct{}) {
			p := pool.New(1, pool.Options{Name: "mail"})
			for range 2 {
				_ = p.GoContext(context.Background(), func(context.Context) { block(release) })
			}
			go func() { <-release; p.Close() }()
			synctest.Wait()
		}, []string{"mail, which grouptest_test.go:N started, has not ended", "mail, which grouptest_test.go:N started, has not begun", "a goroutine"}},
		{"a goroutine", func(t *tester, release chan struct{}) {
			go block(release)
		}, []string{"a goroutine has not ended\ngoroutine N [chan receive]:\n" +
			"github.com/coterie-go/coterie/group/grouptest_test.block(...)\n\tgrouptest_test.go:N\ncreated by"}},
		{"a task without a name", func(t *tester, release chan struct{}) {
			new(group.Group).Go(func() { block(release) })
		}, []string{"a goroutine has not ended"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var inner tester
				release := make(chan struct{})
				grouptest.NoLeaks(&inner)
				c.test(&inner, release)
				inner.end()
				close(release)
				require.Len(t, inner.errors, len(c.want))
				for i, want := range c.want {
					require.Contains(t, inner.errors[i], "grouptest: "+want)
				}
			})
		})
	}

	t.Run("outside fake time", func(t *testing.T) {
		var inner tester
		grouptest.NoLeaks(&inner)
		group.New(group.Options{Name: "real"}).Go(func() {})
		inner.end()
		require.Empty(t, inner.errors)
	})
}

func TestPatience(t *testing.T) {
	var out bytes.Buffer
	defer grouptest.SetOut(&out)()
	t.Run("a test that ends in time", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var inner tester
			grouptest.Patience(&inner, time.Second)
			time.Sleep(999 * time.Millisecond)
			inner.end()
			time.Sleep(time.Second)
			require.Empty(t, inner.errors)
			require.Empty(t, out.String())
		})
	})

	t.Run("a test that hangs", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var inner tester
			grouptest.Patience(&inner, 5*time.Second)
			release := make(chan struct{})
			g := group.New(group.Options{Name: "hung"})
			g.GoNamed("fetch", func() { block(release) })
			time.Sleep(6 * time.Second)
			close(release)
			g.Wait()
			inner.end()
			require.Len(t, inner.errors, 1)
			require.Contains(t, inner.errors[0], "has not ended after 5s")
			require.Contains(t, out.String(), "grouptest: TestIngest has not ended after 5s\ncoterie: ")
			require.Contains(t, out.String(), "- hung/fetch: chan receive at grouptest_test.go:")
		})
	})

	t.Run("a duration that is not positive panics", func(t *testing.T) {
		require.PanicsWithValue(t, "grouptest: patience must be positive, got 0s", func() { grouptest.Patience(t, 0) })
	})
}
