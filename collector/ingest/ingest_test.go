package ingest_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"hailong/collector/ingest"
	"hailong/collector/org"
	"hailong/collector/score"
	"hailong/collector/store"
	"hailong/collector/store/storetest"
	"hailong/sync/seal"
	"hailong/sync/wire"
	"hailong/vote"
)

var _ ingest.Store = (*store.Store)(nil)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// centre is a door with a real store behind it.
type centre struct {
	*ingest.Ingest
	store    *store.Store
	codec    *wire.Codec
	receipts chan []byte
	key      ed25519.PublicKey
	log      *lockedBuffer
	stop     func()
}

type lockedBuffer struct {
	mu sync.Mutex // guards b
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func open(t testing.TB, demo bool, wrap func(ingest.Store) ingest.Store) *centre {
	s, _ := storetest.Open(t, demo)
	return door(t, s, wrap)
}

// codec is for all tests: making one is dear.
var codec = wire.NewCodec()

func door(t testing.TB, s *store.Store, wrap func(ingest.Store) ingest.Store) *centre {
	key := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{9}, 32))
	c := &centre{store: s, codec: codec, receipts: make(chan []byte, 5000), log: &lockedBuffer{},
		key: key.Public().(ed25519.PublicKey)}
	var behind ingest.Store = s
	if wrap != nil {
		behind = wrap(s)
	}
	c.Ingest = ingest.New(ingest.Options{Store: behind, Codec: c.codec, SignKey: key, Now: storetest.Noon,
		Log: slog.New(slog.NewTextHandler(c.log, nil)),
		Send: func(_ vote.TerminalID, kind string, payload []byte) error {
			if kind != wire.ReceiptTopic {
				return errors.New("sent to " + kind)
			}
			c.receipts <- payload
			return nil
		}})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	c.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(c.stop)
	return c
}

// send hands in a message and waits for its one receipt.
func (c *centre) send(t testing.TB, topic string, payload []byte) wire.Receipt {
	t.Helper()
	c.Handle(t.Context(), topic, wire.Up, payload, storetest.Noon())
	return c.receipt(t, payload)
}

func (c *centre) receipt(t testing.TB, answers []byte) wire.Receipt {
	t.Helper()
	typ, raw, err := c.codec.Open(<-c.receipts, c.key)
	if err != nil || typ != wire.ReceiptType {
		t.Fatalf("receipt: %s, %v", typ, err)
	}
	r, err := wire.DecodeReceipt(raw)
	if err != nil {
		t.Fatal(err)
	}
	if r.Answers != wire.IDOf(answers) {
		t.Fatal("the receipt answers another message")
	}
	return r
}

func (c *centre) batch(t testing.TB, l *storetest.Line, first, last uint64) []byte {
	b := l.Batch(first, last)
	return l.Seal(c.codec, wire.BatchType, b.Encode)
}

func (c *centre) hello(t testing.TB, l *storetest.Line, change func(*wire.Hello)) wire.Receipt {
	h := l.Hello()
	if change != nil {
		change(&h)
	}
	return c.send(t, string(l.ID), l.Seal(c.codec, wire.HelloType, h.Encode))
}

func (c *centre) holds(t testing.TB, want score.Counts) {
	t.Helper()
	rows, err := c.store.Scores(t.Context(), org.ByHall, org.Span{})
	if err != nil || rows[0].Counts != want {
		t.Errorf("counts are %v, %v, want %v", rows, err, want)
	}
	diffs, _, err := c.store.Verify(t.Context(), c.codec, nil)
	if err != nil || len(diffs) > 0 {
		t.Errorf("verify: %v, %v", diffs, err)
	}
}

func line(t testing.TB, c *centre, id string, n int) *storetest.Line {
	l := storetest.NewLine(t, id).Register(c.store)
	for range n {
		l.Cast(5)
	}
	return l
}

