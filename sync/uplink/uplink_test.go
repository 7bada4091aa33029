package uplink

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"hailong/sync/seal"
	"hailong/sync/wire"
	"hailong/vote"
)

const terminal vote.TerminalID = "quay-01"

var epoch = seal.Epoch{7}

// memory is a queue that forgets nothing, only marks.
type memory struct {
	mu     sync.Mutex
	bodies [][]byte
	upto   uint64
	more   chan struct{}
	fail   error // of Look
	full   error // of Receipted
}

func newMemory(n int) *memory {
	m := &memory{more: make(chan struct{}, 1)}
	for range n {
		m.add()
	}
	return m
}

func (m *memory) add() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.bodies = append(m.bodies, fmt.Appendf(nil, "record %d", len(m.bodies)+1))
	select {
	case m.more <- struct{}{}:
	default:
	}
}

func (m *memory) head(upto uint64) seal.Head {
	h := seal.Start(string(terminal), epoch)
	for i := range upto {
		h = h.Next(i+1, seal.Of(m.bodies[i]))
	}
	return h
}

func (m *memory) Line() Line {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := uint64(len(m.bodies))
	return Line{Epoch: epoch, Next: n + 1, Head: m.head(n), Upto: m.upto, Oldest: 1, Before: m.head(0)}
}

func (m *memory) Look(from uint64, records, _ int) (Run, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return Run{}, m.fail
	}
	to := min(uint64(len(m.bodies)), from-1+uint64(records))
	var items []wire.Item
	for _, b := range m.bodies[from-1 : to] {
		items = append(items, wire.Item{Body: b, Digest: seal.Of(b)})
	}
	return Run{First: from, Prev: m.head(from - 1), Head: m.head(to), Items: items}, nil
}

func (m *memory) Receipted(_ context.Context, upto uint64, head seal.Head, _ time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if upto > uint64(len(m.bodies)) || m.head(upto) != head {
		return ErrNotOurs
	}
	if m.full != nil {
		return m.full
	}
	m.upto = max(m.upto, upto)
	return nil
}

func (m *memory) Rewind(_ context.Context, upto uint64, head seal.Head) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.head(upto) != head {
		return ErrNotOurs
	}
	m.upto = upto
	return nil
}

func (m *memory) More() <-chan struct{} { return m.more }

// centre is a broker and a collector in one: it files in memory and answers as told.
type centre struct {
	codec *wire.Codec
	key   ed25519.PrivateKey // its own
	theirs,
	other ed25519.PrivateKey

	mu                sync.Mutex
	down              bool // refuses connections
	mute              bool // takes messages and says nothing
	bend              func(*wire.Receipt)
	filed             [][]byte
	signs             int // of life
	heard             []wire.Type
	anchors, salvaged int // messages that name a boot; hellos that say salvaged
	dials             []time.Time
	ups               []time.Time
	conn              *fakeConn
}

type fakeConn struct {
	c      *centre
	handle func(string, []byte)
	lost   chan struct{}
	once   sync.Once
}

func (f *fakeConn) Lost() <-chan struct{} { return f.lost }
func (f *fakeConn) Close() error          { f.once.Do(func() { close(f.lost) }); return nil }

func (f *fakeConn) Publish(_ context.Context, topic string, raw []byte) error {
	if topic != wire.Topic(terminal, wire.Up) {
		f.c.mu.Lock()
		defer f.c.mu.Unlock()
		f.c.signs++
		return nil
	}
	if answer := f.c.take(raw); answer != nil {
		f.handle(wire.Topic(terminal, wire.ReceiptTopic), answer)
	}
	return nil
}

func newCentre() *centre {
	key := func(b byte) ed25519.PrivateKey { return ed25519.NewKeyFromSeed(slices.Repeat([]byte{b}, 32)) }
	return &centre{codec: wire.NewCodec(), key: key(1), theirs: key(2), other: key(3)}
}

func (c *centre) dial(_ context.Context, _ []byte, handle func(string, []byte)) (Conn, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dials = append(c.dials, time.Now())
	if c.down {
		return nil, errors.New("connection refused")
	}
	c.conn = &fakeConn{c: c, handle: handle, lost: make(chan struct{})}
	return c.conn, nil
}

