package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"
)

// options are the settings from the command line.
type options struct {
	dirs     []string
	workers  int    // processes
	connect  string // the URL of a server, or empty
	min      int64  // bytes
	timeout  time.Duration
	progress when
}

// parse parses the command line. It prints an error and the usage to stderr.
func parse(args []string, stderr io.Writer) (options, error) {
	opts := options{progress: "auto"}
	flags := flag.NewFlagSet("fleet", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		fmt.Fprintln(stderr, "usage: fleet [flags] DIR...\n       fleet -connect URL [flags]")
		flags.PrintDefaults()
	}
	flags.IntVar(&opts.workers, "workers", 4, "start `n` worker processes")
	flags.StringVar(&opts.connect, "connect", "", "use the NATS server at this `URL`; without a DIR, work for others")
	flags.Int64Var(&opts.min, "min", 1, "leave out files smaller than this many `bytes`")
	flags.DurationVar(&opts.timeout, "timeout", 0, "stop after this `duration`; 0 is never")
	flags.Var(&opts.progress, "progress", "draw a progress line: always, never, or auto, which is on a terminal")
	if err := flags.Parse(args); err != nil {
		return opts, err
	}
	opts.dirs = flags.Args()
	var err error
	switch {
	case opts.workers < 0 || opts.workers == 0 && opts.connect == "":
		err = fmt.Errorf("-workers must be at least 1, got %d", opts.workers)
	case opts.min < 0:
		err = fmt.Errorf("-min must be at least 0, got %d", opts.min)
	case opts.timeout < 0:
		err = fmt.Errorf("-timeout must be at least 0, got %v", opts.timeout)
	case len(opts.dirs) == 0 && opts.connect == "":
		err = errors.New("no directory given")
	}
	if err != nil {
		fmt.Fprintln(stderr, err)
		flags.Usage()
	}
	return opts, err
}

// when is the type of the flag -progress.
type when string

func (w *when) String() string { return string(*w) }

func (w *when) Set(value string) error {
	switch value {
	case "auto", "always", "never":
		*w = when(value)
		return nil
	}
	return errors.New("must be auto, always or never")
}

// wanted reports whether a progress line should be drawn on out.
func (w when) wanted(out io.Writer) bool {
	if w != "auto" {
		return w == "always"
	}
	file, ok := out.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
