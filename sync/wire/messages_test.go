package wire

import (
	"bytes"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"

	"hailong/sync/seal"
	"hailong/vote"
)

// decoders read the payload of a golden file of the same name.
func decoders() map[string]func([]byte) (any, error) {
	return map[string]func([]byte) (any, error){
		"hello":               func(b []byte) (any, error) { return DecodeHello(b) },
		"batch":               func(b []byte) (any, error) { return DecodeBatch(b) },
		"receipt-quarantined": func(b []byte) (any, error) { return DecodeReceipt(b) },
		"status-online":       func(b []byte) (any, error) { return DecodeStatus(b) },
		"record-cast":         func(b []byte) (any, error) { return DecodeRecord(b) },
		"personal": func(b []byte) (any, error) {
			var p Personal
			err := decode("personal data", b, &p)
			return p, err
		},
	}
}

// with adds one pair to a golden map, whose count fits its first byte.
func with(payload []byte, pair ...byte) []byte {
	b := append(bytes.Clone(payload), pair...)
	b[0]++
	return b
}

// without drops a key of a golden map, null puts null in its place.
func without(t *testing.T, payload []byte, key uint64, null bool) []byte {
	t.Helper()
	var m map[uint64]any
	if err := decoding.Unmarshal(payload, &m); err != nil {
		t.Fatal(err)
	}
	delete(m, key)
	if null {
		m[key] = nil
	}
	return must(encoding.Marshal(m))
}

func TestHostileCBORIsRefused(t *testing.T) {
	const other = 0x63 // follows 0x18: key 99, which nobody uses
	for name, read1 := range decoders() {
		golden := read(t, name)
		endless := append(bytes.Clone(golden), 0xff)
		endless[0] = 0xbf
		for what, b := range map[string][]byte{
			"nothing":               {},
			"an array":              {0x80},
			"a byte more":           append(bytes.Clone(golden), 0),
			"endless map":           endless,
			"endless bytes":         with(golden, 0x18, other, 0x5f, 0x41, 0, 0xff),
			"tag around it":         append([]byte{0xc1}, golden...),
			"tag within":            with(golden, 0x18, other, 0xc1, 0x00),
			"deep nesting":          append(with(golden, 0x18, other), append(bytes.Repeat([]byte{0x81}, 40), 0)...),
			"key in broken UTF-8":   with(golden, 0x62, 0xc3, 0x28, 0x01),
			"array of 2^32 claimed": with(golden, 0x18, other, 0x9a, 0xff, 0xff, 0xff, 0xff),
			"bytes of 2^63 claimed": with(golden, 0x18, other, 0x5b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff),
			"reserved info":         with(golden, 0x18, other, 0x1c),
		} {
			if _, err := read1(b); !errors.Is(err, ErrFormat) {
				t.Errorf("%s, %s: %v, want ErrFormat", name, what, err)
			}
		}
		for i := range golden {
			if _, err := read1(golden[:i]); !errors.Is(err, ErrFormat) {
				t.Errorf("%s cut at %d: %v, want ErrFormat", name, i, err)
			}
		}
	}
}

func TestNoKeyComesTwice(t *testing.T) {
	for name, read1 := range decoders() {
		golden := read(t, name)
		for what, b := range map[string][]byte{
			"known":   with(golden, 0x00, 0xf6),
			"unknown": with(with(golden, 0x18, 0x63, 1), 0x18, 0x63, 1),
			"text":    with(with(golden, 0x61, 'a', 1), 0x61, 'a', 1),
		} {
			var twice *cbor.DupMapKeyError
			if _, err := read1(b); !errors.Is(err, ErrFormat) || !errors.As(err, &twice) {
				t.Errorf("%s, %s key twice: %v, want ErrFormat for the double key", name, what, err)
			}
		}
	}
}

