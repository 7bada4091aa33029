package wire

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/curve25519"

	"hailong/sync/seal"
	"hailong/vote"
)

// The keys of the golden files: 32 bytes counted up from a number. They are secret to nobody.
var (
	terminalKey             = ed25519.NewKeyFromSeed(count(0x00))
	collectorKey            = ed25519.NewKeyFromSeed(count(0x20))
	sealPublic, sealPrivate = sealPair(count(0x40))
)

func count(from byte) []byte {
	b := make([]byte, 32)
	for i := range b {
		b[i] = from + byte(i)
	}
	return b
}

func sealPair(private []byte) (*SealKey, *SealKey) {
	public, own := SealKey(must(curve25519.X25519(private, curve25519.Basepoint))), SealKey(private)
	return &public, &own
}

func public(key ed25519.PrivateKey) ed25519.PublicKey { return key.Public().(ed25519.PublicKey) }

// read returns the bytes of a golden file. Golden files are written once and never edited: they
// stand for every message that terminals in the field have already written.
func read(t testing.TB, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "v1", name+".hex"))
	if err != nil {
		t.Fatal(err)
	}
	b, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return b
}

const (
	goldenID   = vote.TerminalID("quay-01")
	goldenBoot = 1790000000000 // wall clock at the golden terminal's boot
)

var goldenEpoch = seal.Epoch(count(0xa0)[:16])

func at(sinceMS uint64) vote.Stamp {
	return vote.Stamp{WallMS: goldenBoot + int64(sinceMS), Synced: true, Boot: 7, SinceMS: sinceMS}
}

func goldenRecords(t testing.TB) map[string]vote.Record {
	return map[string]vote.Record{
		"record-cast": {At: at(61000), Cast: &vote.Cast{
			Level: vote.Satisfied, Survey: "mac-dinh", SurveyVersion: 1, Layout: "5-row", Language: "vi",
			Channel: vote.Button, Counter: "Quầy 3", Officer: "cb-017",
		}},
		"record-cast-flagged": {At: vote.Stamp{WallMS: 1000, Boot: 8, SinceMS: 41000}, Cast: &vote.Cast{
			Level: vote.VeryUnsatisfied, Survey: "x", Channel: vote.Test, Flags: vote.AfterHours | vote.Assisted,
		}},
		"record-amend": {At: at(63500), Amend: &vote.Amend{Cast: 1, Level: vote.Unsatisfied}},
		"record-detail": {At: at(71250), Detail: &vote.Detail{
			Cast: 1, Reasons: []string{"thai-do", "cho-lau"}, Sealed: read(t, "sealed"), Ignored: 2, Contested: true,
		}},
		"record-event": {At: at(90000), Event: &vote.Event{Code: vote.EventClockJump, Note: "lùi 3 s"}},
	}
}

var goldenPersonal = Personal{
	Comment: "Cán bộ nói trống không, tôi phải đi lại ba lần.", Phone: "0912345678", Dossier: "H12.34-250901-0007",
}

func goldenHello() Hello {
	start := seal.Start(string(goldenID), goldenEpoch)
	return Hello{
		MinVersion: 1, MaxVersion: 1, Terminal: goldenID, Epoch: goldenEpoch, Nonce: Nonce(count(0xc0)[:16]),
		First: 1, Next: 2, Head: start.Next(1, seal.Of([]byte("one"))), Oldest: 1, Before: start, Now: at(95000),
		Documents: map[string]uint64{"survey": 3, "roster": 12}, Software: "kiosk 1.0.0",
	}
}

// goldenBatch holds one record of each kind and a lost one in their middle.
func goldenBatch(t testing.TB) Batch {
	b := Batch{
		Terminal: goldenID, Epoch: goldenEpoch, First: 1, Prev: seal.Start(string(goldenID), goldenEpoch),
		Now: at(95000), Tally: Tally{0, 1, 0, 1, 0},
	}
	for _, name := range []string{"record-cast", "record-amend", "", "record-detail", "record-event"} {
		item := Item{Digest: seal.Of([]byte("a body that is lost"))}
		if name != "" {
			body := read(t, name)
			item = Item{Body: body, Digest: seal.Of(body)}
		}
		b.Items = append(b.Items, item)
	}
	b.Head = b.Prev
	for i, item := range b.Items {
		b.Head = b.Head.Next(b.First+uint64(i), item.Digest)
	}
	return b
}

func goldenReceipts(t testing.TB) map[string]Receipt {
	batch := goldenBatch(t)
	nonce := goldenHello().Nonce
	base := Receipt{
		Terminal: goldenID, Epoch: goldenEpoch, Answers: IDOf(read(t, "envelope-batch")), Code: OK,
		Upto: batch.Last(), Head: batch.Head, AtMS: goldenBoot + 95400,
	}
	with := func(change func(*Receipt)) Receipt {
		r := base
		change(&r)
		return r
	}
	return map[string]Receipt{
		"receipt-ok": base,
		"receipt-hello": with(func(r *Receipt) {
			r.Answers, r.Nonce, r.Upto, r.Head = IDOf(read(t, "envelope-hello")), &nonce, 0, batch.Prev
		}),
		"receipt-gap": with(func(r *Receipt) { r.Code, r.Upto, r.Head = Gap, 0, batch.Prev }),
		"receipt-quarantined": with(func(r *Receipt) {
			r.Code = Quarantined
			r.Quarantined = []Range{{From: 3, To: 3, Why: "body lost"}}
		}),
		"receipt-busy": with(func(r *Receipt) {
			r.Code, r.Upto, r.Head, r.RetryAfter = Busy, 0, batch.Prev, 2500*time.Millisecond
		}),
		"receipt-version": with(func(r *Receipt) {
			r.Code, r.Epoch, r.Upto, r.Head, r.MinVersion, r.MaxVersion = BadVersion, seal.Epoch{}, 0, seal.Head{}, 2, 3
		}),
		"receipt-unknown": with(func(r *Receipt) {
			r.Code, r.Epoch, r.Upto, r.Head = Unknown, seal.Epoch{}, 0, seal.Head{}
		}),
		"receipt-fork": with(func(r *Receipt) { r.Code, r.Upto, r.Head = Fork, 0, batch.Prev }),
	}
}

