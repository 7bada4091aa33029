package uplink

import (
	"context"
	"time"

	"hailong/sync/seal"
)

// Courier hands out everything in a salvaged queue as the messages that Run would send, for a way without a network:
// a hello before each stretch and at the end. Nobody answers; whoever reads them takes what is new to it.
func Courier(o Options, add func(envelope []byte) error) error {
	v := newVisit(New(o))
	for line := o.Queue.Line(); ; line = o.Queue.Line() {
		hello, err := v.hello()
		if err == nil {
			err = add(hello)
		}
		if err != nil || line.Upto+1 >= line.Next {
			return err
		}
		for at := line; at.Upto+1 < line.Next && o.Queue.Line() == at; {
			if at.Upto, at.Before, err = v.post(add); err != nil {
				return err
			}
			v.upto, v.head = at.Upto, at.Before
			at.Oldest = at.Upto + 1
		}
	}
}

// post hands out one batch, takes it for received, and tells its last record and the chain there.
func (v *visit) post(add func(envelope []byte) error) (last uint64, head seal.Head, err error) {
	message, run, err := v.next()
	if err == nil {
		err = add(message)
	}
	if err != nil {
		return 0, head, err
	}
	last = run.First + uint64(len(run.Items)) - 1
	return last, run.Head, v.o.Queue.Receipted(context.Background(), last, run.Head, time.Time{})
}
