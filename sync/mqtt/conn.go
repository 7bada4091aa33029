package mqtt

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
	"github.com/eclipse/paho.mqtt.golang/packets"
)

var (
	errClosed = errors.New("connection closed")
	errSlow   = errors.New("not written in time")
)

const (
	// leaveFor is how long a clean DISCONNECT may take before the socket is closed anyway.
	leaveFor = 250 * time.Millisecond
	// pingSlack is taken off the ping timeout given to paho, which looks only at its ticks: the tick that falls on
	// the timeout comes some microseconds early, and the next one 5 s later.
	pingSlack = 100 * time.Millisecond
)

// Conn is one connection. Once lost it stays lost.
type Conn struct {
	// Fixed after Dial.
	client   paho.Client
	handle   func(Message)
	qos      byte
	writeFor time.Duration

	outgoing chan publication
	incoming chan Message
	stop     chan struct{} // closed by Close: deliver ends
	done     sync.WaitGroup
	dropped  atomic.Uint64
	leaving  atomic.Bool
	closing  sync.Once

	mu   sync.Mutex // guards what follows
	sock *socket
	err  error
	lost chan struct{} // closed when err is set
}

type publication struct {
	topic   string
	payload []byte
	result  chan error
}

// Dial connects, subscribes, and returns only when every subscription is granted. ConnectTimeout limits all of it.
func Dial(ctx context.Context, o Options) (*Conn, error) {
	o, err := o.filled()
	if err != nil {
		return nil, fmt.Errorf("connect %s: %w", o.Broker, err)
	}
	ctx, cancel := context.WithTimeout(ctx, o.ConnectTimeout)
	defer cancel()
	c := &Conn{
		handle: o.Handle, qos: o.QoS, writeFor: o.WriteTimeout,
		outgoing: make(chan publication), incoming: make(chan Message, o.Queue),
		stop: make(chan struct{}), lost: make(chan struct{}),
	}
	c.client = paho.NewClient(c.options(ctx, o))
	c.done.Go(c.deliver)
	c.done.Go(c.send)
	if err := c.connect(ctx, o.Subscribe); err != nil {
		c.Close()
		return nil, fmt.Errorf("connect %s: %w", o.Broker, err)
	}
	return c, nil
}

// options never starts from a literal: paho's zero values mean "no ping timeout" and the like.
func (c *Conn) options(ctx context.Context, o Options) *paho.ClientOptions {
	p := paho.NewClientOptions()
	p.SetClientID(o.ClientID).SetUsername(o.Username).SetPassword(o.Password)
	p.SetProtocolVersion(4).SetCleanSession(true)
	p.SetAutoReconnect(false).SetConnectRetry(false)
	// paho calls handlers in order only in this mode, in which a handler must never block nor call paho. Ours, the
	// default handler, only tries a channel. Handlers given to Subscribe would stay even if it is refused, and a
	// message would reach every one that matches.
	p.SetOrderMatters(true)
	p.SetDefaultPublishHandler(func(_ paho.Client, m paho.Message) { c.receive(m.Topic(), m.Payload()) })
	p.SetKeepAlive(o.KeepAlive).SetPingTimeout(o.PingTimeout - pingSlack)
	// Dial's context is the limit; paho's own one must not come first with a vaguer error.
	p.SetWriteTimeout(o.WriteTimeout).SetConnectTimeout(2 * o.ConnectTimeout)
	if o.Will != nil {
		p.SetBinaryWill(o.Will.Topic, o.Will.Payload, 0, false)
	}
	address, conf := o.address(), o.tls()
	// The URL is only a label, because we open the connection.
	p.Servers = []*url.URL{{Scheme: "tcp", Host: address}}
	p.SetCustomOpenConnectionFn(func(*url.URL, paho.ClientOptions) (net.Conn, error) {
		raw, err := open(ctx, address, conf)
		if err != nil {
			return nil, err
		}
		return c.attach(ctx, raw)
	})
	return p
}

// attach remembers the socket so that a cancelled Dial can close it under paho, which knows no context.
func (c *Conn) attach(ctx context.Context, raw net.Conn) (net.Conn, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := ctx.Err(); err != nil {
		raw.Close()
		return nil, err
	}
	c.sock = &socket{Conn: raw, writeFor: c.writeFor, lost: c.lose}
	return c.sock, nil
}

