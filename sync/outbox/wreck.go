package outbox

import (
	"hailong/sync/outbox/layout"
	"hailong/sync/seal"
	"hailong/vote"
)

// Salvage reads a damaged box for whatever can be read of it: unreadable stretches are zeros.
func Salvage(path string) ([]byte, error) { return layout.Salvage(path) }

// Points finds every state of a terminal's line in the bytes of a file, of which bbolt leaves old copies behind, and
// hands on where it stood and with which chain: at the last record, the last receipted and the last forgotten one.
func Points(file []byte, terminal vote.TerminalID, epoch seal.Epoch, found func(seq uint64, head seal.Head)) {
	layout.Points(file, layout.Owner{Terminal: terminal, Epoch: epoch}, found)
}
