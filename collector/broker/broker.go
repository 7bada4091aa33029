// Package broker is the centre's door for terminals: an embedded NATS server that speaks MQTT, or somebody else's
// MQTT broker. It never opens a message, never keeps one, and never takes a PUBACK for a receipt.
//
// NATS answers PUBACK also for what it then drops (a forbidden topic, a gap at start), as other brokers do when they
// are killed. Nothing here or in front of it may therefore depend on a PUBACK; a terminal forgets on a receipt only.
package broker

import (
	"crypto/subtle"
	"fmt"
	"strings"
	"time"

	"hailong/sync/wire"
	"hailong/vote"
)

// The six kinds of a terminal's topics, upward and downward.
const (
	Up       = wire.Up
	Status   = wire.StatusTopic
	Health   = wire.HealthTopic
	Receipt  = wire.ReceiptTopic
	Document = wire.DocumentTopic
	Command  = wire.CommandTopic
)

// MaxPayload is the largest message of either direction. A batch is at most 64 KB; documents need more.
const MaxPayload = 256 << 10

// Message is what came up from a terminal.
type Message struct {
	// Terminal is the owner of the topic. The embedded server has proven it; behind a foreign broker it is only as
	// true as that broker's access rules, and the signature inside decides.
	Terminal string
	// Kind is Up, Status or Health.
	Kind     string
	Payload  []byte
	Received time.Time
}

// Registry answers who may connect.
type Registry interface {
	// Admit compares in constant time and answers at once: every terminal that connects waits for it.
	Admit(terminal, secret string) bool
}

// Door is the way down to the terminals, whosever the broker is.
type Door interface {
	// Publish sends a Receipt, Document or Command towards one terminal. Nil does not mean that it arrived.
	Publish(terminal, kind string, payload []byte) error
	// Close waits until Handle has returned for the last time.
	Close() error
}

// validTerminal says whether a name can be a terminal's. Nothing else may become part of a topic, where dots,
// slashes and wildcards have a meaning.
func validTerminal(id string) bool {
	_, err := vote.ParseTerminalID(id)
	return err == nil
}

func upward() []string   { return []string{Up, Status, Health} }
func downward() []string { return []string{Receipt, Document, Command} }

func subjectOf(terminal, kind string) string { return "hl.v1." + terminal + "." + kind }
func topicOf(terminal, kind string) string   { return wire.Topic(vote.TerminalID(terminal), kind) }

// parseUp reads a topic (sep "/") or a NATS subject (sep ".") of a message going up.
func parseUp(topic, sep string) (terminal, kind string, ok bool) {
	parts := strings.Split(topic, sep)
	if len(parts) != 4 || parts[0] != "hl" || parts[1] != "v1" || !validTerminal(parts[2]) {
		return "", "", false
	}
	switch parts[3] {
	case Up, Status, Health:
		return parts[2], parts[3], true
	}
	return "", "", false
}

// checkDown refuses what must not go down before it is part of a topic.
func checkDown(terminal, kind string, payload []byte) error {
	if !validTerminal(terminal) {
		return fmt.Errorf("%q is not a terminal's name", terminal)
	}
	switch kind {
	case Receipt, Document, Command:
	default:
		return fmt.Errorf("%q does not go down", kind)
	}
	if len(payload) > MaxPayload {
		return fmt.Errorf("%s of %d bytes: more than %d would cost the terminal its connection",
			kind, len(payload), MaxPayload)
	}
	return nil
}

func sameSecret(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }
