package config

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/BurntSushi/toml"

	"hailong/vote"
)

// Identity is who a terminal is and whom it believes. It is made by collector terminal add and
// kept by the terminal alone, readable by nobody else.
type Identity struct {
	Terminal   vote.TerminalID
	Secret     string             // password at the broker
	Key        ed25519.PrivateKey // signs what the terminal sends
	ReceiptKey ed25519.PublicKey  // the collector's: whose receipts count
	SealKey    [32]byte           // the collector's X25519 key for personal data
}

type identityFile struct {
	Terminal  string `toml:"terminal"`
	Secret    string `toml:"secret"`
	Seed      string `toml:"seed"`
	Collector struct {
		ReceiptKey string `toml:"receipt_key"`
		SealKey    string `toml:"seal_key"`
	} `toml:"collector"`
}

const identityHead = `# Who this terminal is. Keep it secret: whoever holds this file can vote in its name.
# seed is the Ed25519 seed of its signatures; the collector's keys tell whose receipts count
# and to whom comments are sealed.

`

// Encode is the identity's file.
func (id Identity) Encode() ([]byte, error) {
	var f identityFile
	f.Terminal, f.Secret = string(id.Terminal), id.Secret
	f.Seed = base64.StdEncoding.EncodeToString(id.Key.Seed())
	f.Collector.ReceiptKey = base64.StdEncoding.EncodeToString(id.ReceiptKey)
	f.Collector.SealKey = base64.StdEncoding.EncodeToString(id.SealKey[:])
	b := bytes.NewBufferString(identityHead)
	if err := toml.NewEncoder(b).Encode(f); err != nil {
		return nil, fmt.Errorf("encode identity: %w", err)
	}
	return b.Bytes(), nil
}

// ErrNotEnrolled means that a terminal has no identity yet.
var ErrNotEnrolled = errors.New("not enrolled")

// LoadIdentity reads an identity file. ErrNotEnrolled where there is none; ErrConfig where it is
// not one, or others than its owner may read it.
func LoadIdentity(path string) (Identity, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Identity{}, fmt.Errorf("%w: there is no %s; make it at the centre: collector terminal add ID -o %s",
			ErrNotEnrolled, path, filepath.Base(path))
	}
	if err != nil {
		return Identity{}, fmt.Errorf("%w %s: %w", ErrConfig, path, err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return Identity{}, fmt.Errorf("%w %s: mode %o lets others read the key; run: chmod 600 %s",
			ErrConfig, path, info.Mode().Perm(), path)
	}
	var f identityFile
	var id Identity
	err = load(path, &f, func() (err error) {
		id, err = f.identity()
		return err
	})
	return id, err
}

func (f identityFile) identity() (Identity, error) {
	var p problems
	id := Identity{Secret: f.Secret}
	var err error
	if id.Terminal, err = vote.ParseTerminalID(f.Terminal); err != nil {
		p.add("terminal", "%v", err)
	}
	if f.Secret == "" {
		p.add("secret", "must not be empty")
	}
	if seed := p.key("seed", f.Seed); seed != nil {
		id.Key = ed25519.NewKeyFromSeed(seed)
	}
	id.ReceiptKey = p.key("collector.receipt_key", f.Collector.ReceiptKey)
	copy(id.SealKey[:], p.key("collector.seal_key", f.Collector.SealKey))
	if len(p) > 0 {
		return Identity{}, errors.Join(p...)
	}
	return id, nil
}

// key decodes 32 bytes; it never prints them, they may be secret.
func (p *problems) key(field, value string) []byte {
	b, err := base64.StdEncoding.DecodeString(value)
	if err != nil || len(b) != ed25519.SeedSize {
		p.add(field, "must be %d bytes in base64", ed25519.SeedSize)
		return nil
	}
	return b
}