func (c *Conn) connect(ctx context.Context, filters []string) error {
	giveUp := context.AfterFunc(ctx, c.cut)
	defer giveUp()
	connecting := c.client.Connect()
	<-connecting.Done() // ends early when ctx does: the socket is closed
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := connecting.Error(); err != nil {
		code := connecting.(*paho.ConnectToken).ReturnCode()
		if code == packets.ErrRefusedBadUsernameOrPassword || code == packets.ErrRefusedNotAuthorised {
			return ErrNotAuthorized
		}
		return err
	}
	return c.subscribe(ctx, filters)
}

func (c *Conn) subscribe(ctx context.Context, filters []string) error {
	if len(filters) == 0 {
		return nil
	}
	wanted := make(map[string]byte, len(filters))
	for _, f := range filters {
		wanted[f] = 0
	}
	asking := c.client.SubscribeMultiple(wanted, nil)
	select {
	case <-asking.Done():
	case <-ctx.Done():
		return fmt.Errorf("subscribe: %w", ctx.Err())
	case <-c.lost:
		return fmt.Errorf("subscribe: %w", c.Err())
	}
	if err := asking.Error(); err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	granted := asking.(*paho.SubscribeToken).Result()
	for _, f := range filters {
		if qos, answered := granted[f]; !answered || qos > 2 {
			return fmt.Errorf("subscribe %s: %w", f, ErrRefused)
		}
	}
	return nil
}

// Publish returns when the message is written to the socket (QoS 1: when the broker answered), when ctx ends, when
// the link is lost, or after WriteTimeout. Nil says nothing about anybody having received it. The payload must not
// be changed afterwards: after an early return paho may still be writing it.
func (c *Conn) Publish(ctx context.Context, topic string, payload []byte) error {
	if topic == "" || strings.ContainsAny(topic, "+#\x00") {
		return fmt.Errorf("publish %q: not a topic", topic)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, c.writeFor, errSlow)
	defer cancel()
	p := publication{topic: topic, payload: payload, result: make(chan error, 1)}
	var err error
	select {
	case c.outgoing <- p:
		select {
		case err = <-p.result:
		case <-ctx.Done():
			err = context.Cause(ctx)
		}
	case <-ctx.Done():
		err = context.Cause(ctx)
	case <-c.lost:
		err = c.Err()
	}
	if err != nil {
		return fmt.Errorf("publish %s: %w", topic, err)
	}
	return nil
}

// send hands publications to paho one at a time. It is a goroutine because paho's Publish itself may block, and
// knows no context.
func (c *Conn) send() {
	for {
		select {
		case p := <-c.outgoing:
			p.result <- c.write(p)
		case <-c.lost:
			return
		}
	}
}

func (c *Conn) write(p publication) error {
	sending := c.client.Publish(p.topic, c.qos, false, p.payload)
	late := time.NewTimer(c.writeFor)
	defer late.Stop()
	select {
	case <-sending.Done():
		return sending.Error()
	case <-c.lost:
		return c.Err()
	case <-late.C:
		return errSlow
	}
}

// receive runs in paho's goroutine and therefore never waits.
func (c *Conn) receive(topic string, payload []byte) {
	select {
	case c.incoming <- Message{Topic: topic, Payload: payload}:
	default:
		c.dropped.Add(1)
	}
}

// deliver goes on after a loss: what has arrived is handed over, until Close.
func (c *Conn) deliver() {
	for {
		select {
		case m := <-c.incoming:
			if c.handle != nil {
				c.handle(m)
			}
		case <-c.stop:
			return
		}
	}
}

// lose keeps the first reason; what follows a loss is only its noise.
func (c *Conn) lose(why error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return
	}
	if c.leaving.Load() {
		why = errClosed
	}
	c.err = why
	close(c.lost)
}

// cut closes the socket under paho.
func (c *Conn) cut() {
	c.mu.Lock()
	sock := c.sock
	c.mu.Unlock()
	if sock != nil {
		sock.Close()
	}
}

// Lost is closed when the link is gone, also by Close.
func (c *Conn) Lost() <-chan struct{} { return c.lost }

// Err says why the link is gone; it is nil while the link is up.
func (c *Conn) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Dropped counts messages that came faster than Handle took them.
func (c *Conn) Dropped() uint64 { return c.dropped.Load() }

// Close says goodbye to the broker if it is still there, so that it does not publish the will, and waits until
// Handle has returned for the last time. It may be called more than once; the error is always nil so far.
func (c *Conn) Close() error {
	c.closing.Do(func() {
		c.leaving.Store(true)
		if c.Err() == nil {
			c.client.Disconnect(uint(leaveFor.Milliseconds()))
		}
		c.cut()
		c.lose(errClosed)
		close(c.stop)
		c.done.Wait()
	})
	return nil
}
