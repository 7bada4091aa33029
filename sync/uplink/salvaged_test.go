package uplink

import (
	"context"
	"crypto/ed25519"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"hailong/sync/wire"
	"hailong/vote"
)

// salvage runs an uplink of what was left of an epoch to its end, and tells what the centre heard.
func salvage(
	t *testing.T, waiting int, bend func(*wire.Receipt),
) (m *memory, c *centre, took time.Duration, err error) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		m, c = newMemory(waiting), newCentre()
		c.bend = bend
		u := New(Options{
			Terminal: terminal, Queue: m, Dial: c.dial, Codec: c.codec, Key: c.theirs, Salvaged: true,
			Collector: c.key.Public().(ed25519.PublicKey), Now: func() vote.Stamp { return vote.Stamp{Boot: 3} },
		})
		began := time.Now()
		err = u.Run(context.Background())
		took = time.Since(began)
	})
	return m, c, took, err
}

func TestWhatWasSalvagedEndsWithAHello(t *testing.T) {
	m, c, _, err := salvage(t, 700, nil)
	if err != nil || len(c.filed) != 700 || m.upto != 700 {
		t.Errorf("%v: %d filed, %d receipted, want 700", err, len(c.filed), m.upto)
	}
	if len(c.heard) != 4 || c.heard[0] != wire.HelloType || c.heard[3] != wire.HelloType {
		t.Errorf("heard %v, want a hello, two batches and a hello", c.heard)
	}
	if c.anchors != 0 || c.salvaged != 2 {
		t.Errorf("%d messages with a boot, %d hellos that say salvaged; want 0 and 2", c.anchors, c.salvaged)
	}
}

func TestARefusalGivesTheLivingLineItsTurn(t *testing.T) {
	for _, code := range []wire.Code{wire.Fork, wire.Unknown, wire.BadVersion} {
		_, c, took, err := salvage(t, 5, func(r *wire.Receipt) { r.Code = code })
		if !errors.Is(err, ErrRefused) || took > time.Minute || len(c.filed) != 0 {
			t.Errorf("%s: %v after %v", code, err, took)
		}
	}
}

func TestACentreThatNeverAdvancesIsGivenUp(t *testing.T) {
	_, _, took, err := salvage(t, 5, func(r *wire.Receipt) { r.Upto, r.Head = 0, newMemory(0).head(0) })
	if !errors.Is(err, ErrRefused) || took > time.Hour {
		t.Errorf("%v after %v", err, took)
	}
}