func goldenStatuses() map[string]Status {
	return map[string]Status{"status-online": {goldenID, true}, "status-offline": {goldenID, false}}
}

// message is a golden payload, what it says, and how it is opened and written.
type message struct {
	kind   Type
	key    ed25519.PrivateKey
	value  interface{ Encode() ([]byte, error) }
	decode func(payload []byte) (any, error)
}

func goldenMessages(t testing.TB) map[string]message {
	all := map[string]message{
		"hello": {HelloType, terminalKey, goldenHello(), func(b []byte) (any, error) { return DecodeHello(b) }},
		"batch": {BatchType, terminalKey, goldenBatch(t), func(b []byte) (any, error) { return DecodeBatch(b) }},
	}
	hello, batch := goldenHello(), goldenBatch(t)
	hello.Salvaged, hello.Now.Boot, batch.Now.Boot = true, 0, 0
	all["hello-salvaged"] = message{HelloType, terminalKey, hello, all["hello"].decode}
	for name, origin := range map[string]Origin{"batch-salvaged": Salvaged, "batch-unproven": Unproven} {
		batch.Origin = origin
		all[name] = message{BatchType, terminalKey, batch, all["batch"].decode}
	}
	for name, r := range goldenReceipts(t) {
		all[name] = message{ReceiptType, collectorKey, r, func(b []byte) (any, error) { return DecodeReceipt(b) }}
	}
	for name, s := range goldenStatuses() {
		all[name] = message{StatusType, terminalKey, s, func(b []byte) (any, error) { return DecodeStatus(b) }}
	}
	return all
}

func TestGoldenRecords(t *testing.T) {
	for name, want := range goldenRecords(t) {
		golden := read(t, name)
		body, err := EncodeRecord(want)
		if err != nil || !bytes.Equal(body, golden) {
			t.Errorf("%s: EncodeRecord = %x, %v, want %x", name, body, err, golden)
		}
		if got, err := DecodeRecord(golden); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: DecodeRecord = %+v, %v, want %+v", name, got, err, want)
		}
	}
}

func TestGoldenPayloads(t *testing.T) {
	for name, m := range goldenMessages(t) {
		golden := read(t, name)
		payload, err := m.value.Encode()
		if err != nil || !bytes.Equal(payload, golden) {
			t.Errorf("%s: Encode = %x, %v, want %x", name, payload, err, golden)
		}
		if got, err := m.decode(golden); err != nil || !reflect.DeepEqual(got, any(m.value)) {
			t.Errorf("%s: decoded %+v, %v, want %+v", name, got, err, m.value)
		}
	}
}

// An envelope is only read: another release of zstd may pack the same payload in other bytes.
func TestGoldenEnvelopes(t *testing.T) {
	codec := NewCodec()
	for name, m := range goldenMessages(t) {
		kind, payload, err := codec.Open(read(t, "envelope-"+name), public(m.key))
		if err != nil || kind != m.kind {
			t.Errorf("%s: Open = %q, %v, want %q", name, kind, err, m.kind)
			continue
		}
		if got, err := m.decode(payload); err != nil || !reflect.DeepEqual(got, any(m.value)) {
			t.Errorf("%s: decoded %+v, %v, want %+v", name, got, err, m.value)
		}
	}
}

func TestGoldenPersonalData(t *testing.T) {
	golden := read(t, "personal")
	if plain, err := encoding.Marshal(goldenPersonal); err != nil || !bytes.Equal(plain, golden) {
		t.Errorf("personal data = %x, %v, want %x", plain, err, golden)
	}
	got, err := OpenPersonal(read(t, "sealed"), sealPublic, sealPrivate)
	if err != nil || got != goldenPersonal {
		t.Errorf("OpenPersonal = %+v, %v, want %+v", got, err, goldenPersonal)
	}
}

func TestGoldenChain(t *testing.T) {
	b, err := DecodeBatch(read(t, "batch"))
	if err != nil {
		t.Fatal(err)
	}
	heads, ok := b.Chain()
	if !ok || b.Prev != seal.Start(string(goldenID), goldenEpoch) {
		t.Fatalf("Chain = %v, from %s", ok, b.Prev)
	}
	var got []byte
	for _, h := range heads {
		got = append(got, h[:]...)
	}
	if want := read(t, "chain"); !bytes.Equal(got, want) {
		t.Errorf("chain = %x, want %x", got, want)
	}
	if b.Items[2].Whole() || !b.Items[1].Whole() || b.Last() != 5 {
		t.Errorf("items %+v, last %d; want the third lost and 5 the last", b.Items, b.Last())
	}
}

// A golden file that no test reads proves nothing.
func TestEveryGoldenFileIsRead(t *testing.T) {
	known := map[string]bool{"personal": true, "sealed": true, "chain": true}
	for name := range goldenRecords(t) {
		known[name] = true
	}
	for name := range goldenMessages(t) {
		known[name], known["envelope-"+name] = true, true
	}
	files, err := os.ReadDir(filepath.Join("testdata", "v1"))
	if err != nil || len(files) != len(known) {
		t.Errorf("%d golden files, %v, want %d", len(files), err, len(known))
	}
	for _, f := range files {
		if !known[strings.TrimSuffix(f.Name(), ".hex")] {
			t.Errorf("no test reads %s", f.Name())
		}
	}
}