func TestABatchIsAnsweredAfterItIsFiled(t *testing.T) {
	c := open(t, false, nil)
	l := line(t, c, "quay-01", 3)
	raw := c.batch(t, l, 1, 3)
	for range 1000 {
		r := c.send(t, "quay-01", raw)
		if r.Code != wire.OK || r.Upto != 3 || r.Head != l.Head(3) || r.Epoch != l.Epoch || r.Terminal != l.ID {
			t.Fatalf("receipt is %+v, want ok up to 3", r)
		}
	}
	c.holds(t, score.Counts{0, 0, 0, 0, 3})
	if n := c.Counters(); n.Received != 1000 || n.Filed != 3 || len(n.Refused) != 0 {
		t.Errorf("counters are %+v", n)
	}
	if r := c.send(t, "quay-01", c.batch(t, l, 1, 2)); r.Code != wire.OK || r.Upto != 3 {
		t.Errorf("receipt is %+v, want ok up to 3", r)
	}
}

func TestRefusals(t *testing.T) {
	c := open(t, false, nil)
	l, other := line(t, c, "quay-01", 5), line(t, c, "quay-02", 5)
	nobody := storetest.NewLine(t, "quay-09")
	nobody.Cast(5)
	good := c.batch(t, l, 1, 2)
	foreign := l.Batch(1, 2)
	edited := slices.Clone(good)
	edited[len(edited)/2] ^= 1
	unread := l.Seal(c.codec, wire.BatchType, func() ([]byte, error) { return []byte("not CBOR"), nil })
	odd := l.Seal(c.codec, "picture", foreign.Encode)
	liar := l.Batch(1, 2)
	liar.Head = seal.Head{1}
	byOther := other.Seal(c.codec, wire.BatchType, foreign.Encode)
	greeting := l.Hello()
	broken := l.Seal(c.codec, wire.BatchType, liar.Encode)
	later := append([]byte{0x84, 0x02}, good[2:]...)
	const unknown, version = wire.Unknown, wire.BadVersion
	for name, k := range map[string]struct {
		topic string
		raw   []byte
		want  wire.Code
		event string
		kept  uint64 // messages set aside
	}{
		"not registered":           {"quay-09", c.batch(t, nobody, 1, 1), unknown, ingest.EventUnknown, 0},
		"another terminal's key":   {"quay-01", byOther, unknown, ingest.EventUnknown, 0},
		"another terminal's topic": {"quay-02", good, unknown, ingest.EventUnknown, 0},
		"names another terminal":   {"quay-02", byOther, unknown, ingest.EventUnknown, 0},
		"greets as another terminal": {"quay-02", other.Seal(c.codec, wire.HelloType, greeting.Encode), unknown,
			ingest.EventUnknown, 0},
		"edited on the way":          {"quay-01", edited, unknown, ingest.EventUnknown, 0},
		"garbage":                    {"quay-01", []byte("hello?"), unknown, ingest.EventUnknown, 0},
		"nothing":                    {"quay-01", nil, unknown, ingest.EventUnknown, 0},
		"too large":                  {"quay-01", make([]byte, wire.MaxEnvelope+1), version, ingest.EventVersion, 0},
		"a later envelope":           {"quay-01", later, version, ingest.EventVersion, 0},
		"signed but unreadable":      {"quay-01", unread, version, ingest.EventVersion, 1},
		"signed, of unknown type":    {"quay-01", odd, version, ingest.EventVersion, 1},
		"a chain that does not hold": {"quay-01", broken, wire.Fork, ingest.EventFork, 1},
		"records are missing":        {"quay-01", c.batch(t, l, 4, 5), wire.Gap, ingest.EventGap, 0},
	} {
		before := c.Counters()
		r := c.send(t, k.topic, k.raw)
		if r.Code != k.want {
			t.Errorf("%s: code %s, want %s", name, r.Code, k.want)
		}
		if r.Code == wire.BadVersion && (r.MinVersion != 1 || r.MaxVersion != 1) {
			t.Errorf("%s: versions %d to %d, want 1 to 1", name, r.MinVersion, r.MaxVersion)
		}
		if !strings.Contains(c.log.String(), k.event) {
			t.Errorf("%s: no log line %s", name, k.event)
		}
		after := c.Counters()
		if after.Quarantined-before.Quarantined != k.kept || after.Refused[k.want] != before.Refused[k.want]+1 {
			t.Errorf("%s: counters went from %+v to %+v", name, before, after)
		}
	}
	c.holds(t, score.Counts{})
	if r := c.send(t, "quay-01", unread); r.Code != wire.BadVersion {
		t.Errorf("what was set aside is answered %s when it comes again", r.Code)
	}
	if r := c.send(t, "quay-01", good); r.Code != wire.OK {
		t.Errorf("after all that, the right batch is answered %s", r.Code)
	}
	c.holds(t, score.Counts{0, 0, 0, 0, 2})
}

