package broker

import (
	"fmt"
	"log/slog"
	"net"
	"strconv"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"hailong/collector/broker/callout"
	"hailong/collector/broker/journal"
)

// canaryUser tries the door from outside. Capital letters: no terminal can have this name.
const canaryUser = "CANARY"

// admit answers the server's question about one connection. It runs for one connection at a time, in the callback
// of a subscription: everybody who connects waits for it.
func (s *Server) admit(n *node, m *nats.Msg) {
	signed, err := n.keys.Answer(m.Data, func(q callout.Question) *callout.Rights {
		from := s.behind(n.srv, q.Connection)
		rights := s.identify(q, from)
		if rights == nil {
			s.journal.Say(slog.LevelWarn, eventRefused, "user", journal.Cut(q.User), "client", journal.Cut(q.Client),
				"from", from)
		}
		return rights
	})
	if err == nil {
		err = m.Respond(signed)
	}
	if err != nil {
		s.fault(fmt.Errorf("answer who may connect: %w", err))
	}
}

// identify returns nil for everybody who is not let in.
func (s *Server) identify(q callout.Question, from net.Addr) *callout.Rights {
	// Sessions are kept under the client id alone: one that is not bound to the name could throw out another
	// terminal. And whoever found the server's own port, behind the gate, is not let in there, secret or not.
	if q.Client != q.User || from == nil {
		return nil
	}
	if q.User == canaryUser && sameSecret(q.Secret, s.secret) {
		return &callout.Rights{}
	}
	if !validTerminal(q.User) || !s.registry.Admit(q.User, q.Secret) {
		return nil
	}
	// Literal subjects only: wildcards and exceptions have been the server's weak spot.
	r := &callout.Rights{}
	for _, kind := range upward() {
		r.Publish = append(r.Publish, subjectOf(q.User, kind))
	}
	for _, kind := range downward() {
		r.Subscribe = append(r.Subscribe, subjectOf(q.User, kind))
	}
	return r
}

// behind is where a connection of the server comes from, beyond the gate; nil if it came by another way or is gone.
func (s *Server) behind(srv *server.Server, connection uint64) net.Addr {
	list, err := srv.Connz(&server.ConnzOptions{CID: connection})
	if err != nil || len(list.Conns) != 1 {
		return nil
	}
	return s.gate.Behind(net.JoinHostPort(list.Conns[0].IP, strconv.Itoa(list.Conns[0].Port)))
}
