package centre

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"time"

	"golang.org/x/text/unicode/norm"

	"hailong/collector/store"
	"hailong/config"
	"hailong/vote"
)

// Register makes a terminal's identity and registers it.
func Register(
	ctx context.Context, s *store.Store, own Keys, id vote.TerminalID, counter string,
) (config.Identity, error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return config.Identity{}, fmt.Errorf("make key of %s: %w", id, err)
	}
	secret := rand.Text()
	err = s.AddTerminal(ctx, store.Registration{
		ID: id, Counter: norm.NFC.String(counter), Key: public,
		SecretHash: sha256.Sum256([]byte(secret)), At: time.Now(),
	})
	return config.Identity{
		Terminal: id, Secret: secret, Key: private,
		ReceiptKey: own.Receipt.Public().(ed25519.PublicKey), SealKey: *own.Seal,
	}, err
}
