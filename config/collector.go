package config

import "golang.org/x/text/unicode/norm"

// Collector is the centre's configuration.
type Collector struct {
	Web struct {
		Listen string `toml:"listen"`
		Title  string `toml:"title"` // the hall's name on the live page
		// Transactions of a usual day, for the response rate; 0 where nobody knows.
		Transactions uint64 `toml:"transactions"`
	} `toml:"web"`
	Broker struct {
		Mode     string `toml:"mode"`     // embedded or mqtt
		Listen   string `toml:"listen"`   // of the embedded broker
		Address  string `toml:"address"`  // of a foreign broker
		Username string `toml:"username"` // at a foreign broker
		Password string `toml:"password_file"`
		QoS      int    `toml:"qos"`
	} `toml:"broker"`
	Log struct {
		Level string `toml:"level"`
	} `toml:"log"`
}

// Modes of the broker.
const (
	EmbeddedBroker = "embedded"
	ForeignBroker  = "mqtt"
)

// CollectorDefaults is the centre's configuration before a file is read; it runs as it is.
func CollectorDefaults() Collector {
	var c Collector
	c.Web.Listen, c.Web.Title = "127.0.0.1:8080", "Bộ phận Một cửa"
	c.Broker.Mode, c.Broker.Listen = EmbeddedBroker, "127.0.0.1:1883"
	c.Log.Level = "info"
	return c
}

// LoadCollector reads and judges the centre's file; paths in it are relative to it.
func LoadCollector(path string) (Collector, error) {
	c := CollectorDefaults()
	err := load(path, &c, func() error {
		c.Broker.Password = beside(path, c.Broker.Password)
		c.Web.Title = norm.NFC.String(c.Web.Title)
		return c.Validate()
	})
	return c, err
}

// Validate tells everything that is wrong at once, each with its field's path.
func (c Collector) Validate() error {
	var p problems
	p.loopback("web.listen", c.Web.Listen)
	p.oneOf("broker.mode", c.Broker.Mode, EmbeddedBroker, ForeignBroker)
	if c.Broker.Mode == EmbeddedBroker {
		p.loopback("broker.listen", c.Broker.Listen)
	}
	if c.Broker.Mode == ForeignBroker {
		p.loopback("broker.address", c.Broker.Address)
	}
	if c.Broker.QoS < 0 || c.Broker.QoS > 1 {
		p.add("broker.qos", "%d is not 0 or 1", c.Broker.QoS)
	}
	if c.Broker.Username != "" && c.Broker.Password == "" {
		p.add("broker.password_file", "must name a file that holds the password of %s", c.Broker.Username)
	}
	if c.Web.Title == "" {
		p.add("web.title", "must not be empty: it is the hall's name")
	}
	p.oneOf("log.level", c.Log.Level, "debug", "info", "warn", "error")
	return p.join()
}
