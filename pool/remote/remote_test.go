package remote_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/coterie-go/coterie/pool/remote"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t *testing.T) *remote.Engine {
	e, err := remote.Embedded(t.TempDir())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, e.Close()) })
	return e
}

func TestSmoke(t *testing.T) {
	e := open(t)
	double := remote.NewTask("double", func(ctx context.Context, n int) (int, error) {
		if n < 0 {
			return 0, errors.New("negative")
		}
		return 2 * n, nil
	}, remote.TaskOptions{Attempts: 2, Backoff: func(int) time.Duration { return 10 * time.Millisecond }})
	w, err := remote.Serve(t.Context(), e, double, remote.Options{Name: "w", Workers: 4})
	require.NoError(t, err)
	start := time.Now()
	f, err := remote.Submit(t.Context(), e, double, 21)
	require.NoError(t, err)
	n, err := f.Get()
	require.NoError(t, err)
	require.Equal(t, 42, n)
	t.Log(time.Since(start))
	f, err = remote.Submit(t.Context(), e, double, -1)
	require.NoError(t, err)
	_, err = f.Get()
	t.Logf("%+v", err)
	start = time.Now()
	var got []int
	for v, err := range remote.Map(t.Context(), e, double, slices.Values(make([]int, 5000))) {
		require.NoError(t, err)
		got = append(got, v)
	}
	t.Log(len(got), time.Since(start))
	require.NoError(t, w.Shutdown(t.Context()))
}
