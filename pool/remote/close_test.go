package remote_test

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/pool/remote"
)

func TestShutdown(t *testing.T) {
	t.Parallel()
	t.Run("takes no more, and lets what runs finish", func(t *testing.T) {
		t.Parallel()
		e := open(t)
		g := newGate()
		task := remote.NewTask("t", g.run, remote.TaskOptions{Lease: time.Hour})
		w := serve(t, e, task, "w", 1)
		first, err := remote.Submit(t.Context(), e, task, 1)
		require.NoError(t, err)
		second, err := remote.Submit(t.Context(), e, task, 2)
		require.NoError(t, err)
		get(t, g.begun)
		ended := make(chan error)
		go func() { ended <- w.Shutdown(t.Context()) }()
		time.Sleep(100 * time.Millisecond)
		g.release()
		require.NoError(t, get(t, ended))
		n, err := first.Get()
		require.NoError(t, err)
		require.Equal(t, 2, n)
		select {
		case <-second.Done():
			require.Fail(t, "was run")
		default:
		}
		require.Empty(t, g.begun)
		require.NoError(t, w.Shutdown(t.Context()), "again")

		// The next worker gets the second at once.
		serve(t, e, task, "w", 1)
		_, err = second.GetContext(within(t, 5*time.Second))
		require.NoError(t, err)
	})

	t.Run("without patience cancels and gives back at once, and the attempt does not count", func(t *testing.T) {
		t.Parallel()
		e := open(t)
		g := newGate()
		task := remote.NewTask("t", func(ctx context.Context, n int) (int, error) {
			if remote.Attempt(ctx) != 1 {
				return 0, remote.Permanent(errors.New("counted"))
			}
			return g.run(ctx, n)
		}, remote.TaskOptions{Lease: time.Hour, Attempts: 1})
		w := serve(t, e, task, "mail", 1)
		f, err := remote.Submit(t.Context(), e, task, 1)
		require.NoError(t, err)
		get(t, g.begun)
		far := join(t, share(t, e))
		serve(t, far, task, "far", 1)
		why := errors.New("no time")
		ctx, cancel := context.WithTimeoutCause(t.Context(), 50*time.Millisecond, why)
		defer cancel()
		gaveUp := time.Now()
		err = w.Shutdown(ctx)
		var stuck *core.StuckError
		require.ErrorAs(t, err, &stuck)
		require.ErrorIs(t, err, why)
		require.Equal(t, 1, stuck.Running)
		require.ErrorContains(t, err, `"mail"`)
		require.Equal(t, remote.ErrShutdown, get(t, g.ended))
		get(t, g.begun) // by the other
		require.Less(t, time.Since(gaveUp), 2*time.Second)
		g.release()
		n, err := f.Get()
		require.NoError(t, err)
		require.Equal(t, 2, n)
		require.NoError(t, w.Shutdown(t.Context()), "again")
	})

	t.Run("of an idle worker returns nil, also without patience", func(t *testing.T) {
		t.Parallel()
		e := open(t)
		task := remote.NewTask("t", func(context.Context, int) (int, error) { return 0, nil }, remote.TaskOptions{})
		w := serve(t, e, task, "w", 3)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		require.NoError(t, w.Shutdown(ctx))
	})

	t.Run("the end of Serve's context stops the worker", func(t *testing.T) {
		t.Parallel()
		e := open(t)
		g := newGate()
		task := remote.NewTask("t", g.run, remote.TaskOptions{Lease: time.Hour, Attempts: 1})
		ctx, cancel := context.WithCancel(t.Context())
		w, err := remote.Serve(ctx, e, task, remote.Options{Workers: 1})
		require.NoError(t, err)
		_, err = remote.Submit(t.Context(), e, task, 1)
		require.NoError(t, err)
		get(t, g.begun)
		cancel()
		require.Equal(t, remote.ErrShutdown, get(t, g.ended))
		require.NoError(t, w.Shutdown(within(t, 10*time.Second)))
		serve(t, e, task, "next", 1)
		get(t, g.begun)
	})
}

func TestClose(t *testing.T) {
	t.Parallel()
	t.Run("ends what is owned, gives back what is detached, uncounted, and its directory can be opened again", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		e, err := remote.Embedded(dir)
		require.NoError(t, err)
		g := newGate()
		task := remote.NewTask("t", func(ctx context.Context, n int) (int, error) {
			if remote.Attempt(ctx) != 1 {
				return 0, remote.Permanent(errors.New("counted"))
			}
			return g.run(ctx, n)
		}, remote.TaskOptions{Lease: time.Hour, Attempts: 1})
		serve(t, e, task, "w", 2)
		owned, err := remote.Submit(t.Context(), e, task, 1)
		require.NoError(t, err)
		detached, err := remote.Submit(t.Context(), e, task, 2, remote.Key("two"), remote.Detach())
		require.NoError(t, err)
		get(t, g.begun)
		get(t, g.begun)
		waiting, err := remote.Submit(t.Context(), e, task, 3)
		require.NoError(t, err)
		require.NoError(t, e.Close())
		require.NoError(t, e.Close(), "again")
		for range 2 {
			require.Error(t, get(t, g.ended))
		}
		for _, f := range []interface{ Get() (int, error) }{owned, detached, waiting} {
			_, err = f.Get()
			require.Equal(t, remote.ErrClosed, err)
		}
		_, err = remote.Submit(t.Context(), e, task, 1)
		require.Equal(t, remote.ErrClosed, err)
		_, err = remote.TrySubmit(t.Context(), e, task, 1)
		require.Equal(t, remote.ErrClosed, err)
		_, err = remote.Serve(t.Context(), e, task, remote.Options{})
		require.Equal(t, remote.ErrClosed, err)
		require.Equal(t, remote.ErrClosed, remote.Requeue(t.Context(), e, "x"))
		for _, err := range remote.Dead(t.Context(), e, task) {
			require.Equal(t, remote.ErrClosed, err)
		}

		again := openIn(t, dir)
		g.release()
		serve(t, again, task, "w", 2)
		require.Equal(t, 2, get(t, g.begun), "only the detached one")
		f, err := remote.Submit(t.Context(), again, task, 2, remote.Key("two"))
		require.NoError(t, err)
		n, err := f.GetContext(within(t, 10*time.Second))
		require.NoError(t, err)
		require.Equal(t, 4, n)
		require.Empty(t, g.begun)
	})

	t.Run("a second engine on a directory is an error", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		e, err := remote.Embedded(dir)
		require.NoError(t, err)
		_, err = remote.Embedded(dir)
		require.EqualError(t, err, "remote: embedded server in "+dir+": in use by another engine")
		require.NoError(t, e.Close())
		openIn(t, dir)
	})

	t.Run("a directory that cannot be made, or no directory, is an error", func(t *testing.T) {
		t.Parallel()
		_, err := remote.Embedded(filepath.Join("/dev/null", "x"))
		require.ErrorContains(t, err, "remote: embedded server in /dev/null/x: ")
		_, err = remote.Embedded("")
		require.EqualError(t, err, "remote: embedded server: no directory given")
	})

	t.Run("a server that is not there is an error, which does not show the password", func(t *testing.T) {
		t.Parallel()
		_, err := remote.Connect("nats://user:secret@127.0.0.1:1")
		require.ErrorContains(t, err, "remote: connect to nats://user:xxxxx@127.0.0.1:1: ")
	})

	t.Run("only an embedded server can be shared", func(t *testing.T) {
		t.Parallel()
		e := open(t)
		far := join(t, share(t, e))
		require.EqualError(t, far.Share(new(net.TCPListener)), "remote: share: the engine has no embedded server")
	})
}
