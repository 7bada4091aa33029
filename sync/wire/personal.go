package wire

import (
	"crypto/rand"
	"fmt"

	"golang.org/x/crypto/nacl/box"
)

// Personal is what may point to a person. It exists in the clear only in the terminal's memory;
// on disk and on the wire it is sealed to the collector's X25519 key.
type Personal struct {
	Comment string `cbor:"0,keyasint,omitempty"`
	Phone   string `cbor:"1,keyasint,omitempty"`
	Dossier string `cbor:"2,keyasint,omitempty"`
}

// MaxComment is the longest comment, in bytes. It keeps the sealed box within vote.MaxSealed.
const MaxComment = 3 << 10

// SealKey is an X25519 public key.
type SealKey = [32]byte

// SealPersonal seals to the collector. Only the holder of the private key can read it again, not
// even the terminal that wrote it.
func SealPersonal(p Personal, to *SealKey) ([]byte, error) {
	if len(p.Comment) > MaxComment || len(p.Phone) > maxName || len(p.Dossier) > maxName {
		return nil, fmt.Errorf("%w: comment of %d, phone of %d, dossier of %d bytes",
			ErrSize, len(p.Comment), len(p.Phone), len(p.Dossier))
	}
	// Nobody can mend a sealed text later.
	if !allUTF8(p.Comment, p.Phone, p.Dossier) {
		return nil, malformed("personal data is not UTF-8; bring it through Text first")
	}
	plain, err := encoding.Marshal(p)
	if err != nil {
		return nil, fmt.Errorf("encode personal data: %w", err)
	}
	return box.SealAnonymous(nil, plain, to, rand.Reader)
}

// OpenPersonal opens what SealPersonal sealed to the key pair.
func OpenPersonal(sealed []byte, public, private *SealKey) (Personal, error) {
	plain, ok := box.OpenAnonymous(nil, sealed, public, private)
	if !ok {
		return Personal{}, fmt.Errorf("%w: personal data sealed to another key", ErrSignature)
	}
	var p Personal
	if err := decode("personal data", plain, &p); err != nil {
		return Personal{}, err
	}
	return p, nil
}

// NewSealKey makes a key pair for the collector.
func NewSealKey() (public, private *SealKey, err error) { return box.GenerateKey(rand.Reader) }
