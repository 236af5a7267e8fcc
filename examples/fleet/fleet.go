package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/coterie-go/coterie/pool/remote"
)

// workerOf is the environment variable that makes a process a worker. Its value is the address of
// the server.
const workerOf = "FLEET_WORKER_OF"

// filesAtOnce is how many batches a worker reads at a time.
const filesAtOnce = 2

// A fleet is a server and its worker processes.
type fleet struct {
	engine  *remote.Engine
	address string // the server's, for the workers
	dir     string // of the embedded server, or empty
	stderr  io.Writer
}

// newFleet connects to the server of the options. If they have none, it embeds a server that the
// workers reach through a socket. Only this user can use the socket.
func newFleet(opts options, stderr io.Writer) (f *fleet, err error) {
	f = &fleet{address: opts.connect, stderr: stderr}
	if opts.connect != "" {
		f.engine, err = remote.Connect(opts.connect)
		return f, err
	}
	if f.dir, err = os.MkdirTemp("", "fleet"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			f.close()
		}
	}()
	if f.engine, err = remote.Embedded(filepath.Join(f.dir, "server")); err != nil {
		return nil, err
	}
	socket := filepath.Join(f.dir, "socket")
	l, err := net.Listen("unix", socket)
	if err != nil {
		return nil, err
	}
	f.address = "unix:" + socket
	return f, f.engine.Share(l)
}

func (f *fleet) close() {
	if f.engine != nil {
		f.engine.Close()
	}
	if f.dir != "" {
		os.RemoveAll(f.dir)
	}
}

// keep runs one worker process until ctx is done. If the process dies, keep starts it again.
func (f *fleet) keep(ctx context.Context, number int) {
	for {
		err := f.runWorker(ctx)
		if ctx.Err() != nil {
			return
		}
		fmt.Fprintf(f.stderr, "fleet: worker %d ended: %v; it is started again\n", number, err)
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return
		}
	}
}

// runWorker starts a worker process, and blocks until it has ended. The worker ends when its
// standard input ends. This process holds the other end, so the worker does not outlive it.
func (f *fleet) runWorker(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	command := exec.CommandContext(ctx, self)
	command.Env = append(os.Environ(), workerOf+"="+f.address)
	command.Stderr = f.stderr
	stdin, err := command.StdinPipe()
	if err != nil {
		return err
	}
	command.Cancel = stdin.Close
	command.WaitDelay = 10 * time.Second
	if err := command.Start(); err != nil {
		return err
	}
	if err := command.Wait(); err != nil {
		return err
	}
	return errors.New("it left")
}

// work runs a worker process, and returns its exit status.
func work(address string, stdin io.Reader, stderr io.Writer) int {
	signal.Ignore(os.Interrupt) // a terminal sends it to all processes, and the parent ends the workers
	err := serve(address, stdin)
	if err != nil {
		fmt.Fprintln(stderr, "fleet: worker:", err)
		return 1
	}
	return 0
}

func serve(address string, stdin io.Reader) error {
	url, options := address, []nats.Option(nil)
	if socket, ok := strings.CutPrefix(address, "unix:"); ok {
		url, options = "", append(options, nats.SetCustomDialer(unixSocket(socket)))
	}
	e, err := remote.Connect(url, options...)
	if err != nil {
		return err
	}
	defer e.Close() // returns the tasks that it has begun to the server
	name := fmt.Sprint("process ", os.Getpid())
	if _, err := remote.Serve(context.Background(), e, hash, remote.Options{Name: name, Workers: filesAtOnce}); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, stdin)
	return err
}

// A unixSocket is a dialer that ignores the address and dials the socket.
type unixSocket string

func (s unixSocket) Dial(string, string) (net.Conn, error) { return net.Dial("unix", string(s)) }
