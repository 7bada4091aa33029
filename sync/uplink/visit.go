package uplink

import (
	"context"
	"errors"
	"fmt"
	"time"

	"hailong/sync/seal"
	"hailong/sync/wire"
	"hailong/vote"
)

// What a visit ends with. Run only tells them apart from a failing queue.
var (
	errLost    = errors.New("connection lost")
	errStalled = errors.New("no receipt for too long")
	errDone    = errors.New("the centre has everything that was salvaged")
)

// batchBytes bounds the bodies taken for one batch, well under what an opened payload may hold.
const batchBytes = 512 << 10

// inboxSize bounds receipts waiting to be read. One batch is in flight, so more than a few are
// repetitions; what does not fit is dropped and will be repeated.
const inboxSize = 16

// mostFruitless is how often the centre may answer a salvaged batch without taking it: the terminal's
// living line waits meanwhile.
const mostFruitless = 4

// visit is one connection from dial to loss.
//
//	hello ──► receipt ──► batch ──► receipt ──► batch … ──► (nothing waits) ──► More, or the next hello
type visit struct {
	*Uplink
	conn    Conn
	inbox   chan []byte
	sent    []wire.MessageID // of the latest unanswered messages: only their answers count
	nonce   wire.Nonce
	records int       // batch size: halved while batches are too large, MaxRecords otherwise
	helloAt time.Time // when the next hello is due
	askedAt time.Time // first message that is still unanswered; zero where none is

	upto uint64    // where the last receipt said that the line stands
	head seal.Head // chain there

	fruitless int  // batches in a row that were answered without an advance
	ended     bool // the hello that tells of the end was sent

	answered bool // at least one receipt came
}

func newVisit(u *Uplink) *visit {
	return &visit{
		Uplink: u, inbox: make(chan []byte, inboxSize), records: wire.MaxRecords,
	}
}

func (v *visit) run(ctx context.Context) error {
	will, err := v.status(false)
	if err != nil {
		return err
	}
	v.conn, err = v.o.Dial(ctx, will, v.receive)
	if err != nil {
		return err
	}
	defer func() { _ = v.conn.Close() }()
	v.linked(true)
	v.o.Log.Info(eventLink, "terminal", v.o.Terminal, "up", true)
	if err := v.tell(ctx); err != nil {
		return err
	}
	for {
		if err := v.turn(ctx); err != nil {
			return err
		}
	}
}

// receive is called by the connection; it must not block.
func (v *visit) receive(topic string, payload []byte) {
	if topic != wire.Topic(v.o.Terminal, wire.ReceiptTopic) {
		return
	}
	select {
	case v.inbox <- payload:
	default:
	}
}

// turn sends one message and sees it answered, or waits for something to send.
func (v *visit) turn(ctx context.Context) error {
	if !time.Now().Before(v.helloAt) {
		_, err := v.exchange(ctx, v.hello)
		return err
	}
	line := v.o.Queue.Line()
	if line.Upto+1 >= line.Next {
		return v.nothingWaits(ctx)
	}
	answered, err := v.exchange(ctx, v.due(line))
	if err != nil || !answered {
		return err
	}
	if v.o.Queue.Line().Upto > line.Upto {
		v.fruitless = 0
		return nil
	}
	// A centre that answers and never advances must not be asked again at full speed. One
	// fruitless answer is usual: a gap after a restore, mended by the hello that follows.
	if v.fruitless++; v.fruitless > 1 {
		if v.o.Salvaged && v.fruitless > mostFruitless {
			return fmt.Errorf("%w: it answers and does not advance beyond record %d", ErrRefused, line.Upto)
		}
		return v.pause(ctx, min(v.o.Waits.Receipt<<min(v.fruitless, 16), v.o.Waits.MaxRetry))
	}
	return nil
}

// due is the next message. Of a salvaged line what was lost, and where its chain is taken up again, is said in a
// hello before the batch.
func (v *visit) due(line Line) func() ([]byte, error) {
	if v.o.Salvaged && (line.Oldest > v.upto+1 || line.Oldest == v.upto+1 && line.Before != v.head) {
		return v.hello
	}
	return v.batch
}

// nothingWaits ends what was salvaged with a hello that tells how far the line reached, its lost end
// included.
func (v *visit) nothingWaits(ctx context.Context) error {
	switch {
	case !v.o.Salvaged:
		return v.idle(ctx)
	case v.ended:
		return errDone
	}
	v.ended, v.helloAt = true, time.Time{}
	return nil
}