func (c *centre) take(raw []byte) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ups = append(c.ups, time.Now())
	if c.mute {
		return nil
	}
	kind, payload, err := c.codec.Open(raw, c.theirs.Public().(ed25519.PublicKey))
	if err != nil {
		panic(err)
	}
	r := wire.Receipt{Terminal: terminal, Epoch: epoch, Answers: wire.IDOf(raw), Code: wire.OK}
	switch kind {
	case wire.HelloType:
		h, err := wire.DecodeHello(payload)
		if err != nil {
			panic(err)
		}
		r.Nonce = &h.Nonce
		c.hears(kind, h.Now, h.Salvaged)
	case wire.BatchType:
		b, err := wire.DecodeBatch(payload)
		if err != nil {
			panic(err)
		}
		c.hears(kind, b.Now, false)
		for i, item := range b.Items {
			if b.First+uint64(i) == uint64(len(c.filed))+1 {
				c.filed = append(c.filed, item.Body)
			}
		}
	}
	r.Upto, r.Head = uint64(len(c.filed)), c.head(len(c.filed))
	if c.bend != nil {
		c.bend(&r)
	}
	return c.seal(r, c.key)
}

func (c *centre) hears(kind wire.Type, now vote.Stamp, salvaged bool) {
	c.heard = append(c.heard, kind)
	if now.Boot != 0 {
		c.anchors++
	}
	if salvaged {
		c.salvaged++
	}
}

func (c *centre) head(n int) seal.Head {
	h := seal.Start(string(terminal), epoch)
	for i := range n {
		h = h.Next(uint64(i)+1, seal.Of(c.filed[i]))
	}
	return h
}

func (c *centre) seal(r wire.Receipt, key ed25519.PrivateKey) []byte {
	payload, err := r.Encode()
	if err != nil {
		panic(err)
	}
	raw, err := c.codec.Seal(wire.ReceiptType, payload, key)
	if err != nil {
		panic(err)
	}
	return raw
}

func (c *centre) set(f func(*centre)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f(c)
}

func (c *centre) count() (filed, dials, ups int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.filed), len(c.dials), len(c.ups)
}

// story runs an uplink in a bubble where time passes by itself.
func story(t *testing.T, waiting int, tell func(t *testing.T, m *memory, c *centre, u *Uplink)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		m, c := newMemory(waiting), newCentre()
		u := New(Options{
			Terminal: terminal, Queue: m, Dial: c.dial, Codec: c.codec, Key: c.theirs,
			Collector: c.key.Public().(ed25519.PublicKey), Now: func() vote.Stamp { return vote.Stamp{} },
		})
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- u.Run(ctx) }()
		tell(t, m, c, u)
		stop()
		if err := <-done; err != nil && m.fail == nil {
			t.Errorf("Run() = %v, want nil", err)
		}
	})
}

// pass lets time go by in the bubble.
func pass(d time.Duration) { <-time.After(d); synctest.Wait() }

func TestWhatWaitsArrivesInOrderOnce(t *testing.T) {
	story(t, 1234, func(t *testing.T, m *memory, c *centre, u *Uplink) {
		pass(time.Second)
		if filed, _, ups := c.count(); filed != 1234 || ups != 4 || m.Line().Upto != 1234 {
			t.Errorf("filed %d in %d messages, receipted %d; want 1234 in a hello and 3 batches",
				filed, ups, m.Line().Upto)
		}
		m.add()
		pass(time.Millisecond)
		if filed, _, _ := c.count(); filed != 1235 || !slices.EqualFunc(c.filed, m.bodies, slices.Equal) {
			t.Errorf("filed %d, want 1235 equal to the queue's", filed)
		}
		if s := u.Status(); !s.Connected || len(s.Warnings) != 0 || s.Tries != 0 {
			t.Errorf("status %+v, want connected without warnings", s)
		}
	})
}

func TestNothingIsForgottenWithoutAReceipt(t *testing.T) {
	story(t, 10, func(t *testing.T, m *memory, c *centre, u *Uplink) {
		c.set(func(c *centre) { c.mute = true })
		pass(91 * time.Second)
		_, dials, ups := c.count()
		if m.Line().Upto != 0 || ups < 3 || ups > 5 {
			t.Errorf("receipted %d after %d hellos, want 0 after 3 to 5 (10 s, 20 s, 40 s)", m.Line().Upto, ups)
		}
		pass(10 * time.Minute)
		if _, again, _ := c.count(); again <= dials {
			t.Errorf("%d connections after ten silent minutes, want a new one every 90 s or so", again)
		}
		c.set(func(c *centre) { c.mute = false })
		pass(10 * time.Minute)
		if filed, _, _ := c.count(); filed != 10 || m.Line().Upto != 10 {
			t.Errorf("filed %d, receipted %d, want 10", filed, m.Line().Upto)
		}
	})
}

