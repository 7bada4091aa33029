package wire

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// watched is a codec that counts how often something reaches the decompressor.
func watched() (*Codec, *int) {
	c, n := NewCodec(), 0
	unpack := c.unpack
	c.unpack = func(packed []byte) ([]byte, error) {
		n++
		return unpack(packed)
	}
	return c, &n
}

// forge signs any envelope at all, as a terminal whose software has gone wrong would.
func forge(version uint64, kind Type, packed []byte) []byte {
	return must(encoding.Marshal(envelope{
		Version: version, Type: kind, Packed: packed, Signature: ed25519.Sign(terminalKey, signed(kind, packed)),
	}))
}

func pack(payload []byte) []byte { return NewCodec().pack.EncodeAll(payload, nil) }

func TestSealedOpens(t *testing.T) {
	c := NewCodec()
	for _, payload := range [][]byte{nil, {0}, []byte("Quầy 3"), make([]byte, MaxOpened)} {
		raw, err := c.Seal(BatchType, payload, terminalKey)
		if err != nil {
			t.Fatal(err)
		}
		kind, got, err := c.Open(raw, public(terminalKey))
		if err != nil || kind != BatchType || !bytes.Equal(got, payload) {
			t.Errorf("%d bytes: Open = %q, %d bytes, %v", len(payload), kind, len(got), err)
		}
	}
}

func TestTypeIsSigned(t *testing.T) {
	c, opened := watched()
	e := must(parse(read(t, "envelope-batch")))
	e.Type = ReceiptType
	if _, _, err := c.Open(must(encoding.Marshal(e)), public(terminalKey)); !errors.Is(err, ErrSignature) {
		t.Errorf("batch relabelled receipt: Open = %v, want ErrSignature", err)
	}
	if *opened != 0 {
		t.Error("a relabelled envelope reached the decompressor")
	}
}

// Nothing separates type and payload in what is signed, so the border between them is tried.
func TestBorderOfTypeCannotMove(t *testing.T) {
	c := NewCodec()
	e := must(parse(read(t, "envelope-hello")))
	all := string(e.Type) + string(e.Packed)
	for at := range len(all) {
		e.Type, e.Packed = Type(all[:at]), []byte(all[at:])
		_, _, err := c.Open(must(encoding.Marshal(e)), public(terminalKey))
		if want := at == len(HelloType); (err == nil) != want {
			t.Errorf("type %q: Open = %v, want success only for hello", e.Type, err)
		}
	}
}

func TestEveryFlippedBitIsRefused(t *testing.T) {
	c, opened := watched()
	for _, name := range []string{"envelope-batch", "envelope-status-offline"} {
		whole := read(t, name)
		for i := range len(whole) * 8 {
			raw := bytes.Clone(whole)
			raw[i/8] ^= 1 << (i % 8)
			if _, _, err := c.Open(raw, public(terminalKey)); err == nil {
				t.Fatalf("%s: bit %d flipped and still opened", name, i)
			}
		}
		for i := range whole {
			if _, _, err := c.Open(whole[:i], public(terminalKey)); !errors.Is(err, ErrFormat) {
				t.Fatalf("%s cut at %d: Open = %v, want ErrFormat", name, i, err)
			}
		}
		if _, _, err := c.Open(append(bytes.Clone(whole), 0), public(terminalKey)); !errors.Is(err, ErrFormat) {
			t.Errorf("%s with a byte more: Open = %v, want ErrFormat", name, err)
		}
	}
	if *opened != 0 {
		t.Errorf("%d broken envelopes reached the decompressor", *opened)
	}
}

// A second spelling would have a second MessageID, and its receipt would answer nobody.
func TestEnvelopeHasOneSpelling(t *testing.T) {
	c := NewCodec()
	whole := read(t, "envelope-hello")
	for name, raw := range map[string][]byte{
		"version in two bytes": append([]byte{0x84, 0x18, 0x01}, whole[2:]...),
		"length in two bytes":  append([]byte{0x98, 0x04}, whole[1:]...),
		"endless array":        append(append([]byte{0x9f}, whole[1:]...), 0xff),
		"tag around it":        append([]byte{0xd9, 0xd9, 0xf7}, whole...),
	} {
		if _, _, err := c.Open(raw, public(terminalKey)); !errors.Is(err, ErrFormat) {
			t.Errorf("%s: Open = %v, want ErrFormat", name, err)
		}
	}
}

func TestOtherVersionsAreNamed(t *testing.T) {
	c, opened := watched()
	packed := pack(read(t, "hello"))
	for name, raw := range map[string][]byte{
		"version 0": forge(0, HelloType, packed), "version 2": forge(2, HelloType, packed),
		// Whatever a later version looks like, it begins with its number.
		"version 9 of another shape": {0x82, 0x09, 0xa1, 0x01, 0x02},
	} {
		if _, _, err := c.Open(raw, public(terminalKey)); !errors.Is(err, ErrVersion) {
			t.Errorf("%s: Open = %v, want ErrVersion", name, err)
		}
	}
	if *opened != 0 {
		t.Errorf("%d envelopes of another version reached the decompressor", *opened)
	}
}

