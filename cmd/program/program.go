// Package program is what all programs of the house share: signals, help and exit codes. It never
// knows what a program is for.
package program

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
)

// Exit codes, the same for every program.
const (
	Failed      = 1
	Usage       = 2 // configuration or command line
	NotEnrolled = 3
	NotRecorded = 4
	Differs     = 5 // verify or a comparison found differences
)

// Error carries an exit code.
type Error struct {
	Code int
	Err  error
}

// Error is the text of what went wrong.
func (e *Error) Error() string { return e.Err.Error() }

// Unwrap gives what went wrong.
func (e *Error) Unwrap() error { return e.Err }

// Exit gives err an exit code; nil stays nil.
func Exit(code int, err error) error {
	if err == nil {
		return nil
	}
	return &Error{code, err}
}

// Main parses the command line into cli, runs the chosen command with a context that ends on
// Ctrl-C or SIGTERM, and returns the exit code. A second signal ends the process at once.
func Main(name, about, version string, cli any, classify func(error) int) int {
	parser, err := kong.New(cli, kong.Name(name), kong.Description(about), kong.UsageOnError(),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}), kong.Vars{"version": version})
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		return Failed
	}
	parsed, err := parser.Parse(os.Args[1:])
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\nTry: %s --help\n", name, err, name)
		return Usage
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	parsed.BindTo(ctx, (*context.Context)(nil))
	if err := parsed.Run(); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		if e := (*Error)(nil); errors.As(err, &e) {
			return e.Code
		}
		return classify(err)
	}
	return 0
}

// Logger logs to standard error from a level on: debug, info, warn or error.
func Logger(level string) *slog.Logger {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		l = slog.LevelInfo
	}
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: l}))
}
