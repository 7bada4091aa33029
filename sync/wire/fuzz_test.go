package wire

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"hailong/vote"
)

// seed adds every golden file whose name begins with one of the prefixes.
func seed(f *testing.F, prefixes ...string) {
	f.Helper()
	files, err := os.ReadDir(filepath.Join("testdata", "v1"))
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		for _, prefix := range prefixes {
			if strings.HasPrefix(file.Name(), prefix) {
				f.Add(read(f, strings.TrimSuffix(file.Name(), ".hex")))
			}
		}
	}
}

// settles checks that whatever was decoded can be encoded, and comes back as it was.
func settles[T any](t *testing.T, b []byte, decode func([]byte) (T, error), encode func(T) ([]byte, error)) {
	first, err := decode(b)
	if err != nil {
		return
	}
	written, err := encode(first)
	if err != nil {
		t.Fatalf("decoded %+v cannot be encoded: %v", first, err)
	}
	second, err := decode(written)
	if err != nil {
		t.Fatalf("%+v is encoded as %x, which is refused: %v", first, written, err)
	}
	if !reflect.DeepEqual(first, second) {
		t.Fatalf("decoded %+v, encoded and decoded again %+v", first, second)
	}
	if again, err := encode(second); err != nil || !bytes.Equal(again, written) {
		t.Fatalf("encoded %x, then %x, %v", written, again, err)
	}
}

func FuzzEnvelope(f *testing.F) {
	seed(f, "envelope-")
	codec := NewCodec()
	f.Fuzz(func(t *testing.T, b []byte) {
		// Whoever is strange to the key has one door, and behind it nothing but a parsed array.
		if e, err := parse(b); err == nil {
			if again := must(encoding.Marshal(e)); !bytes.Equal(again, b) {
				t.Fatalf("%x is another spelling of %x", b, again)
			}
		}
		if kind, payload, err := codec.Open(b, public(terminalKey)); err == nil {
			raw, err := codec.Seal(kind, payload, terminalKey)
			if err != nil {
				t.Fatal(err)
			}
			again, same, err := codec.Open(raw, public(terminalKey))
			if err != nil || again != kind || !bytes.Equal(same, payload) {
				t.Fatalf("sealed again: %q, %x, %v", again, same, err)
			}
		}
		// Whoever holds the key reaches the decompressor with any bytes at all.
		_, payload, err := codec.Open(forge(Version, BatchType, b), public(terminalKey))
		if err == nil && len(payload) > MaxOpened {
			t.Fatalf("%d bytes opened", len(payload))
		}
	})
}

func FuzzRecord(f *testing.F) {
	seed(f, "record-")
	f.Fuzz(func(t *testing.T, b []byte) {
		read := func(b []byte) (r vote.Record, err error) {
			r, err = DecodeRecord(b)
			tidyDetail(r.Detail)
			return r, err
		}
		settles(t, b, read, EncodeRecord)
	})
}

func FuzzHello(f *testing.F) {
	seed(f, "hello")
	f.Fuzz(func(t *testing.T, b []byte) {
		read := func(b []byte) (Hello, error) {
			h, err := DecodeHello(b)
			if len(h.Documents) == 0 {
				h.Documents = nil
			}
			return h, err
		}
		settles(t, b, read, Hello.Encode)
	})
}

func FuzzBatch(f *testing.F) {
	seed(f, "batch")
	f.Fuzz(func(t *testing.T, b []byte) {
		settles(t, b, DecodeBatch, Batch.Encode)
		if got, err := DecodeBatch(b); err == nil {
			if heads, _ := got.Chain(); len(heads) != len(got.Items) {
				t.Fatalf("%d heads of %d items", len(heads), len(got.Items))
			}
		}
	})
}

func FuzzReceipt(f *testing.F) {
	seed(f, "receipt-")
	f.Fuzz(func(t *testing.T, b []byte) {
		read := func(b []byte) (Receipt, error) {
			r, err := DecodeReceipt(b)
			if len(r.Quarantined) == 0 {
				r.Quarantined = nil
			}
			return r, err
		}
		settles(t, b, read, Receipt.Encode)
	})
}

func FuzzStatus(f *testing.F) {
	seed(f, "status-")
	f.Fuzz(func(t *testing.T, b []byte) { settles(t, b, DecodeStatus, Status.Encode) })
}

func FuzzPersonal(f *testing.F) {
	seed(f, "personal", "sealed")
	f.Fuzz(func(t *testing.T, b []byte) {
		// Sealed bytes come from a terminal's record, whoever wrote it.
		_, _ = OpenPersonal(b, sealPublic, sealPrivate)
		var p Personal
		if decode("personal data", b, &p) != nil {
			return
		}
		sealed, err := SealPersonal(p, sealPublic)
		if err != nil {
			return // beyond a limit
		}
		if got, err := OpenPersonal(sealed, sealPublic, sealPrivate); err != nil || got != p {
			t.Fatalf("opened %+v, %v, want %+v", got, err, p)
		}
	})
}
