package store_test

import (
	"fmt"
	"os"
	"sync"
	"testing"

	"hailong/collector/org"
	"hailong/collector/store"
	"hailong/collector/store/storetest"
	"hailong/sync/wire"
	"hailong/vote"
)

// BenchmarkFile files batches of 11 terminals, one after the other and at once. "at once" lets one
// fsync serve several batches.
func BenchmarkFile(b *testing.B) {
	for _, size := range []uint64{1, 500} {
		for _, together := range []bool{false, true} {
			name := fmt.Sprintf("batch=%d/together=%v", size, together)
			b.Run(name, func(b *testing.B) { fileAll(b, size, together) })
		}
	}
}

func fileAll(b *testing.B, size uint64, together bool) {
	const terminals, batches = 11, 10
	var votes, bytes int64
	for b.Loop() {
		b.StopTimer()
		s, path := storetest.Open(b, false)
		filings := make([][]org.Filing, terminals)
		for i := range filings {
			filings[i] = prepare(b, storetest.NewLine(b, fmt.Sprintf("quay-%02d", i)).Register(s), size, batches)
		}
		b.StartTimer()
		var group sync.WaitGroup
		for _, own := range filings {
			group.Go(func() { fileOwn(b, s, own) })
			if !together {
				group.Wait()
			}
		}
		group.Wait()
		b.StopTimer()
		votes += terminals * batches * int64(size)
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil {
			b.Fatal(err)
		}
		bytes += info.Size()
		b.StartTimer()
	}
	b.ReportMetric(float64(votes)/b.Elapsed().Seconds(), "votes/s")
	b.ReportMetric(float64(bytes)/float64(votes), "bytes/vote") // with batch=1 mostly the empty tables
}

func fileOwn(t testing.TB, s *store.Store, own []org.Filing) {
	for _, f := range own {
		if _, err := s.File(t.Context(), f); err != nil {
			t.Error(err)
		}
	}
}

// prepare makes batches of presses, one every 1.7 seconds of one boot.
func prepare(b *testing.B, l *storetest.Line, size, batches uint64) (filings []org.Filing) {
	codec := wire.NewCodec()
	for n := range batches * size {
		press := storetest.Press(vote.Level(n*n%5 + 1))
		wall := l.Now.WallMS - 9_000_000 + int64(n)*1_700
		l.Add(vote.Record{Cast: press, At: vote.Stamp{WallMS: wall, Synced: true, Boot: 1, SinceMS: n * 1_700}})
	}
	l.Now.SinceMS = 9_000_000
	for n := range batches {
		filings = append(filings, l.Filing(codec, l.Batch(n*size+1, (n+1)*size), storetest.Noon()))
	}
	return filings
}
