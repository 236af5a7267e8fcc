package docs_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"image/png"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The pages of the documentation show code that is compiled and run: each block
// of Go in a page is a part of a Go file, between the comments
//
//	// snippet: <what it shows>
//	// end snippet
//
// without lines that begin with //coterie: and say that they are for the page,
// and each block of text is something that was printed: the output of an Example
// or a file in testdata that a test compares with what it printed.

// pages returns the names of the pages, which begin with "../".
func pages(t *testing.T) []string {
	var pages []string
	err := filepath.WalkDir(filepath.FromSlash("../docs"), func(path string, d fs.DirEntry, err error) error {
		if d.IsDir() && d.Name() == "benchmarks" {
			return filepath.SkipDir // its page is made of measurements
		}
		if filepath.Ext(path) == ".md" {
			pages = append(pages, path)
		}
		return err
	})
	require.NoError(t, err)
	for _, pattern := range []string{"../.github/*.md"} {
		more, err := filepath.Glob(filepath.FromSlash(pattern))
		require.NoError(t, err)
		require.NotEmpty(t, more)
		pages = append(pages, more...)
	}
	return pages
}

var (
	fence    = regexp.MustCompile("(?ms)^```(\\w*)\n(.*?)^```$")
	snippet  = regexp.MustCompile(`(?ms)^[ \t]*// snippet: ([^\n]+)\n(.*?)^[ \t]*// end snippet$`)
	exempted = regexp.MustCompile(`(?m)^[ \t]*//coterie:\w+ for the page: .*\n`)
	expected = regexp.MustCompile(`(?m)^\t// Output:[ \t]*\n?((?:^\t//.*\n)+|.*\n)`)
	code     = regexp.MustCompile("`([^`]+)`")
	link     = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading  = regexp.MustCompile(`(?m)^#+ (.+)$`)
	image    = regexp.MustCompile(`!\[[^\]]+\]\(([^)\s]+)\)`)

	punctuation = regexp.MustCompile(`[^\pL\pN _-]`)
)

// showable is what the pages may show: code and output, each with where it stands,
// and all Go files of a folder.
type showable struct{ code, output, source map[string]string }

func collect(t *testing.T) showable {
	s := showable{make(map[string]string), make(map[string]string), make(map[string]string)}
	err := filepath.WalkDir(filepath.FromSlash("../docs"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		isOutput := filepath.Ext(path) == ".txt" && filepath.Base(filepath.Dir(path)) == "testdata"
		if !isOutput && filepath.Ext(path) != ".go" {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if isOutput {
			s.output[string(text)] = path
			return nil
		}
		s.source[filepath.Dir(path)] += string(text)
		for _, m := range snippet.FindAllStringSubmatch(string(text), -1) {
			shown := exempted.ReplaceAllString(m[2], "")
			s.code[dedent(strings.TrimRight(shown, "\n")+"\n")] = path + ": " + m[1]
		}
		for _, m := range expected.FindAllStringSubmatch(string(text), -1) {
			var b strings.Builder
			for line := range strings.Lines(m[1]) {
				line = strings.TrimPrefix(strings.TrimSpace(line), "//")
				b.WriteString(strings.TrimSuffix(strings.TrimPrefix(line, " "), "\n") + "\n")
			}
			s.output[b.String()] = path
		}
		return nil
	})
	require.NoError(t, err)
	return s
}

// dedent takes off the tabs that every line begins with.
func dedent(code string) string {
	for {
		for line := range strings.Lines(code) {
			if line != "\n" && line[0] != '\t' {
				return code
			}
		}
		var b strings.Builder
		for line := range strings.Lines(code) {
			b.WriteString(strings.TrimPrefix(line, "\t"))
		}
		code = b.String()
	}
}

func TestPages(t *testing.T) {
	all := collect(t)
	used := make(map[string]bool)
	for _, page := range pages(t) {
		t.Run(filepath.ToSlash(strings.TrimPrefix(page, filepath.FromSlash("../"))), func(t *testing.T) {
			text, err := os.ReadFile(page)
			require.NoError(t, err)
			for _, block := range fence.FindAllStringSubmatch(string(text), -1) {
				language, content := block[1], block[2]
				used[content] = true
				switch language {
				case "go":
					if all.code[content] == "" {
						t.Errorf("not a snippet that is compiled:\n%s", content)
					}
				case "text":
					if all.output[content] == "" {
						t.Errorf("not an output that is compared:\n%s", content)
					}
				case "sh", "": // commands
				default:
					t.Errorf("a block in the language %q:\n%s", language, content)
				}
			}
			for _, call := range calls(string(text)) {
				for part := range strings.SplitSeq(call, "...") {
					if !strings.Contains(all.source[filepath.Dir(page)], part) {
						t.Errorf("a call in a table that is not compiled: %s", call)
					}
				}
			}
			for _, m := range link.FindAllStringSubmatch(fence.ReplaceAllString(string(text), ""), -1) {
				target, section, _ := strings.Cut(m[1], "#")
				if strings.Contains(target, "://") {
					continue
				}
				name := page
				if target != "" {
					name = filepath.Join(filepath.Dir(page), filepath.FromSlash(target))
				}
				_, err := os.Stat(name)
				require.NoError(t, err)
				if section != "" {
					require.Contains(t, sections(t, name), section)
				}
			}
			for _, m := range image.FindAllStringSubmatch(string(text), -1) {
				checkDrawing(t, filepath.Join(filepath.Dir(page), filepath.FromSlash(m[1])))
			}
		})
	}
	for code, where := range all.code {
		if !used[code] {
			t.Errorf("no page shows the snippet %s", where)
		}
	}
	for output, where := range all.output {
		if filepath.Ext(where) == ".txt" && !used[output] {
			t.Errorf("no page shows the output in %s", where)
		}
	}
}

// sections returns the names by which links refer to the sections of a page.
func sections(t *testing.T, page string) []string {
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	var sections []string
	for _, m := range heading.FindAllStringSubmatch(fence.ReplaceAllString(string(text), ""), -1) {
		section := punctuation.ReplaceAllString(strings.ToLower(m[1]), "")
		sections = append(sections, strings.ReplaceAll(section, " ", "-"))
	}
	return sections
}

// calls returns what stands as code in the first two columns of the tables that
// say what was before and what comes after.
func calls(page string) []string {
	var calls []string
	within := false
	for line := range strings.Lines(page) {
		cells := strings.Split(line, "|")
		within = len(cells) > 3 && (within || strings.HasPrefix(line, "| before | after |"))
		if within {
			for _, m := range code.FindAllStringSubmatch(cells[1]+cells[2], -1) {
				calls = append(calls, m[1])
			}
		}
	}
	return calls
}

// checkDrawing checks that a PNG file is one. It checks that an SVG file is one, has a title for those who cannot
// see it, and can be read on a light and on a dark page.
func checkDrawing(t *testing.T, name string) {
	text, err := os.ReadFile(name)
	require.NoError(t, err)
	if filepath.Ext(name) == ".png" {
		_, err := png.DecodeConfig(bytes.NewReader(text))
		require.NoError(t, err, name)
		return
	}
	decoder := xml.NewDecoder(strings.NewReader(string(text)))
	for {
		if _, err := decoder.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			require.NoError(t, err, name)
		}
	}
	require.Contains(t, string(text), "<title>", name)
	require.Contains(t, string(text), "prefers-color-scheme: dark", name)
}
