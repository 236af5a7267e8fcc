// Package debug serves the page of group/tree for the flag -debug of a program.
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

// Listen listens on addr, HOST:PORT, and prints the URL of the page. It returns the error of
// net.Listen.
func Listen(addr string, log io.Writer) (net.Listener, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(log, "what it is doing: http://%s/debug/coterie/\n", l.Addr())
	return l, nil
}

// Handler returns the handler of the page.
func Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/debug/coterie/", tree.Handler())
	return mux
}

// Serve serves the page on addr until stop is called. stop ends the requests that run.
func Serve(addr string, log io.Writer) (stop func(), err error) {
	l, err := Listen(addr, log)
	if err != nil {
		return nil, err
	}
	server := &http.Server{Handler: Handler()}
	var g group.Group
	g.Go(func() { _ = server.Serve(l) }) // it returns only an error, after stop
	return func() {
		_ = server.Close()
		g.Wait()
	}, nil
}
