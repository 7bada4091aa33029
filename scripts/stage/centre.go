package stage

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Programs is the folder of the house's programs.
type Programs string

// Make builds packages of this tree into the folder.
func (dir Programs) Make(ctx context.Context, packages ...string) error {
	for _, pkg := range packages {
		if err := Command(ctx, "go", "build", "-o", dir.Path(filepath.Base(pkg)), pkg); err != nil {
			return err
		}
	}
	return nil
}

// Path is where a program lies.
func (dir Programs) Path(name string) string { return filepath.Join(string(dir), name) }

// Centre is a collector, with its data folder.
type Centre struct {
	*Process
	Data   string
	Broker string // where terminals connect
	Web    string
	tools  Programs
}

// NewCentre makes a demo store, where test presses count, and a collector that is not started yet. Its
// log and configuration lie in dir. Without a foreign broker it has the embedded one.
func NewCentre(ctx context.Context, tools Programs, dir, data, foreign string) (*Centre, error) {
	if err := Command(ctx, tools.Path("collector"), "init", "--demo", "--data", data); err != nil {
		return nil, err
	}
	web, err := FreePort()
	if err != nil {
		return nil, err
	}
	mode, broker := "mode = \"mqtt\"\naddress = ", foreign
	if foreign == "" {
		if broker, err = FreePort(); err != nil {
			return nil, err
		}
		mode = "mode = \"embedded\"\nlisten = "
	}
	file := filepath.Join(dir, "collector.toml")
	text := fmt.Sprintf("[web]\nlisten = %q\n[broker]\n%s%q\n[log]\nlevel = \"warn\"\n", web, mode, broker)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return nil, err
	}
	serve := New(tools.Path("collector"), filepath.Join(dir, "collector.log"),
		"serve", "--data", data, "--config", file)
	return &Centre{serve, data, broker, web, tools}, nil
}

// Register makes a terminal's identity and its configuration in home, and returns a kiosk that is not
// started yet, and the socket it will listen on.
func (c *Centre) Register(ctx context.Context, home, id, broker, data string) (*Process, string, error) {
	if err := os.MkdirAll(home, 0o700); err != nil {
		return nil, "", err
	}
	if err := Command(ctx, c.tools.Path("collector"), "terminal", "add", id, "--data", c.Data,
		"-o", filepath.Join(home, "identity.toml")); err != nil {
		return nil, "", err
	}
	file := filepath.Join(home, "kiosk.toml")
	text := fmt.Sprintf("data = %q\n[broker]\naddress = %q\n[log]\nlevel = \"warn\"\n", data, broker)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return nil, "", err
	}
	kiosk := New(c.tools.Path("kiosk"), filepath.Join(home, "kiosk.log"), "run", "--config", file)
	return kiosk, filepath.Join(home, "agent.sock"), nil
}

// Verify ends the collector and has its store verified. It returns what verify says.
func (c *Centre) Verify(ctx context.Context) (string, error) {
	if err := c.End(); err != nil {
		return "", err
	}
	out, err := exec.CommandContext(ctx, c.tools.Path("collector"), "verify", "--data", c.Data).Output()
	return string(out), err
}
