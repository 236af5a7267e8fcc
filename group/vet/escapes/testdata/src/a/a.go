package a

import (
	"context"

	"github.com/coterie-go/coterie/errgroup"
	"github.com/coterie-go/coterie/group"
)

var ctx context.Context

func work() {}

var kept *group.Group

type server struct {
	g     *group.Group
	start func()
	all   []*group.Group
	named map[string]*errgroup.Group
}

func keeps(s *server, out chan *group.Group) {
	var late *group.Group
	var submit func(func())
	var holder server
	group.Run(func(g *group.Group) {
		kept = g                        // want `g is kept after its Run: g.Go panics once Run has returned; start the tasks in the function of Run.*docs/guide/scopes.md`
		s.g = g                         // want `g is kept`
		s.start = func() { g.Go(work) } // want `g is kept`
		s.all = append(s.all, g)        // want `g is kept`
		late = (g)                      // want `g is kept`
		submit = g.Go                   // want `g is kept`
		holder = server{g: g}           // want `g is kept`
		out <- g                        // want `g is kept`
	})
	late.Go(work)
	submit(work)
	holder.start()
	_ = errgroup.RunWith(ctx, errgroup.Options{}, func(ctx context.Context, tasks *errgroup.Group) error {
		s.named["all"] = tasks // want `tasks is kept`
		return nil
	})
}

// What follows is right.

func within(s *server) {
	var visit func(depth int)
	var total int
	group.Run(func(g *group.Group) {
		visit = func(depth int) { g.Go(func() { visit(depth - 1) }) } // not used after the scope
		visit(3)
		inner := g
		inner.Go(work)
		local := server{g: g}
		local.g.Go(work)
		pass(g)
		total = g.Running()
		_ = g
		ch := make(chan *group.Group, 1)
		ch <- g
	})
	_ = total
	group.Run(func(g *group.Group) {
		s.g = g
		defer func() { s.g = nil }()
		s.g.Go(work)
	})
	group.Run(func(*group.Group) {})
	group.Run(pass)
}

func pass(g *group.Group) { g.Go(work) }

func another(s *server) {
	own := group.New(group.Options{})
	group.Run(func(g *group.Group) {
		s.g = own
		g.Go(work)
	})
	s.g = own
	s.g.Wait()
}
