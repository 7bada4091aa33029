package wire

import (
	"bytes"
	"crypto/ed25519"
	"fmt"
	"strings"

	"github.com/fxamacker/cbor/v2"
	"github.com/klauspost/compress/zstd"
)

// Type names what an envelope carries. The names are signed and never change.
type Type string

// Types of messages.
const (
	HelloType   Type = "hello"
	BatchType   Type = "batch"
	ReceiptType Type = "receipt"
	StatusType  Type = "status"
)

// envelope is the outermost array of every message: [version, type, zstd(payload), signature].
type envelope struct {
	_         struct{} `cbor:",toarray"`
	Version   uint64
	Type      Type
	Packed    []byte
	Signature []byte
}

// Codec packs and unpacks envelopes. It is safe for use by several goroutines; one is enough for
// a process.
type Codec struct {
	pack   *zstd.Encoder
	unpack func(packed []byte) ([]byte, error)
}

// NewCodec makes a codec. A process needs one.
func NewCodec() *Codec {
	pack := must(zstd.NewWriter(nil, zstd.WithWindowSize(MaxWindow), zstd.WithEncoderConcurrency(1),
		zstd.WithEncoderCRC(false), zstd.WithEncoderLevel(zstd.SpeedBetterCompression)))
	unpack := must(zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(MaxOpened),
		zstd.WithDecoderMaxWindow(MaxWindow), zstd.WithDecodeAllCapLimit(false)))
	return &Codec{pack: pack, unpack: func(packed []byte) ([]byte, error) { return unpack.DecodeAll(packed, nil) }}
}

// proper tells whether a type is written in a-z. Nothing separates the type from the payload in what
// is signed; as no zstd frame begins with such a letter, the border can still not be moved.
func (t Type) proper() bool {
	return t != "" && !strings.ContainsFunc(string(t), func(r rune) bool { return r < 'a' || r > 'z' })
}

// parse reads an envelope's four parts and believes none of them.
func parse(raw []byte) (envelope, error) {
	// The version comes first: a later envelope may have another shape, and the answer to it is
	// ErrVersion.
	var parts []cbor.RawMessage
	var e envelope
	if err := decode("envelope", raw, &parts); err != nil {
		return e, err
	}
	if len(parts) == 0 {
		return e, malformed("empty envelope")
	}
	if err := decode("version", parts[0], &e.Version); err != nil {
		return e, err
	}
	if e.Version != Version {
		return e, fmt.Errorf("%w: %d, expected %d", ErrVersion, e.Version, Version)
	}
	if err := decode("envelope", raw, &e); err != nil {
		return e, err
	}
	// A message has one spelling: otherwise somebody in between could give it another MessageID, and
	// the terminal would not know the receipt for its own.
	if again, err := encoding.Marshal(e); err != nil || !bytes.Equal(again, raw) {
		return e, malformed("envelope is not deterministic CBOR")
	}
	return e, nil
}

// signed is what an Ed25519 signature of an envelope covers: "hl1/" ‖ type ‖ zstd(payload).
func signed(t Type, packed []byte) []byte {
	return append([]byte("hl1/"+string(t)), packed...)
}

// Seal packs a message's payload and signs it. ErrSize means that it does not fit: a batch must
// then be halved.
func (c *Codec) Seal(t Type, payload []byte, key ed25519.PrivateKey) ([]byte, error) {
	// ed25519.Sign panics on a key of the wrong length.
	if len(key) != ed25519.PrivateKeySize {
		return nil, fmt.Errorf("sign %s: private key of %d bytes", t, len(key))
	}
	if len(payload) > MaxOpened {
		return nil, fmt.Errorf("%w: %s of %d bytes", ErrSize, t, len(payload))
	}
	packed := c.pack.EncodeAll(payload, nil)
	if len(packed) > MaxPacked {
		return nil, fmt.Errorf("%w: %s of %d bytes packed", ErrSize, t, len(packed))
	}
	return encoding.Marshal(envelope{
		Version: Version, Type: t, Packed: packed, Signature: ed25519.Sign(key, signed(t, packed)),
	})
}

// Open verifies an envelope and only then unpacks it. Errors are ErrSize, ErrFormat, ErrVersion
// and ErrSignature; on any of them nothing has been decompressed, except for a signed payload
// that is itself broken or too large.
func (c *Codec) Open(raw []byte, key ed25519.PublicKey) (Type, []byte, error) {
	if len(raw) > MaxEnvelope {
		return "", nil, fmt.Errorf("%w: envelope of %d bytes", ErrSize, len(raw))
	}
	e, err := parse(raw)
	if err != nil {
		return "", nil, err
	}
	if len(e.Type) > maxType || len(e.Packed) > MaxPacked {
		return "", nil, fmt.Errorf("%w: type of %d and payload of %d bytes", ErrSize, len(e.Type), len(e.Packed))
	}
	if !e.Type.proper() {
		return "", nil, malformed("type %q", e.Type)
	}
	// ed25519.Verify panics on a key of the wrong length.
	if len(key) != ed25519.PublicKeySize || len(e.Signature) != ed25519.SignatureSize ||
		!ed25519.Verify(key, signed(e.Type, e.Packed), e.Signature) {
		return "", nil, fmt.Errorf("%w: %s", ErrSignature, e.Type)
	}
	payload, err := c.unpack(e.Packed)
	if err != nil {
		return "", nil, fmt.Errorf("%w: payload of %s: %w", ErrFormat, e.Type, err)
	}
	return e.Type, payload, nil
}
