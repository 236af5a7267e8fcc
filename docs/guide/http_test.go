package guide_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/errgroup"
	"github.com/coterie-go/coterie/pool"
)

// snippet: a goroutine in a handler
func handleOrder(audit func(ctx context.Context, user string) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		go func() {
			if err := audit(r.Context(), r.FormValue("user")); err != nil {
				fmt.Println("audit:", err)
			}
		}()
		fmt.Fprintln(w, "ordered")
	}
}

func TestBugGoInHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		audited := false
		handler := handleOrder(func(ctx context.Context, user string) error {
			select {
			case <-time.After(time.Second): // writes it down
				audited = true
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
		serve(t, handler, "/?user=ann")
		time.Sleep(time.Minute)
		if !audited {
			t.Error("ordered, and not audited")
		}
	})
}

// end snippet

// serve does what a server does with a request: when the handler has returned its
// context ends, and a panic of the handler does not end the process.
func serve(t *testing.T, handler http.Handler, url string) (status int, body string) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodGet, url, nil))
	return w.Code, w.Body.String()
}

// snippet: fan out
func handlePage(prices, stock func(ctx context.Context) (string, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
		defer cancel()
		p, s, err := errgroup.All2(ctx, prices, stock)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		fmt.Fprintln(w, p, s)
	}
}

// end snippet

func after(d time.Duration, result string, err error) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		select {
		case <-time.After(d):
			return result, err
		case <-ctx.Done():
			return "", context.Cause(ctx)
		}
	}
}

func TestFanOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		started := time.Now()
		status, body := serve(t, handlePage(after(time.Second, "5 €", nil), after(time.Second, "3 left", nil)), "/")
		require.Equal(t, http.StatusOK, status)
		require.Equal(t, "5 € 3 left\n", body)
		require.Equal(t, time.Second, time.Since(started))

		status, body = serve(t, handlePage(after(time.Hour, "", nil), after(time.Second, "", errors.New("no stock"))), "/")
		require.Equal(t, http.StatusBadGateway, status)
		require.Equal(t, "no stock\n", body)
		require.Equal(t, 2*time.Second, time.Since(started))
	})
}

// snippet: recovering
func recovering(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if p, ok := recover().(*core.PanicError); ok {
				log.Println(p) // with the stack of the task
				http.Error(w, "sorry", http.StatusInternalServerError)
			}
		}()
		next.ServeHTTP(w, r)
	})
}

// end snippet

func TestPanicInHandler(t *testing.T) {
	panics := func(context.Context) (string, error) { panic("index out of range") }
	status, body := serve(t, recovering(handlePage(panics, after(0, "", nil))), "/")
	require.Equal(t, http.StatusInternalServerError, status)
	require.Equal(t, "sorry\n", body)
}

// snippet: after the answer
type shop struct{ audits *pool.Pool }

func (s *shop) handleOrder(audit func(ctx context.Context, user string)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		user := r.FormValue("user")               // r is not to be used after the answer
		ctx := context.WithoutCancel(r.Context()) // keeps its values, not its end
		if !s.audits.TryGo(func() { audit(ctx, user) }) {
			w.Header().Set("Retry-After", "1")
			http.Error(w, "busy", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ordered")
	}
}

// end snippet

func TestAfterTheAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// snippet: the pool of the shop
		s := &shop{audits: pool.New(1, pool.Options{Name: "audits", Queue: 1})}
		defer s.audits.Close() // after the server has shut down
		// end snippet
		var audited []string
		handler := s.handleOrder(func(ctx context.Context, user string) {
			time.Sleep(time.Second)
			audited = append(audited, user)
		})
		for _, want := range []struct {
			user   string
			status int
		}{{"ann", http.StatusOK}, {"bob", http.StatusOK}, {"cid", http.StatusServiceUnavailable}} {
			status, _ := serve(t, handler, "/?user="+want.user)
			require.Equal(t, want.status, status)
			synctest.Wait()
		}
		s.audits.Wait()
		require.Equal(t, []string{"ann", "bob"}, audited)
	})
}