func TestTextThatIsNotUTF8IsRefused(t *testing.T) {
	for name, text := range map[string]string{
		"hello": "kiosk", "receipt-quarantined": "lost", "record-cast": "mac", "personal": "091",
	} {
		broken := "\xc3\x28" + text[2:]
		if _, err := decoders()[name](swap(t, read(t, name), text, broken)); !errors.Is(err, ErrFormat) {
			t.Errorf("%s with %q: %v, want ErrFormat", name, broken, err)
		}
	}
}

func TestUnknownKeysAreIgnored(t *testing.T) {
	for name, read1 := range decoders() {
		golden := read(t, name)
		want, err := read1(golden)
		if err != nil {
			t.Fatal(err)
		}
		for what, b := range map[string][]byte{
			"number":        with(golden, 0x18, 0x63, 0x01),
			"negative":      with(golden, 0x20, 0x01),
			"text":          with(golden, 0x61, '0', 0x01),
			"text of field": with(golden, append([]byte{0x64}, "Kind\x02"...)...),
			"nested":        with(golden, 0x18, 0x63, 0xa1, 0x01, 0x81, 0xf6),
		} {
			if got, err := read1(b); err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("%s, %s key: %+v, %v, want %+v", name, what, got, err, want)
			}
		}
	}
}