func TestAForgedBombIsNotUnpacked(t *testing.T) {
	c := open(t, false, nil)
	l := line(t, c, "quay-01", 1)
	forger := storetest.NewLine(t, "forger")
	zeros := make([]byte, wire.MaxOpened)
	bomb := forger.Seal(c.codec, wire.BatchType, func() ([]byte, error) { return zeros, nil })
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range 50 {
		if r := c.send(t, string(l.ID), bomb); r.Code != wire.Unknown {
			t.Fatalf("code %s, want unknown", r.Code)
		}
	}
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > 50*wire.MaxOpened/4 {
		t.Errorf("50 forged bombs took %d bytes", used)
	}
}

func TestHello(t *testing.T) {
	c := open(t, false, nil)
	l := line(t, c, "quay-01", 6)
	r := c.hello(t, l, nil)
	if r.Code != wire.OK || r.Upto != 0 || r.Head != l.Head(0) || r.Nonce == nil || *r.Nonce != (wire.Nonce{7}) {
		t.Errorf("first hello: %+v, want ok from the start with its nonce", r)
	}
	r = c.hello(t, l, func(h *wire.Hello) { h.MinVersion, h.MaxVersion = 2, 3 })
	if r.Code != wire.BadVersion || r.MaxVersion != 1 {
		t.Errorf("a later terminal: %+v, want version", r)
	}
	// The centre was restored from a backup: the terminal has more receipts than the centre records.
	if r := c.hello(t, l, func(h *wire.Hello) { h.First = 5 }); r.Code != wire.Gap || r.Upto != 0 {
		t.Errorf("hello of a terminal ahead: %+v, want gap from 0", r)
	}
	c.send(t, "quay-01", c.batch(t, l, 1, 2))
	// The terminal has forgotten 3 and 4: a hole for good, and on behind it.
	r = c.hello(t, l, func(h *wire.Hello) { h.Oldest, h.First, h.Before = 5, 5, l.Head(4) })
	if r.Code != wire.OK || r.Upto != 4 || r.Head != l.Head(4) {
		t.Errorf("hello with a hole: %+v, want ok up to 4", r)
	}
	if r := c.send(t, "quay-01", c.batch(t, l, 5, 6)); r.Code != wire.OK || r.Upto != 6 {
		t.Errorf("batch behind the hole: %+v, want ok up to 6", r)
	}
	// The lost records turn up after all: kept aside, told so, not counted.
	if r := c.send(t, "quay-01", c.batch(t, l, 3, 4)); r.Code != wire.Quarantined || r.Upto != 6 ||
		len(r.Quarantined) != 1 || r.Quarantined[0].From != 3 || r.Quarantined[0].To != 4 {
		t.Errorf("batch within the hole: %+v, want 3 and 4 quarantined, up to 6", r)
	}
	h, err := c.store.Hall(t.Context(), storetest.Noon())
	if err != nil {
		t.Fatal(err)
	}
	got := h.Terminals[0]
	if got.Warning != "hole" || got.Next != 7 || got.Upto != 6 || !got.Online || got.Software != "test" {
		t.Errorf("terminal is %+v", got)
	}
	c.holds(t, score.Counts{0, 0, 0, 0, 4})
}

func TestAnOldHelloStopsNobody(t *testing.T) {
	c := open(t, false, nil)
	l := line(t, c, "quay-01", 2)
	h := l.Hello()
	old := l.Seal(c.codec, wire.HelloType, h.Encode)
	l.Cast(5)
	c.send(t, "quay-01", c.batch(t, l, 1, 3))
	// A line that ends too early may be a card rolled back; it is told so, every time.
	if r := c.send(t, "quay-01", old); r.Code != wire.Fork {
		t.Errorf("shorter line: %+v, want fork", r)
	}
	// But it may be the same message sent twice: the true terminal goes on.
	l.Cast(5)
	if r := c.send(t, "quay-01", c.batch(t, l, 4, 4)); r.Code != wire.OK {
		t.Errorf("batch after an old hello: %+v, want ok", r)
	}
	c.holds(t, score.Counts{0, 0, 0, 0, 4})
}

