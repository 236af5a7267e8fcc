// Package debug serves what a program is doing, for its flag -debug.
package debug

import (
	"fmt"
	"io"
	"net"
	"net/http"

	"github.com/coterie-go/coterie/group"
	"github.com/coterie-go/coterie/group/tree"
)

// Usage is the text of the flag.
const Usage = "where to show what the program is doing, at /debug/coterie/; without it nowhere"

// Listen listens on addr, HOST:PORT, and prints where the page is. It returns the error of net.Listen.
func Listen(addr string, log io.Writer) (net.Listener, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(log, "what it is doing: http://%s/debug/coterie/\n", l.Addr())
	return l, nil
}

// Handler serves the page.
func Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/debug/coterie/", tree.Handler())
	return mux
}

// Serve serves the page on addr until stop is called, which ends the requests under way.
func Serve(addr string, log io.Writer) (stop func(), err error) {
	l, err := Listen(addr, log)
	if err != nil {
		return nil, err
	}
	server := &http.Server{Handler: Handler()}
	var g group.Group
	g.Go(func() { _ = server.Serve(l) }) // it fails only when it is stopped
	return func() {
		_ = server.Close()
		g.Wait()
	}, nil
}