func TestWrongKeysAreRefused(t *testing.T) {
	c, opened := watched()
	whole := read(t, "envelope-hello")
	for name, key := range map[string]ed25519.PublicKey{
		"somebody else's": public(collectorKey), "none": nil, "short": public(terminalKey)[:31],
		"long": append(bytes.Clone(public(terminalKey)), 0),
	} {
		if _, _, err := c.Open(whole, key); !errors.Is(err, ErrSignature) {
			t.Errorf("%s key: Open = %v, want ErrSignature", name, err)
		}
	}
	e := must(parse(whole))
	good := e.Signature
	for _, sig := range [][]byte{nil, {}, good[:63], append(bytes.Clone(good), 0), make([]byte, 64)} {
		e.Signature = sig
		if _, _, err := c.Open(must(encoding.Marshal(e)), public(terminalKey)); !errors.Is(err, ErrSignature) &&
			!errors.Is(err, ErrFormat) {
			t.Errorf("signature of %d bytes: Open = %v, want ErrSignature", len(sig), err)
		}
	}
	if *opened != 0 {
		t.Errorf("%d unsigned envelopes reached the decompressor", *opened)
	}
	if _, err := c.Seal(HelloType, nil, terminalKey[:63]); err == nil {
		t.Error("sealed with a private key of 63 bytes, want an error")
	}
}

// bombs are small frames that open to much more than a message may.
func bombs() map[string][]byte {
	stream := func(window, size int) []byte {
		var b bytes.Buffer
		w := must(zstd.NewWriter(&b, zstd.WithWindowSize(window), zstd.WithEncoderConcurrency(1)))
		for range size >> 16 {
			must(w.Write(make([]byte, 1<<16)))
		}
		if err := w.Close(); err != nil {
			panic(err)
		}
		return b.Bytes()
	}
	once := must(zstd.NewWriter(nil, zstd.WithWindowSize(MaxWindow)))
	full := once.EncodeAll(make([]byte, MaxOpened), nil)
	return map[string][]byte{
		"a size that is announced": once.EncodeAll(make([]byte, 64<<20), nil),
		"a size kept quiet":        stream(MaxWindow, 64<<20),
		"many full frames":         bytes.Repeat(full, MaxPacked/len(full)),
		"a window too wide":        stream(1<<20, 512<<10),
		"one segment too wide": must(zstd.NewWriter(nil, zstd.WithSingleSegment(true))).EncodeAll(
			make([]byte, MaxWindow+1), nil),
	}
}

func TestBombOfAStrangerIsNeverUnpacked(t *testing.T) {
	c, opened := watched()
	for name, packed := range bombs() {
		raw := forge(Version, BatchType, packed)
		if _, _, err := c.Open(raw, public(collectorKey)); !errors.Is(err, ErrSignature) {
			t.Errorf("%s: Open = %v, want ErrSignature", name, err)
		}
		raw[len(raw)-1] ^= 1
		if _, _, err := c.Open(raw, public(terminalKey)); !errors.Is(err, ErrSignature) {
			t.Errorf("%s, signature spoilt: Open = %v, want ErrSignature", name, err)
		}
	}
	if *opened != 0 {
		t.Errorf("%d bombs reached the decompressor", *opened)
	}
}

func TestSignedBombIsBounded(t *testing.T) {
	c := NewCodec()
	for name, packed := range bombs() {
		raw := forge(Version, BatchType, packed)
		if len(packed) > MaxPacked {
			t.Fatalf("%s takes %d bytes packed: it must pass the first limit", name, len(packed))
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, _, err := c.Open(raw, public(terminalKey))
		runtime.ReadMemStats(&after)
		if !errors.Is(err, ErrFormat) {
			t.Errorf("%s: Open = %v, want ErrFormat", name, err)
		}
		// The whole history of slices that grow towards MaxOpened, and the decoder's own tables.
		if got := after.TotalAlloc - before.TotalAlloc; got > 8<<20 {
			t.Errorf("%s: %d bytes allocated, want at most 8 MB", name, got)
		}
	}
}

func TestEverySizeHasItsLimit(t *testing.T) {
	c, opened := watched()
	noise := make([]byte, MaxOpened+1)
	rand.NewChaCha8([32]byte{1}).Read(noise)
	for name, payload := range map[string][]byte{
		"payload": make([]byte, MaxOpened+1), "packed payload": noise[:MaxPacked+1],
	} {
		if _, err := c.Seal(BatchType, payload, terminalKey); !errors.Is(err, ErrSize) {
			t.Errorf("%s: Seal = %v, want ErrSize", name, err)
		}
	}
	for name, raw := range map[string][]byte{
		"envelope":       make([]byte, MaxEnvelope+1),
		"packed payload": forge(Version, BatchType, noise[:MaxPacked+1]),
		"type":           forge(Version, Type(strings.Repeat("a", maxType+1)), pack(nil)),
	} {
		if _, _, err := c.Open(raw, public(terminalKey)); !errors.Is(err, ErrSize) {
			t.Errorf("%s: Open = %v, want ErrSize", name, err)
		}
	}
	for _, kind := range []Type{"", "Batch", "batch ", "lô"} {
		if _, _, err := c.Open(forge(Version, kind, pack(nil)), public(terminalKey)); !errors.Is(err, ErrFormat) {
			t.Errorf("type %q: Open = %v, want ErrFormat", kind, err)
		}
	}
	if *opened != 0 {
		t.Errorf("%d oversized envelopes reached the decompressor", *opened)
	}
	// The largest that is allowed still fits its envelope.
	if raw := forge(Version, Type(strings.Repeat("a", maxType)), noise[:MaxPacked]); len(raw) > MaxEnvelope {
		t.Errorf("full envelope has %d bytes, more than %d", len(raw), MaxEnvelope)
	}
}

func TestPayloadThatIsNotZstd(t *testing.T) {
	c := NewCodec()
	for _, packed := range [][]byte{{0}, []byte("no frame"), pack([]byte("half"))[:8]} {
		if _, _, err := c.Open(forge(Version, BatchType, packed), public(terminalKey)); !errors.Is(err, ErrFormat) {
			t.Errorf("packed %x: Open = %v, want ErrFormat", packed, err)
		}
	}
}
