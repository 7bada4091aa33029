package outbox

import (
	"bytes"
	"cmp"
	"fmt"

	"go.etcd.io/bbolt"

	"hailong/sync/outbox/layout"
	"hailong/vote"
)

// Check reads a whole box and compares everything in it: pages, records, chain, ids and receipts. What is not as it
// was written is ErrDamaged. A broken page can make bbolt end the process or never come back, so this is for a
// process of its own, which somebody waits for.
func Check(path string) error {
	db, _, err := openBolt(path, Options{readOnly: true})
	if err != nil {
		return fmt.Errorf("check outbox %s: %w", path, err)
	}
	defer db.Close()
	err = layout.Guard(func() error { return db.View(check) })
	if err != nil {
		return fmt.Errorf("check outbox %s: %w", path, err)
	}
	return nil
}

// Owner tells whose box a file is, where it says so under its checksum.
func Owner(path string) (id vote.TerminalID, err error) {
	db, _, err := openBolt(path, Options{readOnly: true})
	if err != nil {
		return "", err
	}
	defer db.Close()
	err = layout.Guard(func() error {
		return db.View(func(tx *bbolt.Tx) error {
			o, _, err := layout.Read(tx)
			id = o.Terminal
			return err
		})
	})
	if err != nil {
		return "", err
	}
	return id, nil
}

func check(tx *bbolt.Tx) error {
	var broken error
	for err := range tx.Check() { // to its end, or its goroutine stays
		broken = fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if broken != nil {
		return broken
	}
	o, l, err := layout.Read(tx)
	if err != nil {
		return err
	}
	if _, _, err := layout.DecodeBoot(meta(tx).Get([]byte(layout.BootAt))); err != nil {
		return err
	}
	if l.Base.Seq > l.Upto.Seq || l.Upto.Seq > l.Last.Seq || records(tx).Stats().KeyN != int(l.Last.Seq-l.Base.Seq) {
		return fmt.Errorf("%w: records %d to %d, receipted up to %d, are not what is there", ErrDamaged,
			l.Base.Seq+1, l.Last.Seq, l.Upto.Seq)
	}
	if err := checkRecords(tx, o, l); err != nil {
		return err
	}
	return layout.ReadMarks(tx).Check(l)
}

// checkRecords walks the line. An id that leads to another record would answer a press that was never kept.
func checkRecords(tx *bbolt.Tx, o layout.Owner, l line) error {
	var named int
	var wrong error
	visit := func(r layout.Kept) bool {
		if len(r.ID) == 0 {
			return true
		}
		named++
		if at := ids(tx).Get(r.ID); !bytes.Equal(at, layout.Key(r.Seq)) {
			wrong = fmt.Errorf("record %d: %w: its id leads to % x", r.Seq, ErrDamaged, at)
		}
		return wrong == nil
	}
	at := l.Base
	for _, to := range []point{l.Upto, l.Last} {
		end, err := layout.Walk(tx, o, at, to.Seq, visit)
		if err != nil || wrong != nil {
			return cmp.Or(err, wrong)
		}
		if end != to {
			return fmt.Errorf("record %d: %w: the chain ends elsewhere", to.Seq, ErrDamaged)
		}
		at = end
	}
	if n := ids(tx).Stats().KeyN; n != named {
		return fmt.Errorf("%w: %d ids of %d records", ErrDamaged, n, named)
	}
	return nil
}
