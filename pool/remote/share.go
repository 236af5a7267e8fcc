package remote

import (
	"context"
	"errors"
	"io"
	"net"

	"github.com/coterie-go/coterie/group"
)

// This file lets other processes use an embedded server.

// Share lets others reach the engine's embedded server through l until [Engine.Close], which closes
// l. They use [Connect] with the address of l; for a listener that has no address of the network,
// such as a Unix socket, together with nats.SetCustomDialer. Whoever can reach l can do everything:
// there is no password.
//
// Share returns at once. It is an error if the engine has no embedded server, or is closed.
func (e *Engine) Share(l net.Listener) error {
	if l == nil {
		panic("remote: nil listener")
	}
	if e.server == nil {
		return errors.New("remote: share: the engine has no embedded server")
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.isClosing {
		return ErrClosed
	}
	e.listeners[l] = struct{}{}
	e.tasks.Go(func() { e.accept(l) })
	return nil
}

// accept joins each connection with one to the server until l is closed.
func (e *Engine) accept(l net.Listener) {
	group.Run(func(g *group.Group) {
		for {
			outside, err := l.Accept()
			if err != nil {
				return
			}
			inside, err := e.server.InProcessConn()
			if err != nil {
				outside.Close()
				return
			}
			g.Go(func() { e.relay(outside, inside) })
		}
	})
}

// relay copies between the two connections until one of them ends, or the engine does.
func (e *Engine) relay(a, b net.Conn) {
	end := func() {
		a.Close()
		b.Close()
	}
	defer context.AfterFunc(e.life, end)()
	group.Run(func(g *group.Group) {
		for _, copied := range []struct{ to, from net.Conn }{{a, b}, {b, a}} {
			g.Go(func() {
				defer end()
				io.Copy(copied.to, copied.from)
			})
		}
	})
}