func TestASilentCentreIsLeftAfterNinetySeconds(t *testing.T) {
	story(t, 1, func(t *testing.T, m *memory, c *centre, u *Uplink) {
		pass(5*time.Minute + time.Second) // idle for long: the last receipt is old, and that is no silence
		c.set(func(c *centre) { c.mute = true })
		_, dials, before := c.count()
		m.add()
		pass(60 * time.Second)
		if _, d, ups := c.count(); d != dials || ups < before+2 {
			t.Errorf("after 60 s: %d connections, %d messages; want the first connection and repetitions",
				d, ups-before)
		}
		pass(32 * time.Second) // 90 s and the pause before the next connection
		if _, d, _ := c.count(); d != dials+1 {
			t.Errorf("after 92 s: %d connections, want a second one", d)
		}
	})
}

func TestAWeekWithoutTheCentre(t *testing.T) {
	story(t, 0, func(t *testing.T, m *memory, c *centre, u *Uplink) {
		c.set(func(c *centre) { c.down = true })
		for range 7 * 24 {
			m.add()
			pass(time.Hour)
		}
		_, dials, _ := c.count()
		if most := 7 * 24 * 60; dials > most || dials < 7*24*12 {
			t.Errorf("%d connections tried in a week, want one every 2.5 minutes on the average", dials)
		}
		c.set(func(c *centre) { c.down = false })
		pass(6 * time.Minute)
		if filed, _, _ := c.count(); filed != 7*24 || !slices.EqualFunc(c.filed, m.bodies, slices.Equal) {
			t.Errorf("filed %d, want %d in order", filed, 7*24)
		}
	})
}

func TestForgedReceiptsChangeNothing(t *testing.T) {
	story(t, 3, func(t *testing.T, m *memory, c *centre, u *Uplink) {
		c.set(func(c *centre) { c.mute = true })
		pass(time.Second)
		forge := func(key ed25519.PrivateKey, bend func(*wire.Receipt)) {
			r := wire.Receipt{Terminal: terminal, Epoch: epoch, Code: wire.OK, Upto: 3, Head: m.head(3)}
			bend(&r)
			c.conn.handle(wire.Topic(terminal, wire.ReceiptTopic), c.seal(r, key))
			synctest.Wait()
		}
		forge(c.other, func(*wire.Receipt) {})
		forge(c.key, func(r *wire.Receipt) { r.Terminal = "quay-02" })
		forge(c.key, func(r *wire.Receipt) {}) // signed, but answers nothing of ours
		forge(c.key, func(r *wire.Receipt) { r.Code = wire.Unknown })
		c.conn.handle(wire.Topic(terminal, wire.ReceiptTopic), []byte("rubbish"))
		synctest.Wait()
		if got := m.Line().Upto; got != 0 {
			t.Fatalf("forgot up to %d on a forged receipt", got)
		}
		c.set(func(c *centre) { c.mute = false })
		pass(2 * time.Minute)
		if got := m.Line().Upto; got != 3 {
			t.Errorf("receipted %d after the true receipts, want 3", got)
		}
	})
}

func TestOnlyAHelloTakesReceiptsBack(t *testing.T) {
	story(t, 20, func(t *testing.T, m *memory, c *centre, u *Uplink) {
		pass(time.Second)
		// The centre comes back from a backup with 5 records and the terminal has one more.
		c.set(func(c *centre) { c.filed = c.filed[:5] })
		c.set(func(c *centre) { c.bend = func(r *wire.Receipt) { r.Code = wire.Gap } })
		m.add()
		pass(time.Second)
		if filed, _, _ := c.count(); filed != 21 || m.Line().Upto != 21 {
			t.Errorf("filed %d, receipted %d, want 21: a gap must lead to a hello and a rewind", filed, m.Line().Upto)
		}
	})
	story(t, 20, func(t *testing.T, m *memory, c *centre, u *Uplink) {
		pass(time.Second)
		c.set(func(c *centre) { c.bend = func(r *wire.Receipt) { r.Nonce, r.Upto, r.Head = nil, 5, m.head(5) } })
		m.add()
		pass(time.Second)
		if got := m.Line().Upto; got < 20 {
			t.Errorf("a receipt without the hello's nonce lowered the mark to %d", got)
		}
	})
}

