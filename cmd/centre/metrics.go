package centre

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"hailong/sync/wire"
)

// metrics are the centre's figures for a monitoring system. None is labelled by terminal: a
// country has 120,000.
func (c *centre) metrics() prometheus.Gatherer {
	reg := prometheus.NewRegistry()
	count := func(name, help string, value func() uint64, labels prometheus.Labels) {
		reg.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
			Namespace: "hailong", Name: name, Help: help, ConstLabels: labels,
		}, func() float64 { return float64(value()) }))
	}
	in := c.ingest.Counters
	count("messages_total", "Messages from terminals.", func() uint64 { return in().Received }, nil)
	count("messages_dropped_total", "Messages not even answered: all lines were full.",
		func() uint64 { return in().Dropped }, nil)
	count("messages_ignored_total", "Messages on other topics.", func() uint64 { return in().Ignored }, nil)
	count("records_filed_total", "New records on disk.", func() uint64 { return in().Filed }, nil)
	count("records_quarantined_total", "Records filed but not readable.",
		func() uint64 { return in().Quarantined }, nil)
	for _, code := range []wire.Code{wire.Gap, wire.Busy, wire.BadVersion, wire.Unknown, wire.Fork} {
		count("receipts_refusing_total", "Receipts other than ok, by code.",
			func() uint64 { return in().Refused[code] }, prometheus.Labels{"code": string(code)})
	}
	count("broker_restarts_total", "Restarts of the embedded broker by its watchdog.",
		func() uint64 { return c.door.Counts().Restarts }, nil)
	count("broker_violations_total", "Forbidden publishes and subscriptions.", func() (n uint64) {
		for _, v := range c.door.Counts().Violations {
			n += v
		}
		return n
	}, nil)
	reg.MustRegister(collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return reg
}