func TestAHelloWithAnotherHistoryIsAFork(t *testing.T) {
	for name, change := range map[string]func(*wire.Hello){
		"shorter": func(h *wire.Hello) { h.Next, h.Head = 3, seal.Head{1} },
		"as long": func(h *wire.Hello) { h.Head = seal.Head{1} },
	} {
		c := open(t, false, nil)
		l := line(t, c, "quay-01", 4)
		c.send(t, "quay-01", c.batch(t, l, 1, 4))
		for _, change := range []func(*wire.Hello){change, nil} { // the second is the true one
			if r := c.hello(t, l, change); r.Code != wire.Fork || r.Upto != 4 {
				t.Errorf("%s: %+v, want fork", name, r)
			}
		}
		c.holds(t, score.Counts{0, 0, 0, 0, 4})
		c.stop()
	}
}

func TestLostAndUnreadableBodies(t *testing.T) {
	c := open(t, false, nil)
	l := line(t, c, "quay-01", 1)
	l.Append(wire.Item{Digest: seal.Of([]byte("gone"))}, 1)
	junk := []byte{0xa1, 0x00, 0x09}
	l.Append(wire.Item{Body: junk, Digest: seal.Of(junk)}, 0)
	l.Cast(4)
	r := c.send(t, "quay-01", c.batch(t, l, 1, 4))
	q := r.Quarantined
	if r.Code != wire.Quarantined || r.Upto != 4 || len(q) != 2 || q[0].From != 2 || q[1].To != 3 {
		t.Errorf("receipt is %+v, want quarantined 2 and 3 up to 4", r)
	}
	c.holds(t, score.Counts{0, 0, 0, 1, 1})
}

func TestTimesAreResolved(t *testing.T) {
	c := open(t, false, nil)
	l := storetest.NewLine(t, "quay-01").Register(c.store)
	noon := storetest.Noon()
	at := func(wall time.Time, synced bool, boot uint32, since time.Duration) uint64 {
		return l.Add(vote.Record{Cast: storetest.Press(5), At: vote.Stamp{WallMS: wall.UnixMilli(), Synced: synced,
			Boot: boot, SinceMS: uint64(since.Milliseconds())}})
	}
	l.Now = vote.Stamp{WallMS: 0, Boot: 1, SinceMS: 60_000}
	c.hello(t, l, nil) // boot 1 was a minute before noon
	at(time.UnixMilli(0), false, 1, 30*time.Second)
	at(time.UnixMilli(0), false, 2, 10*time.Second)
	at(noon.Add(-time.Second), true, 2, 9*time.Second)
	at(noon.Add(-time.Hour), true, 2, 9*time.Second)
	at(time.UnixMilli(0), false, 3, 0)
	at(noon.Add(-time.Hour), true, 3, 0)
	at(time.UnixMilli(0), true, 3, 0)
	at(noon.Add(time.Hour), true, 3, 0)
	at(time.UnixMilli(0), false, 2, 11*time.Second) // later than the message that carries it
	l.Now = vote.Stamp{Boot: 2, SinceMS: 10_000}
	if r := c.send(t, "quay-01", c.batch(t, l, 1, l.Len())); r.Code != wire.OK {
		t.Fatalf("receipt is %+v", r)
	}
	votes, err := c.store.Votes(t.Context(), 0, 100)
	if err != nil || len(votes) != 9 {
		t.Fatal(votes, err)
	}
	for i, want := range []struct {
		at time.Time
		q  org.Quality
	}{
		{noon.Add(-30 * time.Second), org.Anchored}, {noon, org.Anchored}, {noon.Add(-time.Second), org.Exact},
		{noon.Add(-time.Second), org.Anchored}, {time.Time{}, org.NoTime}, {noon.Add(-time.Hour), org.Exact},
		{time.Time{}, org.NoTime}, {time.Time{}, org.NoTime}, {time.Time{}, org.NoTime},
	} {
		if !votes[i].At.Equal(want.at) || votes[i].Quality != want.q {
			t.Errorf("vote %d is at %v (%s), want %v (%s)", i+1, votes[i].At, votes[i].Quality, want.at, want.q)
		}
	}
	h, err := c.store.Hall(t.Context(), noon)
	if err != nil || h.Unclocked != 4 || h.Today != 5 || h.ByHour[11]+h.ByHour[12] != 5 {
		t.Errorf("hall is %+v, %v, want 4 votes without a time and 5 today", h, err)
	}
	c.holds(t, score.Counts{0, 0, 0, 0, 9})
}

