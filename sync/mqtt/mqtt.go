// Package mqtt is one connection to one MQTT 3.1.1 broker, from dialling to loss. It never reconnects by itself,
// never keeps a message for later, and never takes a PUBACK for a receipt.
//
// The caller dials anew, with its own pause, when Lost closes: paho's deadlocks all live in its reconnecting, which
// is switched off here, and a fresh client has no memory that could be wrong.
package mqtt

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"
)

// Waiting times used where Options leaves zero. Together they notice a half-open link within 30 s: a ping is due at
// the latest KeepAlive plus one of paho's 5 s ticks after the last packet (17 s) and gets PingTimeout or WriteTimeout
// (10 s) to be answered or written.
const (
	// DefaultKeepAlive is well under the idle time after which mobile networks forget a connection. 15 s left no
	// room: 29.8 to 30.0 s were measured on a busy machine until a new connection.
	DefaultKeepAlive = 12 * time.Second
	// DefaultPingTimeout leaves a bad mobile link two retransmissions before it is given up.
	DefaultPingTimeout = 10 * time.Second
	// DefaultWriteTimeout lets 64 KB through a link of 64 kbit/s. Zero would mean "for ever", and a ping stuck
	// behind a stuck publish would never be missed.
	DefaultWriteTimeout = 10 * time.Second
	// DefaultConnectTimeout covers name, TCP, TLS, CONNACK and SUBACK together, on a slow board and a slow link.
	DefaultConnectTimeout = 20 * time.Second
)

// DefaultQueue is how many received messages wait for Handle before the next one is dropped. A terminal is sent one
// receipt at a time; only a centre needs more.
const DefaultQueue = 256

// ErrNotAuthorized means that the broker says no to us (CONNACK 4 or 5). It says the same when its registry does not
// answer, for example while the centre starts: go on trying, at a slower pace.
var ErrNotAuthorized = errors.New("not authorized by the broker")

// ErrRefused means that the broker refused a subscription (SUBACK 0x80).
var ErrRefused = errors.New("subscription refused by the broker")

// Message is one MQTT message.
type Message struct {
	Topic   string
	Payload []byte
}

// Options says where to connect, as whom, and what to listen to.
type Options struct {
	// Broker is "host:port", or "tls://host:port".
	Broker string
	// ClientID, Username and Password are sent in CONNECT.
	ClientID, Username, Password string
	// TLS asks for TLS whatever Broker says. Nil with "host:port" is plain TCP; nil with "tls://" trusts the
	// system's authorities.
	TLS *tls.Config
	// Subscribe lists topic filters, subscribed at QoS 0 and granted before Dial returns.
	Subscribe []string
	// Will is published by the broker when the link is lost, at QoS 0, not retained.
	Will *Message
	// QoS of Publish: 0, or 1 for brokers that want it. A PUBACK still proves nothing.
	QoS byte
	// KeepAlive must be whole seconds, because paho cuts the rest off and takes 0 for "never".
	KeepAlive, PingTimeout, WriteTimeout, ConnectTimeout time.Duration
	// Queue is how many messages may wait for Handle; zero means DefaultQueue.
	Queue int
	// Handle is called for every message in order of arrival, by one goroutine. It must not call Close.
	Handle func(Message)
}

// Validate names everything that would keep Dial from trying.
func (o Options) Validate() error {
	_, err := o.filled()
	return err
}

// filled returns the options with defaults for zeros, or every reason why they cannot be used.
func (o Options) filled() (Options, error) {
	orDefault(&o.KeepAlive, DefaultKeepAlive)
	orDefault(&o.PingTimeout, DefaultPingTimeout)
	orDefault(&o.WriteTimeout, DefaultWriteTimeout)
	orDefault(&o.ConnectTimeout, DefaultConnectTimeout)
	if o.Queue == 0 {
		o.Queue = DefaultQueue
	}
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if _, _, err := net.SplitHostPort(o.address()); err != nil {
		bad("broker %q: want host:port or tls://host:port", o.Broker)
	}
	if o.ClientID == "" {
		bad("client id is empty")
	}
	if o.QoS > 1 {
		bad("qos %d: want 0 or 1", o.QoS)
	}
	if o.KeepAlive < time.Second || o.KeepAlive%time.Second != 0 {
		bad("keep-alive %v: want whole seconds, at least one", o.KeepAlive)
	}
	if o.PingTimeout < time.Second {
		bad("ping timeout %v: want at least 1s", o.PingTimeout)
	}
	if o.WriteTimeout < 0 || o.ConnectTimeout < 0 || o.Queue < 0 {
		bad("write timeout %v, connect timeout %v, queue %d: none may be negative",
			o.WriteTimeout, o.ConnectTimeout, o.Queue)
	}
	if len(o.Subscribe) > 0 && o.Handle == nil {
		bad("subscriptions need somebody to handle their messages")
	}
	return o, errors.Join(errs...)
}

func orDefault(d *time.Duration, value time.Duration) {
	if *d == 0 {
		*d = value
	}
}

const tlsPrefix = "tls://"

func (o Options) address() string { return strings.TrimPrefix(o.Broker, tlsPrefix) }

// tls is nil for plain TCP. It is asked for in two ways, and either is enough: a forgotten half must not mean clear
// text.
func (o Options) tls() *tls.Config {
	if o.TLS == nil && !strings.HasPrefix(o.Broker, tlsPrefix) {
		return nil
	}
	host, _, _ := net.SplitHostPort(o.address())
	conf := &tls.Config{MinVersion: tls.VersionTLS12}
	if o.TLS != nil {
		conf = o.TLS.Clone()
	}
	if conf.ServerName == "" {
		conf.ServerName = host
	}
	return conf
}
