package config

import (
	"crypto/ed25519"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hailong/vote"
)

func write(t *testing.T, name, text string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func nothing() error { return nil }

// The example files show every default: read over nothing but zeros they must equal the defaults.
func TestExamplesAreTheDefaults(t *testing.T) {
	var k Kiosk
	if err := load("examples/kiosk.toml", &k, nothing); err != nil {
		t.Fatal(err)
	}
	if k != KioskDefaults() {
		t.Errorf("examples/kiosk.toml\n got %+v\nwant %+v", k, KioskDefaults())
	}
	var c Collector
	if err := load("examples/collector.toml", &c, nothing); err != nil {
		t.Fatal(err)
	}
	if c != CollectorDefaults() {
		t.Errorf("examples/collector.toml\n got %+v\nwant %+v", c, CollectorDefaults())
	}
	if err := errors.Join(k.Validate(), c.Validate()); err != nil {
		t.Error(err)
	}
	h, err := SeedHall()
	if err != nil || len(h.Counters) != 11 {
		t.Errorf("the built-in hall has %d counters, want the seed's 11 (%v)", len(h.Counters), err)
	}
}

func TestEveryProblemAtOnce(t *testing.T) {
	_, err := LoadKiosk(write(t, "kiosk.toml", `
data = ""
colour = "teal"
socket = "`+strings.Repeat("x", 120)+`"
broker = { address = "192.168.1.1:1883", qos = 2, port = 1883 }
screen = { touch = "yes", language = "xx" }
counter = { name = "`+strings.Repeat("ậ", 40)+`" }
log = { level = "loud" }
`, 0o600))
	if !errors.Is(err, ErrConfig) {
		t.Fatalf("LoadKiosk() = %v, want ErrConfig", err)
	}
	for _, field := range []string{
		"data:", "socket:", "broker.address:", "broker.qos:", "counter.name:", "log.level:",
		"colour: unknown key", "broker.port: unknown key", "screen.touch: must be true or false", "screen.language:",
	} {
		if !strings.Contains(err.Error(), field) {
			t.Errorf("no word of %s in\n%v", field, err)
		}
	}
}

func TestMisspeltKeyIsNamed(t *testing.T) {
	_, err := LoadCollector(write(t, "c.toml", "[web]\nlistne = \"x\"\n", 0o600))
	if !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), "web.listne") {
		t.Errorf("got %v, want ErrConfig naming web.listne", err)
	}
}

func TestPlainTCPStaysOnThisMachine(t *testing.T) {
	c := CollectorDefaults()
	for address, ok := range map[string]bool{
		"127.0.0.1:1883": true, "[::1]:1883": true, "localhost:0": true, "127.9.9.9:1": true,
		"0.0.0.0:1883": false, ":1883": false, "192.168.1.5:1883": false, "hall.example:1883": false,
	} {
		c.Broker.Listen = address
		if err := c.Validate(); (err == nil) != ok {
			t.Errorf("broker.listen %q: %v, want ok=%v", address, err, ok)
		}
	}
}

func TestPathsAreRelativeToTheFile(t *testing.T) {
	path := write(t, "kiosk.toml", `socket = "/run/kiosk/agent.sock"`, 0o600)
	k, err := LoadKiosk(path)
	if err != nil {
		t.Fatal(err)
	}
	if k.Data != filepath.Join(filepath.Dir(path), "data") || k.Socket != "/run/kiosk/agent.sock" {
		t.Errorf("data %s, socket %s", k.Data, k.Socket)
	}
}

func TestIdentityComesBackAndIsKeptSecret(t *testing.T) {
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	id := Identity{
		Terminal: "quay-01", Secret: "s3cret", Key: key,
		ReceiptKey: key.Public().(ed25519.PublicKey), SealKey: [32]byte{1, 2, 3},
	}
	text, err := id.Encode()
	if err != nil {
		t.Fatal(err)
	}
	path := write(t, "identity.toml", string(text), 0o600)
	got, err := LoadIdentity(path)
	if err != nil {
		t.Fatal(err)
	}
	if got.Terminal != id.Terminal || got.Secret != id.Secret || !got.Key.Equal(id.Key) ||
		!got.ReceiptKey.Equal(id.ReceiptKey) || got.SealKey != id.SealKey {
		t.Errorf("identity changed on its way through the file")
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadIdentity(path); !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("a world-readable identity: %v, want ErrConfig that tells chmod 600", err)
	}
	if _, err := LoadIdentity(filepath.Join(t.TempDir(), "none")); !errors.Is(err, ErrNotEnrolled) {
		t.Errorf("no identity: %v, want ErrNotEnrolled", err)
	}
	spoilt := strings.Replace(string(text), "seed = \"", "seed = \"!", 1)
	_, err = LoadIdentity(write(t, "identity.toml", spoilt, 0o600))
	if !errors.Is(err, ErrConfig) || strings.Contains(err.Error(), "!") {
		t.Errorf("spoilt seed: %v, want ErrConfig without the secret in it", err)
	}
}

func TestHallRules(t *testing.T) {
	h := Hall{Counters: []Counter{
		{Terminal: "quay-01", Name: "Quầy 1", Levels: [5]float64{1}},
		{Terminal: "quay-01", Name: "", Visits: -1, Levels: [5]float64{}},
	}}
	err := h.Validate()
	for _, field := range []string{"terminal", "name", "visits", "levels"} {
		field = "counters[1]." + field
		if err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("no word of %s in %v", field, err)
		}
	}
	if strings.Contains(err.Error(), "counters[0]:") {
		t.Errorf("the good counter is blamed: %v", err)
	}
}

func FuzzFiles(f *testing.F) {
	for _, name := range []string{"kiosk", "collector", "hall"} {
		text, err := os.ReadFile("examples/" + name + ".toml")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Add("terminal = \"quay-01\"\nseed = \"\"\n")
	f.Fuzz(func(t *testing.T, text string) {
		k, c := KioskDefaults(), CollectorDefaults()
		if parse(text, &k, nothing) == nil {
			_ = k.Validate()
		}
		if parse(text, &c, nothing) == nil {
			_ = c.Validate()
		}
		var h Hall
		if parse(text, &h, nothing) == nil {
			_ = h.Validate()
		}
		var id identityFile
		if parse(text, &id, nothing) == nil {
			if got, err := id.identity(); err == nil {
				if _, err := vote.ParseTerminalID(string(got.Terminal)); err != nil {
					t.Errorf("accepted identity %q", got.Terminal)
				}
			}
		}
	})
}
