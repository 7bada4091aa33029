package broker

import (
	"errors"
	"fmt"
	"log/slog"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"hailong/collector/broker/journal"
)

const (
	// calloutSubject is where the NATS server asks who may connect.
	calloutSubject = "$SYS.REQ.USER.AUTH"
	// account is the one the collector and all terminals are in: the server's default one, which has JetStream
	// without further words.
	account = "$G"
	// canaryUser tries the door from outside. Capital letters: no terminal can have this name.
	canaryUser = "CANARY"
)

// keys are made anew for each life of the server and never leave the process.
type keys struct {
	issuer, collector         nkeys.KeyPair // who signs admissions; our own connection inside the process
	issuerName, collectorName string
}

func newKeys() (keys, error) {
	issuer, err1 := nkeys.CreateAccount()
	collector, err2 := nkeys.CreateUser()
	if err := errors.Join(err1, err2); err != nil {
		return keys{}, fmt.Errorf("make the broker's keys: %w", err)
	}
	issuerName, err1 := issuer.PublicKey()
	collectorName, err2 := collector.PublicKey()
	return keys{issuer, collector, issuerName, collectorName}, errors.Join(err1, err2)
}

// admit answers the server's question about one connection. It runs for one connection at a time, in the callback
// of a subscription: everybody who connects waits for it.
func (s *Server) admit(issuer nkeys.KeyPair, m *nats.Msg) {
	question, err := jwt.DecodeAuthorizationRequestClaims(string(m.Data))
	if err != nil {
		s.fault(fmt.Errorf("read the server's question: %w", err))
		return
	}
	answer := jwt.NewAuthorizationResponseClaims(question.UserNkey)
	answer.Audience = question.Server.ID
	if user := s.identify(question); user == nil {
		answer.Error = "not admitted"
		s.journal.Say(slog.LevelWarn, eventRefused, "user", journal.Cut(question.ConnectOptions.Username),
			"client", journal.Cut(question.ClientInformation.MQTT), "from", question.ClientInformation.Host)
	} else if answer.Jwt, err = user.Encode(issuer); err != nil {
		s.fault(fmt.Errorf("sign an admission: %w", err))
		return
	}
	signed, err := answer.Encode(issuer)
	if err == nil {
		err = m.Respond([]byte(signed))
	}
	if err != nil {
		s.fault(fmt.Errorf("answer the server's question: %w", err))
	}
}

// identify returns nil for everybody who is not let in.
func (s *Server) identify(q *jwt.AuthorizationRequestClaims) *jwt.UserClaims {
	id, secret := q.ConnectOptions.Username, q.ConnectOptions.Password
	// Sessions are kept under the client id alone: one that is not bound to the name could throw out another
	// terminal.
	if q.ClientInformation.MQTT != id {
		return nil
	}
	user := jwt.NewUserClaims(q.UserNkey)
	user.Audience = account
	user.Name = id
	user.AllowedConnectionTypes.Add(jwt.ConnectionTypeMqtt)
	if id == canaryUser && sameSecret(secret, s.secret) {
		user.Pub.Deny.Add(">") // an empty list would allow everything
		user.Sub.Deny.Add(">")
		return user
	}
	if !validTerminal(id) {
		return nil
	}
	if !s.registry.Admit(id, secret) {
		return nil
	}
	// Lists of literal subjects only: wildcards and exceptions have been the server's weak spot.
	for _, kind := range upward() {
		user.Pub.Allow.Add(subjectOf(id, kind))
	}
	for _, kind := range downward() {
		user.Sub.Allow.Add(subjectOf(id, kind))
	}
	return user
}
