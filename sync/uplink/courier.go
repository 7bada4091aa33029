package uplink

import (
	"context"
	"time"
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
		for at := line.Upto; at+1 < line.Next && o.Queue.Line().Upto == at; {
			if at, err = v.post(add); err != nil {
				return err
			}
		}
	}
}

// post hands out one batch, takes it for received, and tells its last record.
func (v *visit) post(add func(envelope []byte) error) (last uint64, err error) {
	message, run, err := v.next()
	if err == nil {
		err = add(message)
	}
	if err != nil {
		return 0, err
	}
	last = run.First + uint64(len(run.Items)) - 1
	return last, v.o.Queue.Receipted(context.Background(), last, run.Head, time.Time{})
}
