// Package callout speaks NATS' auth callout for MQTT clients: the server asks about everybody who connects, and gets a
// signed answer. Who may come in, and what he may do, is its caller's to decide.
package callout

import (
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"
)

const (
	// Subject is where the server asks.
	Subject = server.AuthCalloutSubject
	// Within is how long the server waits for an answer.
	Within = 2 * time.Second
	// account is the one everybody is in: the server's default one, which has JetStream without further words.
	account = "$G"
)

// Keys are made anew for each life of a server and never leave the process.
type Keys struct {
	issuer, insider         nkeys.KeyPair // who signs answers; our own connection inside the process
	issuerName, insiderName string
}

// New makes keys.
func New() (*Keys, error) {
	issuer, err1 := nkeys.CreateAccount()
	insider, err2 := nkeys.CreateUser()
	if err := errors.Join(err1, err2); err != nil {
		return nil, fmt.Errorf("make the broker's keys: %w", err)
	}
	issuerName, err1 := issuer.PublicKey()
	insiderName, err2 := insider.PublicKey()
	return &Keys{issuer, insider, issuerName, insiderName}, errors.Join(err1, err2)
}

// Configure makes a server ask about everybody but the insider, who can only come from inside the process.
func (k *Keys) Configure(o *server.Options) {
	o.AuthTimeout = Within.Seconds()
	o.Nkeys = []*server.NkeyUser{{Nkey: k.insiderName,
		AllowedConnectionTypes: map[string]struct{}{jwt.ConnectionTypeInProcess: {}}}}
	o.AuthCallout = &server.AuthCallout{Issuer: k.issuerName, Account: account, AuthUsers: []string{k.insiderName}}
}

// Insider lets our own connection in.
func (k *Keys) Insider() nats.Option { return nats.Nkey(k.insiderName, k.insider.Sign) }

// Question is what the server tells of somebody who connects.
type Question struct {
	Connection   uint64 // its number at this server
	Client       string // the MQTT client id
	User, Secret string
}

// Rights are lists of literal subjects. An empty list gives no right at all.
type Rights struct{ Publish, Subscribe []string }

// Answer asks decide, which returns nil for whoever is not let in, and signs what it says.
func (k *Keys) Answer(question []byte, decide func(Question) *Rights) ([]byte, error) {
	q, err := jwt.DecodeAuthorizationRequestClaims(string(question))
	if err != nil {
		return nil, fmt.Errorf("read the server's question: %w", err)
	}
	answer := jwt.NewAuthorizationResponseClaims(q.UserNkey)
	answer.Audience = q.Server.ID
	rights := decide(Question{q.ClientInformation.ID, q.ClientInformation.MQTT,
		q.ConnectOptions.Username, q.ConnectOptions.Password})
	if rights == nil {
		answer.Error = "not admitted"
	} else if answer.Jwt, err = k.user(q, rights).Encode(k.issuer); err != nil {
		return nil, fmt.Errorf("sign an admission: %w", err)
	}
	signed, err := answer.Encode(k.issuer)
	if err != nil {
		return nil, fmt.Errorf("sign an answer: %w", err)
	}
	return []byte(signed), nil
}

func (k *Keys) user(q *jwt.AuthorizationRequestClaims, r *Rights) *jwt.UserClaims {
	u := jwt.NewUserClaims(q.UserNkey)
	u.Audience, u.Name = account, q.ConnectOptions.Username
	u.AllowedConnectionTypes.Add(jwt.ConnectionTypeMqtt)
	u.Pub, u.Sub = literally(r.Publish), literally(r.Subscribe)
	return u
}

// literally allows what is listed: for the server an empty list would allow everything.
func literally(subjects []string) (p jwt.Permission) {
	p.Allow.Add(subjects...)
	if len(subjects) == 0 {
		p.Deny.Add(">")
	}
	return p
}
