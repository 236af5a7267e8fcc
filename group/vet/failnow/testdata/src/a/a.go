package a

import (
	"context"
	"errors"
	"sync"
	"testing"

	"helper"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/errgroup"
	"github.com/coterie-go/coterie/group"
	"github.com/coterie-go/coterie/pool"
	"github.com/sourcegraph/conc"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/stretchr/testify/suite"
	xerrgroup "golang.org/x/sync/errgroup"
)

var err = errors.New("no")

type env struct {
	t *testing.T
	helper.Env
}

func own(t testing.TB) { t.SkipNow() } // want own:"endsTest"

func (e *env) run() { e.t.Fatal() } // want run:"endsTest"

func lost(t *testing.T, b *testing.B, e *env) { // want lost:"endsTest"
	go func() {
		t.Fatal("no")           // want `t.Fatal in a goroutine ends that goroutine, not the test: the test goes on or hangs.*docs/guide/panics.md`
		b.Skipf("no")           // want `b.Skipf in a goroutine`
		require.NoError(t, err) // want `require.NoError in a goroutine`
		helper.Check(t, err)    // want `helper.Check in a goroutine`
		helper.Deep(b, err)     // want `helper.Deep in a goroutine`
		own(t)                  // want `own in a goroutine`
		e.Must(err)             // want `e.Must in a goroutine`
		defer t.FailNow()       // want `t.FailNow in a goroutine`
		func() {
			t.SkipNow() // want `t.SkipNow in a goroutine`
		}()
		require := require.New(t)
		require.NoError(err) // want `require.NoError in a goroutine`
	}()
	go func(t *testing.T) {
		t.Fatal() // want `t.Fatal in a goroutine`
	}(t)
	go own(t)  // want `own in a goroutine`
	go e.run() // want `e.run in a goroutine`

	var wg sync.WaitGroup
	wg.Go(func() { t.Fatal() }) // want `t.Fatal in a task of a sync.WaitGroup`
	wg.Go(e.run)                // want `e.run in a task of a sync.WaitGroup`
	var cg conc.WaitGroup
	cg.Go(func() { helper.Check(t, err) }) // want `helper.Check in a task of a conc.WaitGroup`
	var xg xerrgroup.Group
	xg.Go(func() error {
		require.NoError(t, err) // want `require.NoError in a task of an errgroup.Group`
		return nil
	})
	p := pool.New(1, pool.Options{})
	p.Go(func() { t.Fatal() }) // want `t.Fatal in a task of a pool.Pool .*through a Batch`
	wg.Wait()
	if err != nil {
		t.Fatal(err)
	}
}

type Suite struct{ suite.Suite }

func (s *Suite) TestLost() { // want TestLost:"endsTest"
	go func() {
		s.Require().NoError(err) // want `s.Require\(\).NoError in a goroutine`
		require := s.Require()
		require.NoError(err) // want `require.NoError in a goroutine`
	}()
	s.Require().NoError(err)
}

// What follows is right.

func carried(t *testing.T) {
	var g group.Group
	g.Go(func() { t.Fatal() })
	group.Run(func(g *group.Group) {
		g.Go(func() { require.NoError(t, err) })
	})
	_ = errgroup.Run(context.Background(), func(ctx context.Context, g *errgroup.Group) error {
		g.Go(func() error { helper.Check(t, err); return nil })
		return nil
	})
	p := pool.New(1, pool.Options{})
	b := p.Batch(context.Background())
	b.Go(func() { t.Fatal() })
	_, _ = pool.Submit(context.Background(), p, func(context.Context) (int, error) { t.Skip(); return 0, nil })
	_ = group.Fork(&g, func() (int, error) { t.FailNow(); return 0, nil })
}

func inTheTest(t *testing.T, wg *core.WaitGroup) { // want inTheTest:"endsTest"
	done := make(chan error)
	go func() {
		done <- err
		t.Log()
		t.Error()
		assert.NoError(t, err)
		helper.Log(t)
	}()
	require.NoError(t, <-done)
	fatal := func() { t.Fatal() }
	fatal()
	defer func() { t.SkipNow() }()
	helper.Later(t)()
}

func subtests(t *testing.T) {
	go func() {
		t.Run("sub", func(t *testing.T) {
			t.Fatal()
			require.NoError(t, err)
		})
		helper.Sub(t)
	}()
	t.Run("sub", func(t *testing.T) { t.Fatal() })
}

type recorder struct{ failed bool }

func (r *recorder) Errorf(string, ...any) {}
func (r *recorder) FailNow()              {}

func ofATestOfATest() {
	go func() {
		r := new(recorder)
		require.NoError(r, err)
		r.FailNow()
	}()
}

type notATest struct{}

func (notATest) Fatal(...any) {}

func other() {
	go func() { notATest{}.Fatal() }()
	go func(n notATest) { n.Fatal() }(notATest{})
}