// idle waits for more records, the next hello or a late receipt, and shows that the terminal lives.
func (v *visit) idle(ctx context.Context) error {
	t := time.NewTimer(min(time.Until(v.helloAt), around(v.o.Waits.Alive)))
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-v.conn.Lost():
		return errLost
	case raw := <-v.inbox:
		_, err := v.settle(ctx, raw)
		return err
	case <-v.o.Queue.More():
	case <-t.C:
		return v.tell(ctx)
	}
	return nil
}

// tell publishes that the terminal is there.
func (v *visit) tell(ctx context.Context) error {
	online, err := v.status(true)
	if err != nil {
		return err
	}
	return v.conn.Publish(ctx, wire.Topic(v.o.Terminal, wire.StatusTopic), online)
}

// exchange sends a message and waits for the receipt that answers it. When none comes it returns
// false and the next turn sends anew, with twice the wait.
func (v *visit) exchange(ctx context.Context, compose func() ([]byte, error)) (bool, error) {
	message, err := compose()
	if err != nil {
		return false, err
	}
	v.sent = append(v.sent, wire.IDOf(message))
	if keep := 8; len(v.sent) > keep {
		v.sent = v.sent[1:]
	}
	if err := v.conn.Publish(ctx, wire.Topic(v.o.Terminal, wire.Up), message); err != nil {
		return false, err
	}
	if v.askedAt.IsZero() {
		v.askedAt = time.Now()
	}
	stalled := v.askedAt.Add(v.o.Waits.Stalled)
	t := time.NewTimer(min(around(v.retry), time.Until(stalled)))
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case <-v.conn.Lost():
			return false, errLost
		case raw := <-v.inbox:
			answered, err := v.settle(ctx, raw)
			if answered || err != nil {
				return answered, err
			}
		case <-t.C:
			v.retry = min(2*v.retry, v.o.Waits.MaxRetry)
			if !time.Now().Before(stalled) {
				return false, errStalled
			}
			return false, nil
		}
	}
}

func (v *visit) status(online bool) ([]byte, error) {
	payload, err := wire.Status{Terminal: v.o.Terminal, Online: online}.Encode()
	if err != nil {
		return nil, fmt.Errorf("encode status: %w", err)
	}
	return v.o.Codec.Seal(wire.StatusType, payload, v.o.Key)
}

func (v *visit) hello() ([]byte, error) {
	line := v.o.Queue.Line()
	v.nonce = newNonce()
	h := wire.Hello{
		MinVersion: wire.Version, MaxVersion: wire.Version,
		Terminal: v.o.Terminal, Epoch: line.Epoch, Nonce: v.nonce,
		First: line.Upto + 1, Next: line.Next, Head: line.Head, Oldest: line.Oldest, Before: line.Before,
		Now: v.now(), Software: v.o.Software, Salvaged: v.o.Salvaged,
	}
	if v.o.Salvaged && v.upto < line.Oldest {
		h.After, h.AfterHead = v.upto, v.head
	}
	payload, err := h.Encode()
	if err != nil {
		return nil, fmt.Errorf("encode hello: %w", err)
	}
	return v.o.Codec.Seal(wire.HelloType, payload, v.o.Key)
}

// now is the clock of a message. What was salvaged has another numbering of boots, and anchors none.
func (v *visit) now() vote.Stamp {
	now := v.o.Now()
	if v.o.Salvaged {
		now.Boot = 0
	}
	return now
}

// batch is the message that is due.
func (v *visit) batch() ([]byte, error) {
	message, _, err := v.next()
	return message, err
}

// next takes what waits, and half of it for as long as it does not fit an envelope.
func (v *visit) next() ([]byte, Run, error) {
	line := v.o.Queue.Line()
	for {
		run, err := v.o.Queue.Look(line.Upto+1, v.records, batchBytes)
		if err != nil {
			return nil, run, &queueError{err}
		}
		payload, err := wire.Batch{
			Terminal: v.o.Terminal, Epoch: line.Epoch, First: run.First, Items: run.Items,
			Prev: run.Prev, Head: run.Head, Now: v.now(), Tally: run.Tally, Origin: run.Origin,
		}.Encode()
		if err != nil {
			return nil, run, fmt.Errorf("encode batch from record %d: %w", run.First, err)
		}
		message, err := v.o.Codec.Seal(wire.BatchType, payload, v.o.Key)
		if errors.Is(err, wire.ErrSize) && v.records > 1 {
			v.records /= 2
			continue
		}
		v.records = wire.MaxRecords
		return message, run, err
	}
}
