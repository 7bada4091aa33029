package wire

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"hailong/sync/seal"
	"hailong/vote"
)

// day is a batch of casts as one counter writes them: mostly content people, a few minutes apart,
// two officers in turn.
func day(casts int) Batch {
	b := Batch{
		Terminal: goldenID, Epoch: goldenEpoch, First: 4711,
		Prev: seal.Start(string(goldenID), goldenEpoch),
	}
	dice := rand.New(rand.NewPCG(1, 2))
	since := uint64(30000)
	for i := range casts {
		since += 20000 + uint64(dice.ExpFloat64()*160000)
		level := vote.Level(1)
		for roll := dice.Float64(); level < 5 && roll > []float64{0.03, 0.07, 0.15, 0.45}[level-1]; {
			level++
		}
		b.Items = append(b.Items, whole(vote.Record{At: at(since), Cast: &vote.Cast{
			Level: level, Survey: "mac-dinh", SurveyVersion: 1, Layout: "5-row", Language: "vi", Channel: vote.Button,
			Counter: "quay-03", Officer: []string{"cb-017", "cb-022"}[i/250%2],
		}}))
		b.Tally[level-1]++
	}
	b.Now = at(since + 1000)
	b.Head = b.Prev
	for i, item := range b.Items {
		b.Head = b.Head.Next(b.First+uint64(i), item.Digest)
	}
	return b
}

func whole(r vote.Record) Item {
	body := must(EncodeRecord(r))
	return Item{Body: body, Digest: seal.Of(body)}
}

// A terminal on a metered line pays for every vote.
func TestAVoteIsSmallOnTheWire(t *testing.T) {
	raw, err := NewCodec().Seal(BatchType, must(day(MaxRecords).Encode()), terminalKey)
	if err != nil {
		t.Fatal(err)
	}
	got := float64(len(raw)) / MaxRecords
	t.Logf("%.2f bytes a vote, everything included: %d bytes for %d", got, len(raw), MaxRecords)
	if got > 12 {
		t.Errorf("%.2f bytes a vote, want at most 12", got)
	}
}

// The largest batches either fit every limit or are ErrSize; halving always leads to one that fits.
func TestLargestBatches(t *testing.T) {
	codec := NewCodec()
	noise := make([]byte, vote.MaxSealed)
	rand.NewChaCha8([32]byte{1}).Read(noise)
	detail := whole(vote.Record{At: at(1), Detail: &vote.Detail{Cast: 1, Sealed: noise}})
	for _, c := range []struct {
		name string
		item Item
	}{
		{"full details", detail},
		{"bodies of the largest size", Item{Body: make([]byte, seal.MaxBody)}},
		{"lost bodies", Item{Digest: seal.Digest(noise)}},
	} {
		b := goldenBatch(t)
		for n := MaxRecords; ; n /= 2 {
			b.Items = make([]Item, n)
			for i := range b.Items {
				b.Items[i] = c.item
				// Every body its own: 500 times the same would be packed into nothing.
				if n := len(c.item.Body); n > 0 {
					b.Items[i].Body = make([]byte, n)
					rand.NewChaCha8([32]byte{byte(i), byte(i >> 8)}).Read(b.Items[i].Body)
				}
				rand.NewChaCha8([32]byte{byte(i), byte(i >> 8), 1}).Read(b.Items[i].Digest[:])
			}
			raw, err := codec.Seal(BatchType, must(b.Encode()), terminalKey)
			if errors.Is(err, ErrSize) && n > 1 {
				continue
			}
			if err != nil {
				t.Fatalf("%s: %d items: %v", c.name, n, err)
			}
			if _, _, err := codec.Open(raw, public(terminalKey)); err != nil {
				t.Errorf("%s: %d items sealed and not opened: %v", c.name, n, err)
			}
			t.Logf("%s: %d fit, %d bytes", c.name, n, len(raw))
			break
		}
	}
}

func BenchmarkBatch(b *testing.B) {
	codec := NewCodec()
	for _, n := range []int{1, 50, MaxRecords} {
		batch := day(n)
		raw := must(codec.Seal(BatchType, must(batch.Encode()), terminalKey))
		b.Run(fmt.Sprintf("write %d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				must(codec.Seal(BatchType, must(batch.Encode()), terminalKey))
			}
			b.ReportMetric(float64(len(raw))/float64(n), "B/vote")
		})
		b.Run(fmt.Sprintf("read %d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, payload, err := codec.Open(raw, public(terminalKey))
				if err != nil {
					b.Fatal(err)
				}
				got := must(DecodeBatch(payload))
				if _, ok := got.Chain(); !ok {
					b.Fatal("the chain does not hold")
				}
				for _, item := range got.Items {
					must(DecodeRecord(item.Body))
				}
			}
		})
	}
}
