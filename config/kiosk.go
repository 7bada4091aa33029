package config

import (
	"golang.org/x/text/unicode/norm"

	"hailong/vote"
)

// Kiosk is a terminal's configuration.
type Kiosk struct {
	Identity string `toml:"identity"` // file made by collector terminal add
	Data     string `toml:"data"`     // folder of the outbox
	Socket   string `toml:"socket"`   // where kiosk press and kiosk status reach the agent
	Broker   struct {
		Address string `toml:"address"` // host:port
		QoS     int    `toml:"qos"`     // 0 or 1
	} `toml:"broker"`
	Counter struct {
		Name    string `toml:"name"`    // as shown to citizens
		Officer string `toml:"officer"` // empty: anonymous
	} `toml:"counter"`
	Screen struct {
		Language string `toml:"language"`
		Touch    bool   `toml:"touch"` // false: buttons only, no reasons page
	} `toml:"screen"`
	Log struct {
		Level string `toml:"level"`
	} `toml:"log"`
}

// KioskDefaults is a terminal's configuration before the file is read.
func KioskDefaults() Kiosk {
	var k Kiosk
	k.Identity, k.Data, k.Socket = "identity.toml", "data", "agent.sock"
	k.Broker.Address = "127.0.0.1:1883"
	k.Screen.Language = vote.Vietnamese
	k.Log.Level = "info"
	return k
}

// LoadKiosk reads and judges a terminal's file; paths in it are relative to it. With an error the
// configuration holds what could be read.
func LoadKiosk(path string) (Kiosk, error) {
	k := KioskDefaults()
	err := load(path, &k, func() error {
		k.Identity, k.Data, k.Socket = beside(path, k.Identity), beside(path, k.Data), beside(path, k.Socket)
		k.Counter.Name, k.Counter.Officer = norm.NFC.String(k.Counter.Name), norm.NFC.String(k.Counter.Officer)
		return k.Validate()
	})
	return k, err
}

// Validate tells everything that is wrong at once, each with its field's path.
func (k Kiosk) Validate() error {
	var p problems
	for _, f := range []struct{ field, value string }{
		{"identity", k.Identity}, {"data", k.Data}, {"socket", k.Socket},
	} {
		if f.value == "" {
			p.add(f.field, "must not be empty")
		}
	}
	p.socket("socket", k.Socket)
	// The secret would travel in clear text; certificates come with a later release.
	p.loopback("broker.address", k.Broker.Address)
	if k.Broker.QoS < 0 || k.Broker.QoS > 1 {
		p.add("broker.qos", "%d is not 0 or 1", k.Broker.QoS)
	}
	for _, f := range []struct{ field, value string }{
		{"counter.name", k.Counter.Name}, {"counter.officer", k.Counter.Officer},
	} {
		if len(f.value) > vote.MaxName {
			p.add(f.field, "%q has %d bytes, at most %d are allowed", f.value, len(f.value), vote.MaxName)
		}
	}
	p.oneOf("screen.language", k.Screen.Language, vote.Vietnamese, vote.English)
	p.oneOf("log.level", k.Log.Level, "debug", "info", "warn", "error")
	return p.join()
}
