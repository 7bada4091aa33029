package centre

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"time"

	"hailong/collector/store"
	"hailong/config"
	"hailong/sync/wire"
	"hailong/vote"
)

// Enrol makes a terminal's identity, writes it to a new file that only its owner reads, and
// registers it. Where the name is taken no file is left.
func Enrol(ctx context.Context, s *store.Store, own Keys, id vote.TerminalID, counter, path string) error {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return fmt.Errorf("make key of %s: %w", id, err)
	}
	identity := config.Identity{
		Terminal: id, Secret: rand.Text(), Key: private,
		ReceiptKey: own.Receipt.Public().(ed25519.PublicKey), SealKey: *own.Seal,
	}
	text, err := identity.Encode()
	if err != nil {
		return err
	}
	// The file first: a registered terminal without an identity would have burnt its name.
	if err := WriteSecret(path, text); err != nil {
		return err
	}
	if err := Register(ctx, s, identity, counter); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return nil
}

// Register enters an identity that was made before, by an Enrol that did not come to its end.
func Register(ctx context.Context, s *store.Store, id config.Identity, counter string) error {
	return s.AddTerminal(ctx, store.Registration{
		ID: id.Terminal, Counter: wire.Text(counter), Key: id.Key.Public().(ed25519.PublicKey),
		SecretHash: sha256.Sum256([]byte(id.Secret)), At: time.Now(),
	})
}
