package main

import (
	"math/rand/v2"
	"os"
	"slices"

	"hailong/sync/seal"
)

// page is bbolt's, which takes the system's; sector is a disk's.
const sector = 512

// kind is a way to break a file. old is the file as it was some records ago.
type kind struct {
	name string
	do   func(r *rand.Rand, now, old []byte) []byte
}

func kinds() []kind {
	return []kind{
		{"bit flips", flips},
		{"truncation", func(r *rand.Rand, now, _ []byte) []byte { return now[:r.IntN(len(now))] }},
		{"pages swapped", swap},
		{"pages zeroed", func(r *rand.Rand, now, _ []byte) []byte { return over(r, now, page(), nil) }},
		{"sectors zeroed", func(r *rand.Rand, now, _ []byte) []byte { return over(r, now, sector, nil) }},
		{"pages of rubbish", func(r *rand.Rand, now, _ []byte) []byte { return over(r, now, page(), r) }},
		{"meta rolled back", func(_ *rand.Rand, now, old []byte) []byte {
			copy(now, old[:min(len(old), 2*page())])
			return now
		}},
		{"newer meta zeroed", newerMeta},
		{"pages rolled back", func(r *rand.Rand, now, old []byte) []byte {
			for range 1 + r.IntN(3) {
				at := page() * r.IntN(len(old)/page())
				copy(now[at:], old[at:at+page()])
			}
			return now
		}},
		{"an end of rubbish", func(r *rand.Rand, now, _ []byte) []byte {
			return over(r, append(now[:r.IntN(len(now))], make([]byte, page())...), page(), r)
		}},
	}
}

func kindNames() (names []string) {
	for _, k := range kinds() {
		names = append(names, k.name)
	}
	return names
}

func page() int { return os.Getpagesize() }

func flips(r *rand.Rand, now, _ []byte) []byte {
	for range 1 + r.IntN(20) {
		now[r.IntN(len(now))] ^= 1 << r.IntN(8)
	}
	return now
}

func swap(r *rand.Rand, now, _ []byte) []byte {
	n := len(now) / page()
	a, b := now[page()*r.IntN(n):][:page()], now[page()*r.IntN(n):][:page()]
	was := slices.Clone(a)
	copy(a, b)
	copy(b, was)
	return now
}

// over writes zeros or rubbish over one to three pieces.
func over(r *rand.Rand, now []byte, size int, rubbish *rand.Rand) []byte {
	for range 1 + r.IntN(3) {
		piece := now[size*r.IntN(max(1, len(now)/size)):]
		piece = piece[:min(size, len(piece))]
		clear(piece)
		for i := range piece {
			if rubbish != nil {
				piece[i] = byte(rubbish.Uint32())
			}
		}
	}
	return now
}

// newerMeta takes the last commit back: bbolt then believes the other meta page.
func newerMeta(_ *rand.Rand, now, _ []byte) []byte {
	const txid = 16 + 48 // behind the page's head, behind magic, version, sizes, root, freelist and high water
	at := 0
	if slices.Compare(reversed(now[txid:txid+8]), reversed(now[page()+txid:page()+txid+8])) < 0 {
		at = page()
	}
	clear(now[at : at+page()])
	return now
}

// reversed makes bytes of a little-endian number comparable.
func reversed(b []byte) []byte {
	b = slices.Clone(b)
	slices.Reverse(b)
	return b
}

// haunt leaves a record in the file that nobody was ever thanked for, as a commit does that ran out of disk.
func haunt(now []byte, epoch seal.Epoch, seq uint64, body []byte) []byte {
	return seal.Frame(now, epoch, seq, body)
}
