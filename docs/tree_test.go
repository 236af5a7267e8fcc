package docs_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coterie-go/coterie/errgroup"
	"github.com/coterie-go/coterie/group/tree"
	"github.com/coterie-go/coterie/pool"
)

// A schema is the part of JSON Schema that tree.schema.json uses.
type schema struct {
	Type       string
	Properties map[string]*schema
	Required   []string
	Items      *schema
	Ref        string `json:"$ref"`
	Enum       []any
	Const      any
	Minimum    *float64
	Defs       map[string]*schema `json:"$defs"`
}

func readSchema(t *testing.T) *schema {
	text, err := os.ReadFile("tree.schema.json")
	require.NoError(t, err)
	var s schema
	require.NoError(t, json.Unmarshal(text, &s))
	return &s
}

// check returns what of a value does not fit. It does not allow what the schema does not name.
func (s *schema) check(root *schema, at string, v any) (wrong []string) {
	if name, ok := strings.CutPrefix(s.Ref, "#/$defs/"); ok {
		return root.Defs[name].check(root, at, v)
	}
	if s.Const != nil && s.Const != v || s.Enum != nil && !slices.Contains(s.Enum, v) {
		return []string{fmt.Sprintf("%s is %v", at, v)}
	}
	switch v := v.(type) {
	case map[string]any:
		for _, name := range s.Required {
			if _, ok := v[name]; !ok {
				wrong = append(wrong, at+" lacks "+name)
			}
		}
		for name, field := range v {
			if p := s.Properties[name]; p == nil {
				wrong = append(wrong, at+" has "+name)
			} else {
				wrong = append(wrong, p.check(root, at+"."+name, field)...)
			}
		}
	case []any:
		if s.Type != "array" {
			return []string{at + " is an array"}
		}
		for i, item := range v {
			wrong = append(wrong, s.Items.check(root, fmt.Sprintf("%s[%d]", at, i), item)...)
		}
	case string:
		if s.Type != "string" && s.Enum == nil {
			return []string{at + " is a string"}
		}
	case float64:
		if s.Const == nil && (s.Type != "integer" || s.Minimum != nil && v < *s.Minimum || v != float64(int64(v))) {
			return []string{fmt.Sprintf("%s is %v", at, v)}
		}
	case bool:
		if s.Type != "boolean" {
			return []string{at + " is a boolean"}
		}
	default:
		return []string{fmt.Sprintf("%s is %v", at, v)}
	}
	return wrong
}

func TestTreeSchema(t *testing.T) {
	root := readSchema(t)
	t.Run("it has the fields of the Go type", func(t *testing.T) {
		for name, typ := range map[string]reflect.Type{
			"": reflect.TypeFor[tree.Snapshot](), "owner": reflect.TypeFor[tree.Owner](), "task": reflect.TypeFor[tree.Task](),
			"waiter": reflect.TypeFor[tree.Waiter](), "cancelled": reflect.TypeFor[tree.Cancelled](),
		} {
			s := root
			if name != "" {
				s = root.Defs[name]
			}
			var all, required []string
			for field := range typ.Fields() {
				tag, options, _ := strings.Cut(field.Tag.Get("json"), ",")
				all = append(all, tag)
				if options != "omitempty" {
					required = append(required, tag)
				}
			}
			var properties []string
			for p := range s.Properties {
				properties = append(properties, p)
			}
			require.ElementsMatch(t, all, properties, name)
			require.ElementsMatch(t, required, s.Required, name)
		}
		require.EqualValues(t, tree.Version, root.Properties["version"].Const)
	})

	t.Run("what Take returns fits", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			release := make(chan struct{})
			g, ctx := errgroup.New(t.Context(), errgroup.Options{Name: "schema", Limit: 1})
			require.NoError(t, g.GoContext(ctx, func(ctx context.Context) error {
				inner, _ := errgroup.New(ctx, errgroup.Options{Name: "inner"})
				inner.GoNamed("task", func() error { <-release; return nil })
				return inner.Wait()
			}))
			go g.TryGo(func() error { return nil })
			p := pool.New(1, pool.Options{Name: "schema"})
			keys := pool.NewKeyed[int](p, 1)
			for range 2 {
				require.NoError(t, keys.GoContext(t.Context(), 1, func(context.Context) { <-release }))
			}
			g.Cancel(fmt.Errorf("enough"))
			go g.Go(func() error { return nil })
			time.Sleep(time.Second)
			text, err := json.Marshal(tree.Take())
			require.NoError(t, err)
			require.Contains(t, string(text), `"submitters":[{`)
			require.Contains(t, string(text), `"cancelled":{`)
			require.Contains(t, string(text), `"keyed":1`)
			require.Contains(t, string(text), `"state":"waits for its key","age_ns":1000000000`)
			decoder := json.NewDecoder(bytes.NewReader(text))
			var v any
			require.NoError(t, decoder.Decode(&v))
			require.Empty(t, root.check(root, "", v))
			close(release)
			require.Error(t, g.Wait())
			keys.Wait()
			p.Close()
		})
	})

	t.Run("what does not fit is found", func(t *testing.T) {
		wrong := map[string]any{"version": 2.0, "time": "", "warnings": "none", "extra": true}
		require.Len(t, root.check(root, "", wrong), 4)
	})
}
