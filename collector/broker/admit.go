package broker

import (
	"fmt"
	"log/slog"
	"regexp"

	"github.com/nats-io/nats-server/v2/server"

	"hailong/collector/broker/journal"
)

const (
	// canaryUser tries the door from outside. Capital letters: no terminal can have this name.
	canaryUser = "CANARY"
	// collectorUser is our own connection, inside the process.
	collectorUser = "COLLECTOR"
)

// clientOf finds the MQTT client id in a connection's own words: address, number and id. The server hands it to an
// authentication in no other way; a word that changes lets nobody in, and TestOnlyTheRegisteredComeIn says so.
//
// The server's auth callout would hand it over properly. But a connection that is being admitted that way while the
// server ends brings the whole process down (nats-server 2.15.2, newRespInbox; TestAStormWhileTheServerEnds), and the
// watchdog ends servers just when many come back.
var clientOf = regexp.MustCompile(`^\S+ - mid:\d+ - "([A-Za-z0-9-]{1,32})"$`)

// admission asks the registry about everybody who connects.
type admission struct{ *Server }

// Check lets in the collector itself, the canary and registered terminals, each with what it may do.
func (a admission) Check(c server.ClientAuthentication) bool {
	o := c.GetOpts()
	if c.Kind() != server.CLIENT || o == nil {
		return false
	}
	if from := c.RemoteAddress(); from != nil && from.Network() == "pipe" {
		return o.Username == collectorUser && sameSecret(o.Password, a.secret)
	}
	// Sessions are kept under the client id alone: one that is not bound to the name could throw out another
	// terminal.
	words := fmt.Sprint(c)
	if m := clientOf.FindStringSubmatch(words); m == nil || m[1] != o.Username || !a.allow(c, o.Username, o.Password) {
		a.journal.Say(slog.LevelWarn, eventRefused, "user", journal.Cut(o.Username), "client", journal.Cut(words))
		return false
	}
	return true
}

// allow gives a name its rights, if its secret is right. Lists of literal subjects only: wildcards and exceptions have
// been the server's weak spot.
func (a admission) allow(c server.ClientAuthentication, id, secret string) bool {
	user := &server.User{Username: id, Permissions: &server.Permissions{
		Publish: &server.SubjectPermission{}, Subscribe: &server.SubjectPermission{},
	}}
	switch {
	case id == canaryUser && sameSecret(secret, a.secret):
		// An empty list would allow everything.
		user.Permissions.Publish.Deny, user.Permissions.Subscribe.Deny = []string{">"}, []string{">"}
	case validTerminal(id) && a.registry.Admit(id, secret):
		for _, kind := range upward() {
			user.Permissions.Publish.Allow = append(user.Permissions.Publish.Allow, subjectOf(id, kind))
		}
		for _, kind := range downward() {
			user.Permissions.Subscribe.Allow = append(user.Permissions.Subscribe.Allow, subjectOf(id, kind))
		}
	default:
		return false
	}
	c.RegisterUser(user)
	return true
}
