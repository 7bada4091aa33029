// Package config is what the operator wrote: it loads files, sets defaults and judges the whole.
// It never acts on what it read.
package config

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/BurntSushi/toml"
)

// ErrConfig means that a configuration cannot be used; its text names every field that is wrong.
var ErrConfig = errors.New("configuration")

// load decodes a file over the defaults already in into. Unknown keys are errors: a misspelt key
// would otherwise be a setting that silently does nothing.
func load(path string, into any) error {
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w %s: there is no such file", ErrConfig, path)
	}
	if err != nil {
		return fmt.Errorf("%w %s: %w", ErrConfig, path, err)
	}
	if err := parse(string(raw), into); err != nil {
		return fmt.Errorf("%w %s: %w", ErrConfig, path, err)
	}
	return nil
}

func parse(text string, into any) error {
	meta, err := toml.Decode(text, into)
	if err != nil {
		return err
	}
	var unknown []string
	for _, key := range meta.Undecoded() {
		unknown = append(unknown, key.String())
	}
	if len(unknown) > 0 {
		return fmt.Errorf("unknown keys: %s", strings.Join(unknown, ", "))
	}
	return nil
}

// problems collects everything that is wrong, so that an installer mends it in one visit.
type problems []error

func (p *problems) add(field, format string, args ...any) {
	*p = append(*p, fmt.Errorf("%s: %s", field, fmt.Sprintf(format, args...)))
}

func (p *problems) address(field, value string) {
	if _, _, err := net.SplitHostPort(value); err != nil {
		p.add(field, "%q is not host:port, for example 127.0.0.1:1883", value)
	}
}

func (p *problems) loopback(field, value string) {
	host, _, err := net.SplitHostPort(value)
	if err != nil {
		p.add(field, "%q is not host:port, for example 127.0.0.1:1883", value)
		return
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		p.add(field, "%q is not on this machine: without TLS only loopback, such as 127.0.0.1, is allowed", value)
	}
}

func (p *problems) oneOf(field, value string, allowed ...string) {
	for _, a := range allowed {
		if value == a {
			return
		}
	}
	p.add(field, "%q is not one of %s", value, strings.Join(allowed, ", "))
}

// maxSocketPath is what fits sockaddr_un on Linux, with its final zero (unix(7)).
const maxSocketPath = 107

func (p *problems) socket(field, path string) {
	if len(path) > maxSocketPath {
		p.add(field, "%s has %d bytes, a socket path has at most %d: choose a shorter folder",
			path, len(path), maxSocketPath)
	}
}

func (p *problems) join() error {
	if len(*p) == 0 {
		return nil
	}
	return fmt.Errorf("%w:\n%w", ErrConfig, errors.Join(*p...))
}

// beside resolves a path relative to the folder of the file that names it, so that a program
// finds its files wherever it is started.
func beside(file, path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(filepath.Dir(file), path)
}
