package store

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"time"

	"hailong/collector/org"
	"hailong/collector/store/db"
	"hailong/sync/seal"
	"hailong/vote"
)

// Registration is a terminal that may send votes.
type Registration struct {
	ID         vote.TerminalID
	Counter    string // the counter's name as people read it
	Key        ed25519.PublicKey
	SecretHash [32]byte // of the secret that opens the broker's door
	At         time.Time
}

// AddTerminal registers a terminal. ErrExists means that the name is taken.
func (s *Store) AddTerminal(ctx context.Context, r Registration) error {
	if len(r.Key) != ed25519.PublicKeySize {
		return fmt.Errorf("add terminal %s: key of %d bytes", r.ID, len(r.Key))
	}
	err := s.write(ctx, func(c change) error {
		var no int64
		ok, err := c.Get([]any{&no}, `INSERT INTO terminal (id, counter, key, secret_hash, added_ms)
			VALUES ($1, $2, $3, $4, $5) ON CONFLICT (id) DO NOTHING RETURNING no`,
			string(r.ID), r.Counter, []byte(r.Key), r.SecretHash[:], r.At.UnixMilli())
		if err == nil && !ok {
			err = ErrExists
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("add terminal %s: %w", r.ID, err)
	}
	s.wake()
	return nil
}

// Keys are a terminal's signing key and the hash of its broker secret; org.ErrUnknown where there
// is no such terminal.
func (s *Store) Keys(ctx context.Context, id vote.TerminalID) (ed25519.PublicKey, [32]byte, error) {
	var key, hash []byte
	err := s.db.Read(ctx, func(tx *db.Tx) error {
		ok, err := tx.Get([]any{&key, &hash}, `SELECT key, secret_hash FROM terminal WHERE id = $1`, string(id))
		if err == nil && !ok {
			err = org.ErrUnknown
		}
		return err
	})
	if err != nil {
		return nil, [32]byte{}, fmt.Errorf("keys of %s: %w", id, err)
	}
	return key, [32]byte(hash), nil
}

// Seen notes a terminal's presence.
func (s *Store) Seen(ctx context.Context, id vote.TerminalID, online bool, at time.Time) error {
	err := s.write(ctx, func(c change) error { return c.seen(id, online, at) })
	if err != nil {
		return fmt.Errorf("presence of %s: %w", id, err)
	}
	s.wake()
	return nil
}

func (c change) seen(id vote.TerminalID, online bool, at time.Time) error {
	return c.Exec(`UPDATE terminal SET seen_ms = $1, online = $2 WHERE id = $3`, at.UnixMilli(), online, string(id))
}

// BootAnchor is the centre's wall clock when a terminal booted, where a message of that boot and
// epoch has been heard.
func (s *Store) BootAnchor(ctx context.Context, id vote.TerminalID, epoch seal.Epoch, boot uint32) (
	at time.Time, ok bool, err error) {
	var ms int64
	err = s.db.Read(ctx, func(tx *db.Tx) error {
		ok, err = tx.Get([]any{&ms}, `SELECT a.wall_ms FROM anchor a JOIN stream s ON s.no = a.stream
			JOIN terminal t ON t.no = s.terminal WHERE t.id = $1 AND s.epoch = $2 AND a.boot = $3`,
			string(id), epoch[:], boot)
		return err
	})
	if err != nil {
		return time.Time{}, false, fmt.Errorf("boot %d of %s: %w", boot, id, err)
	}
	return time.UnixMilli(ms), ok, nil
}

// anchor notes when a terminal booted. What a message says first stays.
func (c change) anchor(stream int64, now vote.Stamp, received time.Time) error {
	at, ok := org.Clock{Now: now, Received: received}.Boot()
	if !ok {
		return nil
	}
	return c.Exec(`INSERT INTO anchor (stream, boot, wall_ms) VALUES ($1, $2, $3)
		ON CONFLICT (stream, boot) DO NOTHING`, stream, now.Boot, at.UnixMilli())
}

// SetAside keeps a signed message that could not be filed, once however often it comes.
func (s *Store) SetAside(ctx context.Context, a org.Aside) error {
	err := s.write(ctx, func(c change) error {
		terminal, err := c.terminal(a.Terminal)
		if err != nil {
			return err
		}
		return c.quarantine(terminal, a, false)
	})
	if err != nil {
		return fmt.Errorf("set aside a message of %s: %w", a.Terminal, err)
	}
	return nil
}

func (c change) terminal(id vote.TerminalID) (no int64, err error) {
	ok, err := c.Get([]any{&no}, `SELECT no FROM terminal WHERE id = $1`, string(id))
	if err == nil && !ok {
		err = org.ErrUnknown
	}
	return no, err
}

func (c change) quarantine(terminal int64, a org.Aside, fork bool) error {
	digest := seal.Of(a.Raw)
	return c.Exec(`INSERT INTO quarantine (digest, terminal, epoch, fork, why, raw, noted_ms)
		VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (digest) DO NOTHING`,
		digest[:], terminal, a.Epoch[:], fork, a.Why, a.Raw, a.At.UnixMilli())
}