// brokenStore cannot write.
type brokenStore struct {
	ingest.Store
	mu   sync.Mutex // guards full
	full bool
}

func (b *brokenStore) File(ctx context.Context, f org.Filing) (org.Position, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.full {
		return org.Position{}, errors.New("disk full")
	}
	return b.Store.File(ctx, f)
}

func TestBusyWhenTheDiskIsFull(t *testing.T) {
	b := &brokenStore{full: true}
	c := open(t, false, func(s ingest.Store) ingest.Store { b.Store = s; return b })
	l := line(t, c, "quay-01", 1)
	raw := c.batch(t, l, 1, 1)
	if r := c.send(t, "quay-01", raw); r.Code != wire.Busy || r.RetryAfter != 5*time.Second {
		t.Errorf("receipt is %+v, want busy for 5 s", r)
	}
	b.mu.Lock()
	b.full = false
	b.mu.Unlock()
	if r := c.send(t, "quay-01", raw); r.Code != wire.OK {
		t.Errorf("receipt is %+v, want ok", r)
	}
	c.holds(t, score.Counts{0, 0, 0, 0, 1})
}

func TestAFullLineIsToldAndAStopDrains(t *testing.T) {
	b := &brokenStore{}
	c := open(t, false, func(s ingest.Store) ingest.Store { b.Store = s; return b })
	l := line(t, c, "quay-01", 1)
	raw := c.batch(t, l, 1, 1)
	b.mu.Lock() // the disk hangs
	const sent = 100
	for range sent {
		c.Handle(t.Context(), "quay-01", wire.Up, raw, storetest.Noon()) // must not wait
	}
	if r := c.receipt(t, raw); r.Code != wire.Busy {
		t.Errorf("receipt is %+v, want busy", r)
	}
	b.mu.Unlock()
	c.stop()
	if n := uint64(len(c.receipts)) + 1 + c.Counters().Dropped; n != sent {
		t.Errorf("%d messages answered or counted as dropped, want %d", n, sent)
	}
	c.Handle(t.Context(), "quay-01", wire.Up, raw, storetest.Noon())
	if n := c.Counters(); n.Ignored != 1 {
		t.Errorf("counters are %+v, want one ignored after the end", n)
	}
	c.holds(t, score.Counts{0, 0, 0, 0, 1})
}

func TestStatus(t *testing.T) {
	c := open(t, false, nil)
	l, other := line(t, c, "quay-01", 0), line(t, c, "quay-02", 0)
	status := func(from *storetest.Line, topic string, online bool) {
		s := wire.Status{Terminal: l.ID, Online: online}
		c.Handle(t.Context(), topic, wire.StatusTopic, from.Seal(c.codec, wire.StatusType, s.Encode), storetest.Noon())
	}
	online := func() bool {
		c.hello(t, other, nil) // any answer of another line proves nothing; so ask the line itself
		h, err := c.store.Hall(t.Context(), storetest.Noon())
		if err != nil {
			t.Fatal(err)
		}
		return h.Terminals[0].Online
	}
	changed := c.store.Subscribe(t.Context())
	status(l, "quay-01", true)
	<-changed
	if !online() {
		t.Error("terminal said online and is not")
	}
	drain(changed)
	status(other, "quay-01", false) // forged
	status(l, "quay-02", false)     // by another's topic
	status(other, "quay-02", false) // in another's name
	c.Handle(t.Context(), "quay-01", wire.HealthTopic, []byte("x"), storetest.Noon())
	c.Handle(t.Context(), "No-Such", wire.Up, []byte("x"), storetest.Noon())
	for _, topic := range []string{"quay-01", "quay-02"} {
		c.send(t, topic, []byte("garbage")) // when it is answered, all before it in its line were looked at
	}
	if !online() {
		t.Error("a forged last will was believed")
	}
	drain(changed)
	status(l, "quay-01", false)
	<-changed
	c.send(t, "quay-01", []byte("garbage"))
	if online() {
		t.Error("terminal said offline and is online")
	}
	if n := c.Counters(); n.Ignored != 2 {
		t.Errorf("counters are %+v, want two ignored", n)
	}
}

func drain(c <-chan struct{}) {
	select {
	case <-c:
	default:
	}
}