// The decoder would leave a missing key zero; a batch without its clock would anchor a boot in 1970.
func TestNoRequiredKeyIsMissing(t *testing.T) {
	for name, keys := range map[string][]uint64{
		"hello": {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, "batch": {0, 1, 2, 3, 4, 5, 6, 7},
		"receipt-quarantined": {0, 1, 2, 3, 4, 5, 7}, "status-online": {0, 1}, "record-cast": {0, 4, 8, 22},
	} {
		for _, key := range keys {
			for _, null := range []bool{false, true} {
				if _, err := decoders()[name](without(t, read(t, name), key, null)); !errors.Is(err, ErrFormat) {
					t.Errorf("%s without key %d (null %v): %v, want ErrFormat", name, key, null, err)
				}
			}
		}
	}
}

// swap replaces bytes of a golden payload once and fails where they are not found.
func swap(t *testing.T, payload []byte, from, to string) []byte {
	t.Helper()
	if bytes.Count(payload, []byte(from)) == 0 {
		t.Fatalf("%x not found", from)
	}
	return bytes.Replace(payload, []byte(from), []byte(to), 1)
}

func TestFixedLengthsAreExact(t *testing.T) {
	hello, batch, receipt := goldenHello(), goldenBatch(t), goldenReceipts(t)["receipt-ok"]
	lost := "\x81\x58\x20" + string(batch.Items[2].Digest[:])
	tally := "\x07\x85\x00\x01\x00\x01\x00"
	for name, c := range map[string]struct {
		golden   string
		from, to string
	}{
		"epoch of 15":        {"hello", "\x50" + string(hello.Epoch[:]), "\x4f" + string(hello.Epoch[1:])},
		"nonce of 17":        {"hello", "\x50" + string(hello.Nonce[:]), "\x51" + string(hello.Nonce[:]) + "x"},
		"nonce of numbers":   {"hello", "\x50" + string(hello.Nonce[:]), "\x90" + strings.Repeat("\x01", 16)},
		"head of 31":         {"hello", "\x58\x20" + string(hello.Head[:]), "\x58\x1f" + string(hello.Head[1:])},
		"head of 33":         {"batch", "\x58\x20" + string(batch.Head[:]), "\x58\x21" + string(batch.Head[:]) + "x"},
		"answers of 4":       {"receipt-ok", "\x50" + string(receipt.Answers[:]), "\x44abcd"},
		"tally of 4":         {"batch", tally, "\x07\x84\x00\x01\x00\x01"},
		"tally of 6":         {"batch", tally, "\x07\x86\x00\x01\x00\x01\x00\x01"},
		"lost digest of 31":  {"batch", lost, "\x81\x58\x1f" + string(batch.Items[2].Digest[1:])},
		"two digests":        {"batch", lost, "\x82\x41a\x41b"},
		"body of numbers":    {"batch", lost, "\x83\x01\x02\x03"},
		"body that is null":  {"batch", lost, "\xf6"},
		"body that is empty": {"batch", lost, "\x40"},
		"clock of 3":         {"batch", "\x06\x84", "\x06\x83"},
	} {
		payload := swap(t, read(t, c.golden), c.from, c.to)
		if _, err := goldenMessages(t)[c.golden].decode(payload); !errors.Is(err, ErrFormat) {
			t.Errorf("%s: %v, want ErrFormat", name, err)
		}
	}
}

// spoilt is a message that neither bank may write or believe.
type spoilt struct {
	name string
	m    interface{ Encode() ([]byte, error) }
}

func spoiltMessages(t *testing.T) []spoilt {
	hello := func(change func(*Hello)) Hello { h := goldenHello(); change(&h); return h }
	batch := func(change func(*Batch)) Batch { b := goldenBatch(t); change(&b); return b }
	receipt := func(change func(*Receipt)) Receipt { r := goldenReceipts(t)["receipt-ok"]; change(&r); return r }
	return []spoilt{
		{"hello of nobody", hello(func(h *Hello) { h.Terminal = "a/b" })},
		{"hello without epoch", hello(func(h *Hello) { h.Epoch = seal.Epoch{} })},
		{"hello with oldest 0", hello(func(h *Hello) { h.Oldest = 0 })},
		{"hello with first before oldest", hello(func(h *Hello) { h.Oldest, h.First, h.Next = 3, 2, 9 })},
		{"hello with next before first", hello(func(h *Hello) { h.First, h.Next = 3, 2 })},
		{"hello with next beyond all", hello(func(h *Hello) { h.Next = math.MaxUint64 })},
		{"hello with long software", hello(func(h *Hello) { h.Software = strings.Repeat("a", 65) })},
		{"hello with broken software", hello(func(h *Hello) { h.Software = "\xff" })},
		{"hello with a nameless document", hello(func(h *Hello) { h.Documents = map[string]uint64{"": 1} })},
		{"hello with a long document", hello(func(h *Hello) { h.Documents[strings.Repeat("a", 65)] = 1 })},
		{"batch of nobody", batch(func(b *Batch) { b.Terminal = "" })},
		{"batch without epoch", batch(func(b *Batch) { b.Epoch = seal.Epoch{} })},
		{"batch from 0", batch(func(b *Batch) { b.First = 0 })},
		{"batch beyond all", batch(func(b *Batch) { b.First = math.MaxUint64 })},
		{"batch of none", batch(func(b *Batch) { b.Items = nil })},
		{"batch of 501", batch(func(b *Batch) { b.Items = make([]Item, MaxRecords+1) })},
		{"batch with empty body", batch(func(b *Batch) { b.Items[0].Body = []byte{} })},
		{"batch with huge body", batch(func(b *Batch) { b.Items[0].Body = make([]byte, seal.MaxBody+1) })},
		{"receipt of nobody", receipt(func(r *Receipt) { r.Terminal = "ab" })},
		{"receipt of unknown code", receipt(func(r *Receipt) { r.Code = "fine" })},
		{"receipt without code", receipt(func(r *Receipt) { r.Code = "" })},
		{"receipt beyond all", receipt(func(r *Receipt) { r.Upto = math.MaxUint64 })},
		{"receipt with backward range", receipt(func(r *Receipt) { r.Quarantined = []Range{{From: 2, To: 1}} })},
		{"receipt with range from 0", receipt(func(r *Receipt) { r.Quarantined = []Range{{From: 0, To: 1}} })},
		{"receipt with bad why", receipt(func(r *Receipt) { r.Quarantined = []Range{{Why: "\xff", From: 1, To: 1}} })},
		{"receipt of 501 ranges", receipt(func(r *Receipt) { r.Quarantined = make([]Range, MaxRecords+1) })},
		{"status of nobody", Status{"", true}},
	}
}

func TestNonsenseIsNeitherWrittenNorRead(t *testing.T) {
	for _, s := range spoiltMessages(t) {
		if _, err := s.m.Encode(); !errors.Is(err, ErrFormat) {
			t.Errorf("%s: Encode = %v, want ErrFormat", s.name, err)
		}
		// The same message, written by somebody who does not check.
		var err error
		switch m := s.m.(type) {
		case Hello:
			_, err = DecodeHello(must(encoding.Marshal(m.wire())))
		case Batch:
			_, err = DecodeBatch(must(encoding.Marshal(m.wire())))
		case Receipt:
			_, err = DecodeReceipt(must(encoding.Marshal(m.wire())))
		case Status:
			_, err = DecodeStatus(must(encoding.Marshal(statusMap{string(m.Terminal), m.Online})))
		}
		if !errors.Is(err, ErrFormat) {
			t.Errorf("%s: decoded with %v, want ErrFormat", s.name, err)
		}
	}
}

func TestBatchThatLiesAboutItsChain(t *testing.T) {
	for name, lie := range map[string]func(*Batch){
		"another head":    func(b *Batch) { b.Head[31] ^= 1 },
		"another start":   func(b *Batch) { b.Prev[0] ^= 1 },
		"another number":  func(b *Batch) { b.First++ },
		"records swapped": func(b *Batch) { b.Items[0], b.Items[1] = b.Items[1], b.Items[0] },
		"record dropped":  func(b *Batch) { b.Items = b.Items[:4] },
		"record doubled":  func(b *Batch) { b.Items = append(b.Items, b.Items[4]) },
		"body edited":     func(b *Batch) { b.Items[0].Body = append(bytes.Clone(b.Items[0].Body), 0) },
		"lost digest":     func(b *Batch) { b.Items[2].Digest[0] ^= 1 },
	} {
		b := goldenBatch(t)
		lie(&b)
		got, err := DecodeBatch(must(b.Encode()))
		if err != nil {
			t.Errorf("%s: %v; the chain is not for DecodeBatch to judge", name, err)
			continue
		}
		if _, ok := got.Chain(); ok {
			t.Errorf("%s: Chain holds, want false", name)
		}
	}
	if _, ok := (Batch{}).Chain(); ok {
		t.Error("the chain of an empty batch holds")
	}
}

func TestRetryIsBounded(t *testing.T) {
	for _, c := range []struct{ ask, want time.Duration }{
		{0, 0}, {-time.Second, 0}, {time.Nanosecond, time.Millisecond},
		{2500 * time.Millisecond, 2500 * time.Millisecond}, {time.Hour, time.Hour},
		{1000 * time.Hour, time.Hour}, {math.MaxInt64, time.Hour},
	} {
		r := goldenReceipts(t)["receipt-busy"]
		r.RetryAfter = c.ask
		if got := must(DecodeReceipt(must(r.Encode()))).RetryAfter; got != c.want {
			t.Errorf("retry after %v is read as %v, want %v", c.ask, got, c.want)
		}
	}
}

func TestTopics(t *testing.T) {
	if got := Topic(goldenID, ReceiptTopic); got != "hl/v1/quay-01/receipt" {
		t.Errorf("Topic = %q", got)
	}
}

// A message id names an envelope and nothing less.
func TestIDOf(t *testing.T) {
	hello, batch := IDOf(read(t, "envelope-hello")), IDOf(read(t, "envelope-batch"))
	if hello == batch || hello == (MessageID{}) {
		t.Errorf("ids %x and %x", hello, batch)
	}
	if _, err := vote.ParseTerminalID(string(goldenID)); err != nil {
		t.Error(err)
	}
}
