package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hailong/cmd/program"
	"hailong/cmd/program/programtest"
)

func TestMain(m *testing.M) { os.Exit(programtest.Main(m, main)) }

func TestANewCentreStepByStep(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "centre")
	id, token := filepath.Join(t.TempDir(), "identity.toml"), filepath.Join(t.TempDir(), "token")
	for _, c := range []struct {
		name string
		args []string
		code int
		says string
	}{
		{"serve before init", []string{"serve"}, program.Usage, "collector init"},
		{"verify before init", []string{"verify"}, program.Usage, "collector init"},
		{"init", []string{"init"}, 0, "new store"},
		{"init again", []string{"init"}, program.Usage, "collector.db"},
		{"a terminal", []string{"terminal", "add", "quay-01", "--counter", "Quầy 1", "-o", id}, 0, "registered"},
		{"its file is there", []string{"terminal", "add", "quay-02", "-o", id}, program.Usage, "there already"},
		{"its name is taken", []string{"terminal", "add", "quay-01", "-o", id + "2"}, program.Usage, "quay-01"},
		{"a bad name", []string{"terminal", "add", "Quầy", "-o", id + "3"}, program.Usage, "quay-01"},
		{"a token", []string{"token", "add", "thong-ke", "--scope", "scores", "-o", token}, 0, "thong-ke"},
		{"a bad scope", []string{"token", "add", "x", "--scope", "all", "-o", token + "2"}, program.Usage, "scores"},
		{"a link", []string{"link", "--url", "http://127.0.0.1:9/"}, 0, "http://127.0.0.1:9/in/"},
		{"verify", []string{"verify"}, 0, "0 differences"},
	} {
		stdout, stderr, code := programtest.Run(t, append(c.args, "--data", dir)...)
		if code != c.code || !strings.Contains(stdout+stderr, c.says) {
			t.Errorf("%s: exit code %d, want %d and a word of %q\n%s%s", c.name, code, c.code, c.says, stdout, stderr)
		}
	}
	for _, path := range []string{id, token, filepath.Join(dir, "receipt.key"), filepath.Join(dir, "seal.key")} {
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v; want a file that only its owner reads", path, info.Mode(), err)
		}
	}
}
