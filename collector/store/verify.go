package store

import (
	"context"
	"fmt"

	"hailong/collector/store/check"
	"hailong/collector/store/db"
	"hailong/sync/wire"
)

// Difference is one thing that is not as it should be.
type Difference = check.Difference

// Summary counts what was checked.
type Summary = check.Summary

// Verify rebuilds records, votes and counts from the batches as terminals signed them and compares
// them with the tables. It looks at one state of the store; writing goes on beside it. Progress is
// told in proofs and may be nil.
func (s *Store) Verify(ctx context.Context, codec *wire.Codec, progress func(done, total int)) (
	differences []Difference, sum Summary, err error) {
	if progress == nil {
		progress = func(int, int) {}
	}
	err = s.db.Read(ctx, func(tx *db.Tx) error {
		differences, sum, err = check.Run(tx, codec, s.demo, progress)
		return err
	})
	if err != nil {
		return differences, sum, fmt.Errorf("verify store: %w", err)
	}
	return differences, sum, nil
}
