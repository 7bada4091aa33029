// Package centre wires the centre: keys, registration, broker, filing and web. Collector runs one,
// fleet registers its simulated terminals at one. It never decides what a vote is worth.
package centre

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"hailong/config"
	"hailong/sync/wire"
)

// Names of the key files in the data folder.
const (
	receiptKey = "receipt" // Ed25519: signs receipts
	sealKey    = "seal"    // X25519, public and private half: opens personal data
)

// Folder is the centre's data folder.
type Folder string

// Store is the file of votes.
func (f Folder) Store() string { return filepath.Join(string(f), "collector.db") }

// broker is the embedded broker's own folder, emptied at every start.
func (f Folder) broker() string { return filepath.Join(string(f), "broker") }

func (f Folder) key(name string) string { return filepath.Join(string(f), name+".key") }

// Keys are the centre's own.
type Keys struct {
	Receipt ed25519.PrivateKey // signs receipts
	Seal    *wire.SealKey      // comments are sealed to it
}

// MakeKeys makes the keys that are not there yet: an init that was cut short can be repeated.
func MakeKeys(f Folder) error {
	if _, err := os.Stat(f.key(receiptKey)); errors.Is(err, fs.ErrNotExist) {
		_, key, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			return fmt.Errorf("make receipt key: %w", err)
		}
		if err := WriteSecret(f.key(receiptKey), encode(key.Seed())); err != nil {
			return err
		}
	}
	if _, err := os.Stat(f.key(sealKey)); errors.Is(err, fs.ErrNotExist) {
		public, private, err := wire.NewSealKey()
		if err != nil {
			return fmt.Errorf("make seal key: %w", err)
		}
		return WriteSecret(f.key(sealKey), encode(append(public[:], private[:]...)))
	}
	return nil
}

// ReadKeys reads the centre's keys.
func ReadKeys(f Folder) (Keys, error) {
	seed, err := readSecret(f.key(receiptKey), ed25519.SeedSize)
	if err != nil {
		return Keys{}, err
	}
	pair, err := readSecret(f.key(sealKey), 2*len(wire.SealKey{}))
	if err != nil {
		return Keys{}, err
	}
	public := wire.SealKey(pair[:len(wire.SealKey{})])
	return Keys{Receipt: ed25519.NewKeyFromSeed(seed), Seal: &public}, nil
}

func encode(b []byte) []byte { return []byte(base64.StdEncoding.EncodeToString(b) + "\n") }

func readSecret(path string, size int) ([]byte, error) {
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		folder := Folder(filepath.Dir(path))
		if _, err := os.Stat(folder.Store()); err == nil {
			return nil, fmt.Errorf(
				"%w: %s is missing beside a store; restore it from the backup, terminals believe no other",
				config.ErrConfig, path)
		}
		return nil, fmt.Errorf("%w: there is no %s; make the folder with: collector init --data %s",
			config.ErrConfig, path, folder)
	}
	if err != nil {
		return nil, fmt.Errorf("read key: %w", err)
	}
	b, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(raw)))
	if err != nil || len(b) != size {
		return nil, fmt.Errorf("read key %s: expected %d bytes in base64", path, size)
	}
	return b, nil
}

// WriteSecret writes a new file that only its owner reads, whole or not at all. A file that is
// there already is never replaced.
func WriteSecret(path string, text []byte) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), ".new-*") // 0600
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	defer func() { _ = os.Remove(tmp.Name()) }()
	_, err = tmp.Write(text)
	if err = errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := os.Link(tmp.Name(), path); err != nil {
		return fmt.Errorf("write %s: %w", path, errors.Unwrap(err))
	}
	return nil
}
