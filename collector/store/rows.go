package store

import (
	"hailong/collector/store/draft"
)

// prove keeps a proof and gives it its number.
func (c change) prove(p *draft.Proof) error {
	var before []byte
	if _, err := c.Get([]any{&p.No, &before}, `SELECT no, mark FROM proof ORDER BY no DESC LIMIT 1`); err != nil {
		return err
	}
	p.No++
	return c.Exec(`INSERT INTO proof (no, stream, first, last, prev, received_ms, mark, envelope)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
		p.No, p.Stream, int64(p.First), int64(p.Last), p.Prev[:], p.ReceivedMS, p.Mark(before), p.Envelope)
}

// vote reads a vote that was filed earlier.
func (c change) vote(stream int64, seq uint64) (*draft.Vote, error) {
	v := &draft.Vote{}
	into, done := v.Into()
	ok, err := c.Get(into, `SELECT `+draft.Columns+` FROM vote WHERE stream = $1 AND seq = $2`, stream, int64(seq))
	if err != nil || !ok {
		return nil, err
	}
	done()
	return v, nil
}

// rows puts a draft into the tables.
func (c change) rows(stream, proof int64, d *draft.Draft) error {
	records := make([][]any, len(d.Records))
	for i, r := range d.Records {
		var why any
		if r.Why != "" {
			why = r.Why
		}
		records[i] = []any{stream, int64(r.Seq), r.Kind, proof, r.Digest[:], why}
	}
	votes := make([][]any, len(d.Added))
	for i, v := range d.Added {
		votes[i] = append([]any{stream}, v.Values()...)
	}
	err := c.Insert("record", "stream, seq, kind, proof, digest, why", records)
	if err == nil {
		err = c.Insert("vote", "stream, "+draft.Columns, votes)
	}
	if err != nil {
		return err
	}
	for seq, v := range d.Changed {
		if err := c.Exec(`UPDATE vote SET level = $1, contested = $2, ignored = $3, reasons = $4
			WHERE stream = $5 AND seq = $6`,
			v.Level, v.Contested, v.Ignored, v.Reasons, stream, int64(seq)); err != nil {
			return err
		}
	}
	for _, e := range d.Events {
		if err := c.Exec(`INSERT INTO event (stream, seq, code, note, boot, since_ms, wall_ms, synced)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`, append([]any{stream}, e.Values()...)...); err != nil {
			return err
		}
	}
	for _, p := range d.Personals {
		if err := c.Exec(`INSERT INTO personal (stream, seq, vote, sealed) VALUES ($1, $2, $3, $4)`,
			append([]any{stream}, p.Values()...)...); err != nil {
			return err
		}
	}
	return nil
}
