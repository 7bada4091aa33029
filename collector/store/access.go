package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"hailong/collector/store/db"
)

// AddToken keeps the hash of an access token.
func (s *Store) AddToken(ctx context.Context, name string, hash [32]byte, scopes []string, at time.Time) error {
	list, err := json.Marshal(scopes)
	if err == nil {
		err = s.write(ctx, func(c change) error {
			return c.Exec(`INSERT INTO token (hash, name, scopes, added_ms) VALUES ($1, $2, $3, $4)`,
				hash[:], name, string(list), at.UnixMilli())
		})
	}
	if err != nil {
		return fmt.Errorf("add token %s: %w", name, err)
	}
	return nil
}

// Token finds a token's name and scopes. An unknown token has no name and is no error.
func (s *Store) Token(ctx context.Context, hash [32]byte) (name string, scopes []string, err error) {
	err = s.db.Read(ctx, func(tx *db.Tx) error {
		var list string
		ok, err := tx.Get([]any{&name, &list}, `SELECT name, scopes FROM token WHERE hash = $1`, hash[:])
		if err == nil && ok {
			err = json.Unmarshal([]byte(list), &scopes)
		}
		return err
	})
	if err != nil {
		return "", nil, fmt.Errorf("find token: %w", err)
	}
	return name, scopes, nil
}

// AddLink keeps the hash of a sign-in link.
func (s *Store) AddLink(ctx context.Context, hash [32]byte, expires time.Time) error {
	err := s.write(ctx, func(c change) error {
		return c.Exec(`INSERT INTO link (hash, expires_ms) VALUES ($1, $2)`, hash[:], expires.UnixMilli())
	})
	if err != nil {
		return fmt.Errorf("add sign-in link: %w", err)
	}
	return nil
}

// UseLink burns a sign-in link. False: unknown, expired or used before.
func (s *Store) UseLink(ctx context.Context, hash [32]byte, now time.Time) (bool, error) {
	var used bool
	err := s.write(ctx, func(c change) (err error) {
		var one int
		used, err = c.Get([]any{&one}, `UPDATE link SET used_ms = $1
			WHERE hash = $2 AND used_ms IS NULL AND expires_ms > $1 RETURNING 1`, now.UnixMilli(), hash[:])
		return err
	})
	if err != nil {
		return false, fmt.Errorf("use sign-in link: %w", err)
	}
	return used, nil
}
