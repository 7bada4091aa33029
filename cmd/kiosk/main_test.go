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

func TestExitCodesAndWhatIsSaid(t *testing.T) {
	dir := t.TempDir()
	wrong, lonely := filepath.Join(dir, "wrong.toml"), filepath.Join(dir, "lonely.toml")
	for path, text := range map[string]string{
		wrong:  "data = \"\"\n[broker]\naddress = \"nowhere\"\nqos = 7\n",
		lonely: "identity = \"none.toml\"\n",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name string
		args []string
		code int
		says []string
	}{
		{"every problem at once", []string{"check", "--config", wrong}, program.Usage,
			[]string{"data:", "broker.address:", "broker.qos:", "not enrolled"}},
		{"no such file", []string{"check", "--config", filepath.Join(dir, "x")}, program.Usage,
			[]string{"no such file"}},
		{"no identity", []string{"run", "--config", lonely}, program.NotEnrolled, []string{"collector terminal add"}},
		{"no agent", []string{"press", "5", "--id", "thu-1", "--socket", filepath.Join(dir, "no.sock")},
			program.NotRecorded, []string{"not recorded", "--id thu-1"}},
		{"no such level", []string{"press", "9"}, program.Usage, []string{"level 9"}},
		{"no such flag", []string{"press", "5", "--loud"}, program.Usage, []string{"--loud", "--help"}},
		{"help teaches", []string{"press", "--help"}, 0, []string{"kiosk press 1 --reason cho-lau", "Exit code 4"}},
		{"status without an agent", []string{"status", "--socket", filepath.Join(dir, "no.sock")}, program.Failed,
			[]string{"is the agent running"}},
	} {
		stdout, stderr, code := programtest.Run(t, c.args...)
		if code != c.code {
			t.Errorf("%s: exit code %d, want %d\n%s", c.name, code, c.code, stderr)
		}
		for _, s := range c.says {
			if !strings.Contains(stdout+stderr, s) {
				t.Errorf("%s: no word of %q in\n%s%s", c.name, s, stdout, stderr)
			}
		}
	}
}
