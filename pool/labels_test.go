package pool_test

import (
	"context"
	"regexp"
	"runtime/pprof"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coterie-go/coterie/group"
	"github.com/coterie-go/coterie/pool"
)

var ownRecord = regexp.MustCompile(`(?m)^1 @.*\n(?:# labels: \{(.*)\}\n)?(?:#.*\n)*#.*pool_test\.allLabels`)

// allLabels returns the labels of the caller's goroutine.
//
//go:noinline
func allLabels(t *testing.T) string {
	var profile strings.Builder
	require.NoError(t, pprof.Lookup("goroutine").WriteTo(&profile, 1))
	r := ownRecord.FindStringSubmatch(profile.String())
	require.NotNil(t, r)
	return r[1]
}

// Labels are those of the context that a task was started with. What runs while a task waits
// changes nothing about the task's own.
func TestTaskLabels(t *testing.T) {
	const job, other = `"job":"x"`, `"other":"y"`
	for name, opts := range map[string]pool.Options{"unnamed": {}, "named": {Name: "mail"}, "isolated": {Isolate: true}} {
		with := func(labels string) string {
			if opts.Name != "" {
				return `"coterie":"mail", ` + labels
			}
			return labels
		}
		in := func(t *testing.T, f func(ctx context.Context, p *pool.Pool)) {
			p := pool.New(1, opts)
			defer p.Close()
			require.NoError(t, p.GoContext(t.Context(), func(ctx context.Context) { f(ctx, p) }))
			p.Wait()
		}

		t.Run("of pprof.Do are there after a nested wait, in a pool that is "+name, func(t *testing.T) {
			for wait, f := range map[string]func(ctx context.Context, p *pool.Pool){
				"Batch.Wait": func(ctx context.Context, p *pool.Pool) {
					b := p.Batch(ctx)
					for range 3 {
						require.NoError(t, b.GoContext(pprof.WithLabels(ctx, pprof.Labels("other", "y")), func(context.Context) {}))
						b.Go(func() { pprof.SetGoroutineLabels(pprof.WithLabels(context.Background(), pprof.Labels("other", "y"))) })
					}
					b.Wait()
				},
				"Get": func(ctx context.Context, p *pool.Pool) {
					f, err := pool.Submit(pprof.WithLabels(ctx, pprof.Labels("other", "y")), p, func(context.Context) (int, error) { return 0, nil })
					require.NoError(t, err)
					_, _ = f.Get()
				},
				"For": func(ctx context.Context, _ *pool.Pool) {
					_ = pool.For(ctx, 4, 100, func(context.Context, int) error { return nil })
				},
				"Map": func(ctx context.Context, _ *pool.Pool) {
					for range pool.Map(ctx, 4, slices.Values(make([]int, 10)), square) { //coterie:waiterr no call fails
					}
				},
				"Each": func(ctx context.Context, _ *pool.Pool) {
					_ = pool.Each(ctx, 4, slices.Values(make([]int, 10)), func(context.Context, int) error { return nil })
				},
				"GoContext in place": func(ctx context.Context, p *pool.Pool) {
					p.SetWorkers(1)
					for range 3 {
						require.NoError(t, p.GoContext(pprof.WithLabels(ctx, pprof.Labels("other", "y")), func(context.Context) {}))
					}
				},
			} {
				in(t, func(ctx context.Context, p *pool.Pool) {
					pprof.Do(ctx, pprof.Labels("job", "x"), func(ctx context.Context) {
						f(ctx, p)
						require.Equal(t, with(job), allLabels(t), wait)
					})
				})
			}
		})

		t.Run("of its context are those of a task, in a pool that is "+name, func(t *testing.T) {
			p := pool.New(1, opts)
			defer p.Close()
			ctx := pprof.WithLabels(t.Context(), pprof.Labels("other", "y"))
			look := func(context.Context) { require.Equal(t, with(other), allLabels(t)) }
			f, err := pool.Submit(ctx, p, func(ctx context.Context) (int, error) { look(ctx); return 0, nil })
			require.NoError(t, err)
			_, err = f.Get()
			require.NoError(t, err)
			b := p.Batch(t.Context())
			require.NoError(t, b.GoContext(ctx, look))
			b.Wait()
			require.NoError(t, p.GoContext(ctx, look))
			p.Wait()
		})

		t.Run("of a task with a context end with it, in a pool that is "+name, func(t *testing.T) {
			p := pool.New(1, opts)
			defer p.Close()
			want := strings.TrimSuffix(with(""), ", ")
			for range 2 {
				require.NoError(t, p.GoContext(pprof.WithLabels(t.Context(), pprof.Labels("other", "y")), func(context.Context) {}))
				b := p.Batch(t.Context())
				b.Go(func() { require.Equal(t, want, allLabels(t)) })
				b.Wait()
			}
			p.Wait()
		})
	}

	t.Run("those of nested groups end with them", func(t *testing.T) {
		g, inner := group.New(group.Options{Name: "a", Limit: 1}), group.New(group.Options{Name: "b", Limit: 1})
		require.NoError(t, g.GoContext(t.Context(), func(ctx context.Context) {
			pprof.Do(ctx, pprof.Labels("job", "x"), func(ctx context.Context) {
				require.NoError(t, g.GoContext(ctx, func(context.Context) {
					require.Equal(t, `"coterie":"a", `+job, allLabels(t))
				}))
				require.NoError(t, inner.GoContext(ctx, func(context.Context) {
					require.Equal(t, `"coterie":"a/b", `+job, allLabels(t))
				}))
				inner.Wait()
				require.Equal(t, `"coterie":"a", `+job, allLabels(t))
			})
			require.Equal(t, `"coterie":"a"`, allLabels(t))
		}))
		g.Wait()
	})
}
