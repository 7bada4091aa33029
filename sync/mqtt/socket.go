package mqtt

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// errSilent is why paho gave up a socket that reported nothing itself.
var errSilent = errors.New("keep-alive unanswered, or an unreadable packet")

// socket stands between paho and the network for two reasons. Of paho's three writers only the one for publishes
// has a deadline, so a ping or an acknowledgement behind a full buffer would wait for ever. And paho tells of a loss
// only after all its goroutines have ended, which is late, and in old versions was never.
type socket struct {
	net.Conn
	writeFor time.Duration
	lost     func(error)

	writing sync.Mutex // one writer at a time: a deadline belongs to the write that set it
}

func (s *socket) Read(p []byte) (int, error) {
	n, err := s.Conn.Read(p)
	if err != nil {
		s.lost(err)
	}
	if errors.Is(err, net.ErrClosed) {
		// By its text paho takes this one for its own doing and stays as it is, with six goroutines for ever.
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

func (s *socket) Write(p []byte) (int, error) {
	s.writing.Lock()
	defer s.writing.Unlock()
	if err := s.Conn.SetWriteDeadline(time.Now().Add(s.writeFor)); err != nil {
		return 0, err
	}
	n, err := s.Conn.Write(p)
	if err != nil {
		// Half a packet is on its way: nothing after it could be understood.
		s.lost(err)
		s.Conn.Close()
	}
	return n, err
}

// Close is paho's: after a ping without an answer, or a packet it could not read.
func (s *socket) Close() error {
	s.lost(errSilent)
	return s.Conn.Close()
}

// SetDeadline is used by paho around the handshake; the write half is Write's own.
func (s *socket) SetDeadline(t time.Time) error { return s.Conn.SetReadDeadline(t) }

// SetWriteDeadline does nothing: paho lifts its deadline after each publish, which would also free a ping that is
// being written at that moment.
func (s *socket) SetWriteDeadline(time.Time) error { return nil }

const (
	// tcpKeepAlive finds a dead peer below MQTT, for the case that paho's own ticking stops.
	tcpKeepAlive = 15 * time.Second
	// tcpUserTimeout ends a connection whose sent data nobody acknowledges. Linux else retries for about 15 min.
	tcpUserTimeout = 30 * time.Second
)

// open connects without looking at proxy variables of the environment, which paho's own dialling would obey.
func open(ctx context.Context, address string, conf *tls.Config) (net.Conn, error) {
	dialer := net.Dialer{
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: tcpKeepAlive, Interval: tcpKeepAlive / 3, Count: 3},
		Control:         limitUnacknowledged,
	}
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil || conf == nil {
		return conn, err
	}
	secure := tls.Client(conn, conf)
	if err := secure.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, err
	}
	return secure, nil
}
