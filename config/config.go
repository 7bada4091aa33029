// Package config is what the operator wrote: it loads files, sets defaults and judges the whole.
// It never acts on what it read.
package config

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
)

// ErrConfig means that a configuration cannot be used; its text names every field that is wrong.
var ErrConfig = errors.New("configuration")

// load decodes a file over the defaults already in into and has it judged: whatever can be told is
// told at once, so that an installer mends it in one visit.
func load(path string, into any, judge func() error) error {
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w %s: there is no such file", ErrConfig, path)
	}
	if err != nil {
		return fmt.Errorf("%w %s: %w", ErrConfig, path, err)
	}
	if err := parse(string(raw), into, judge); err != nil {
		return fmt.Errorf("%w %s:\n%w", ErrConfig, path, err)
	}
	return nil
}

// parse decodes a text. Unknown keys are errors: a misspelt key would otherwise be a setting that
// silently does nothing. What has the wrong type is told and left at its default.
func parse(text string, into any, judge func() error) error {
	var table map[string]any
	if _, err := toml.Decode(text, &table); err != nil {
		return err // no TOML at all: nothing more can be said
	}
	var p problems
	p.shape("", table, reflect.TypeOf(into).Elem())
	var rest strings.Builder
	if err := toml.NewEncoder(&rest).Encode(table); err != nil {
		return err
	}
	if _, err := toml.Decode(rest.String(), into); err != nil {
		return errors.Join(append(p, err)...)
	}
	if err := judge(); err != nil {
		p = append(p, err)
	}
	return errors.Join(p...)
}

// shape takes out of a table what the type has no field for, or a field of another kind.
func (p *problems) shape(path string, table map[string]any, t reflect.Type) {
	for _, key := range slices.Sorted(maps.Keys(table)) {
		field, known := fieldOf(t, key)
		switch value := table[key]; {
		case !known:
			p.add(path+key, "unknown key")
			delete(table, key)
		case field.Kind() == reflect.Struct && reflect.TypeOf(value).Kind() == reflect.Map:
			p.shape(path+key+".", value.(map[string]any), field)
		case !fits(value, field):
			p.add(path+key, "must be %s", kinds(field)) // without the value, which may be a secret
			delete(table, key)
		}
	}
}

func fieldOf(t reflect.Type, key string) (reflect.Type, bool) {
	for i := range t.NumField() {
		if t.Field(i).Tag.Get("toml") == key {
			return t.Field(i).Type, true
		}
	}
	return nil, false
}

// fits tells whether a decoded value can become a field. Lists are left to the decoder.
func fits(value any, field reflect.Type) bool {
	switch v := value.(type) {
	case string:
		return field.Kind() == reflect.String
	case bool:
		return field.Kind() == reflect.Bool
	case int64:
		return field.Kind() == reflect.Int || field.Kind() == reflect.Float64 ||
			field.Kind() == reflect.Uint64 && v >= 0
	case float64:
		return field.Kind() == reflect.Float64
	}
	kind := reflect.TypeOf(value).Kind()
	return kind == field.Kind() || kind == reflect.Slice && field.Kind() == reflect.Array
}

func kinds(field reflect.Type) string {
	switch field.Kind() {
	case reflect.String:
		return `a text in "quotes"`
	case reflect.Bool:
		return "true or false"
	case reflect.Struct:
		return "a table of its own"
	case reflect.Slice, reflect.Array:
		return "a list"
	case reflect.Uint64:
		return "a whole number from 0"
	case reflect.Int:
		return "a whole number"
	}
	return "a number"
}

// problems collects everything that is wrong.
type problems []error

func (p *problems) add(field, format string, args ...any) {
	*p = append(*p, fmt.Errorf("%s: %s", field, fmt.Sprintf(format, args...)))
}

func (p *problems) loopback(field, value string) {
	host, _, err := net.SplitHostPort(value)
	if err != nil {
		p.add(field, "%q is not host:port, for example 127.0.0.1:1883 (MQTT) or 127.0.0.1:8080 (web)", value)
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
	return &wrong{*p}
}

// wrong is a configuration's problems, one a line.
type wrong struct{ problems }

// Error lists the problems.
func (w *wrong) Error() string { return errors.Join(w.problems...).Error() }

// Is makes it an ErrConfig.
func (w *wrong) Is(target error) bool { return target == ErrConfig }

// beside resolves a path relative to the folder of the file that names it, so that a program
// finds its files wherever it is started.
func beside(file, path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(filepath.Dir(file), path)
}