func TestAReceiptOfAnotherChainIsRefused(t *testing.T) {
	story(t, 5, func(t *testing.T, m *memory, c *centre, u *Uplink) {
		c.set(func(c *centre) { c.bend = func(r *wire.Receipt) { r.Head[0] ^= 1 } })
		pass(time.Second)
		if s := u.Status(); m.Line().Upto != 0 || len(s.Warnings) != 1 || s.Warnings[0].Code != warnMismatch {
			t.Errorf("receipted %d, warnings %v, want 0 and %s", m.Line().Upto, s.Warnings, warnMismatch)
		}
	})
}

func TestCodesThatStop(t *testing.T) {
	for _, c := range []struct {
		code    wire.Code
		warning string
		resumes time.Duration
	}{
		{wire.Unknown, warnUnknown, 80 * time.Minute},
		{wire.BadVersion, warnVersion, 80 * time.Minute},
		{wire.Fork, warnFork, 15 * time.Minute},
		{wire.Busy, "", 3 * time.Second},
	} {
		story(t, 5, func(t *testing.T, m *memory, centre *centre, u *Uplink) {
			centre.set(func(o *far) { o.bend = func(r *wire.Receipt) { r.Code = c.code } })
			pass(time.Second / 2)
			s := u.Status()
			if m.Line().Upto != 0 || (c.warning == "") != (len(s.Warnings) == 0) ||
				c.warning != "" && s.Warnings[0].Code != c.warning {
				t.Errorf("%s: receipted %d, warnings %v", c.code, m.Line().Upto, s.Warnings)
			}
			centre.set(func(o *far) { o.bend = nil })
			pass(c.resumes)
			if s := u.Status(); m.Line().Upto != 5 || len(s.Warnings) != 0 {
				t.Errorf("%s: receipted %d after the cause was gone, warnings %v", c.code, m.Line().Upto, s.Warnings)
			}
		})
	}
}

type far = centre

func TestAnIdleTerminalShowsThatItLives(t *testing.T) {
	story(t, 0, func(t *testing.T, m *memory, c *centre, u *Uplink) {
		pass(9 * time.Minute)
		c.mu.Lock()
		signs := c.signs
		c.mu.Unlock()
		if signs < 8 || signs > 12 {
			t.Errorf("%d signs of life in nine idle minutes, want about one a minute", signs)
		}
	})
}

func TestAReceiptThatFindsNoRoomComesAgain(t *testing.T) {
	story(t, 5, func(t *testing.T, m *memory, c *centre, u *Uplink) {
		m.mu.Lock()
		m.full = fmt.Errorf("%w: disk full", ErrNoRoom)
		m.mu.Unlock()
		pass(5 * time.Minute)
		s := u.Status()
		if !s.Connected || m.Line().Upto != 0 || len(s.Warnings) != 1 || s.Warnings[0].Code != warnNoRoom {
			t.Errorf("status %+v, receipted %d; want a warning and a living link", s, m.Line().Upto)
		}
		m.mu.Lock()
		m.full = nil
		m.mu.Unlock()
		pass(5 * time.Minute)
		if s := u.Status(); m.Line().Upto != 5 || len(s.Warnings) != 0 {
			t.Errorf("receipted %d, warnings %v after there was room", m.Line().Upto, s.Warnings)
		}
	})
}

func TestABrokenDiskEndsTheUplink(t *testing.T) {
	story(t, 5, func(t *testing.T, m *memory, c *centre, u *Uplink) {
		pass(time.Second)
		m.mu.Lock()
		m.fail = errors.New("input/output error")
		m.mu.Unlock()
		m.add()
		pass(time.Second)
		if filed, _, _ := c.count(); filed != 5 {
			t.Errorf("filed %d, want 5", filed)
		}
	})
}

// Spread of the full jitter: 1,000 terminals that lose their broker at once.
func TestReconnectsSpread(t *testing.T) {
	bins := make([]int, 64) // seconds: 1 s · 2⁶
	for range 1000 {
		bins[int(fullJitter(time.Second, 5*time.Minute, 6)/time.Second)%64]++
	}
	for i, n := range bins {
		if mean := 1000.0 / 64; float64(n) > 3*mean {
			t.Errorf("second %d: %d of 1000 terminals, want at most three times the mean of %.0f", i, n, mean)
		}
	}
}
