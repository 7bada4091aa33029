package draft

import (
	"crypto/sha256"
	"encoding/binary"

	"hailong/sync/seal"
)

// Proof is a batch as it was signed, for the records it brought.
type Proof struct {
	No, Stream  int64
	First, Last uint64
	Prev        seal.Head // chain after record First−1
	ReceivedMS  int64
	Envelope    []byte
}

// Mark chains a proof to all that were filed before it, whatever their terminal: what no signature
// covers, the time of receipt and the order of filing, cannot be changed in one place alone.
func (p Proof) Mark(before []byte) []byte {
	digest := sha256.Sum256(p.Envelope)
	buf := append([]byte("hlp1"), before...)
	for _, n := range []uint64{uint64(p.No), uint64(p.Stream), p.First, p.Last, uint64(p.ReceivedMS)} {
		buf = binary.BigEndian.AppendUint64(buf, n)
	}
	sum := sha256.Sum256(append(append(buf, p.Prev[:]...), digest[:]...))
	return sum[:]
}
