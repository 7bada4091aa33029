package agent

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"hailong/config"
	"hailong/sync/attic"
	"hailong/sync/courier"
	"hailong/sync/outbox"
	"hailong/sync/seal"
	"hailong/sync/uplink"
	"hailong/sync/wire"
	"hailong/vote"
)

// Events of a damaged outbox.
const (
	eventDamaged = "outbox.damaged"
	eventHome    = "attic.home"
	eventRefused = "attic.refused"
)

// Files of the attic: damaged boxes, under a name that tells whether the centre has what was in them. None is deleted.
const (
	boxName   = "outbox.db"
	atticName = "attic"
	relicName = "outbox-%d.db"
	homeName  = ".home"
)

// setAside moves a damaged outbox to the attic; a new one can take its place at once.
func setAside(path string) (string, error) {
	dir := filepath.Join(filepath.Dir(path), atticName)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("make attic: %w", err)
	}
	for n := 1; ; n++ {
		to := filepath.Join(dir, fmt.Sprintf(relicName, n))
		if exists(to) || exists(to+homeName) {
			continue
		}
		err := os.Rename(path, to)
		if info, failed := os.Stat(to); failed == nil {
			_ = os.Truncate(to, info.Size()) // gives back the disk that was reserved behind its end
		}
		if err == nil {
			err = errors.Join(syncFolder(dir), syncFolder(filepath.Dir(path)))
		}
		if err != nil {
			return "", fmt.Errorf("set damaged outbox aside: %w", err)
		}
		return to, nil
	}
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

func syncFolder(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// openBox opens the outbox. A damaged one, and one that was found damaged while it ran, is set aside first.
func openBox(ctx context.Context, s Setup, why error, o outbox.Options) (*outbox.Box, error) {
	path, inspect := filepath.Join(s.Config.Data, boxName), s.Inspect
	if inspect == nil {
		inspect = func(_ context.Context, path string) error { return outbox.Check(path) }
	}
	if why == nil && exists(path) {
		why = inspect(ctx, path)
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if !errors.Is(why, outbox.ErrDamaged) {
		b, err := outbox.Open(path, o)
		if !errors.Is(err, outbox.ErrDamaged) {
			return b, err
		}
		why = err
	}
	moved, err := setAside(path)
	if err != nil {
		return nil, errors.Join(why, err)
	}
	o.Log.Error(eventDamaged, "err", why, "moved", moved)
	return outbox.Open(path, o)
}

// report puts each damage into the new line once, where the centre and its auditors read it. A start that was killed
// behind setAside has not told of its own yet.
func (a *Agent) report(ctx context.Context) error {
	for _, path := range a.waiting() {
		a.tell(path, "waiting", "")
		if err := a.reportOne(ctx, filepath.Base(path)); err != nil {
			return fmt.Errorf("report %s: %w", path, err)
		}
	}
	return nil
}

func (a *Agent) reportOne(ctx context.Context, name string) error {
	body, err := wire.EncodeRecord(vote.Record{At: a.clock.Now(), Event: &vote.Event{
		Code: vote.EventDamaged, Note: "moved to " + filepath.Join(atticName, name),
	}})
	if err != nil {
		return err
	}
	_, err = a.box.Append(ctx, outbox.Entry{ID: vote.EventDamaged + "/" + name, Body: body})
	return err
}

// waiting are the damaged boxes that the centre has not heard out, the oldest first.
func (a *Agent) waiting() []string {
	files, _ := filepath.Glob(filepath.Join(a.s.Config.Data, atticName, "outbox-*.db"))
	slices.SortFunc(files, func(x, y string) int { // outbox-10 after outbox-9
		if n := len(x) - len(y); n != 0 {
			return n
		}
		return strings.Compare(x, y)
	})
	return files
}

// carry brings home what lies in the attic, then carries the living line. Both go by the one connection that a
// terminal may have; presses wait for neither.
func (a *Agent) carry(ctx context.Context) error {
	for _, path := range a.waiting() {
		a.tell(path, "sending", "")
		switch err := a.bringHome(ctx, path); {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			a.s.Log.Error(eventRefused, "file", path, "err", err)
			a.tell(path, "refused", err.Error())
		default:
			a.tell(path, "home", "")
		}
	}
	a.send(a.uplink)
	return a.uplink.Run(ctx)
}

// bringHome sends what is left in one file, epoch by epoch, and marks the file when the centre has it all.
func (a *Agent) bringHome(ctx context.Context, path string) error {
	live := a.box.State().Epoch
	lines, err := carve(path, a.s.Identity.Terminal)
	if err != nil {
		return err
	}
	if len(lines) == 0 {
		return errors.New("no whole record is left in it; what was in it is lost")
	}
	for _, l := range lines {
		s := l.State()
		if s.Epoch == live {
			return fmt.Errorf("%s holds the living epoch %s: who copied it here?", path, live)
		}
		o := a.options(remains{l})
		o.Salvaged = true
		u := uplink.New(o)
		a.send(u)
		if err := u.Run(ctx); err != nil || ctx.Err() != nil {
			return err
		}
		a.s.Log.Info(eventHome, "file", path, "epoch", s.Epoch, "records", s.Waiting, "proven", s.Proven)
	}
	return errors.Join(os.Rename(path, path+homeName), syncFolder(filepath.Dir(path)))
}

// carve finds the lines in a damaged file.
func carve(path string, terminal vote.TerminalID) (lines []*attic.Line, err error) {
	file, err := outbox.Salvage(path)
	if err != nil {
		return nil, fmt.Errorf("read damaged outbox: %w", err)
	}
	for _, w := range attic.Carve(file) {
		outbox.Points(file, terminal, w.Epoch, w.Know)
		lines = append(lines, attic.NewLine(w, string(terminal)))
	}
	return lines, nil
}

// remains are what was carved, as the uplink sees it.
type remains struct{ line *attic.Line }

func (r remains) Line() uplink.Line {
	s := r.line.State()
	return uplink.Line{Epoch: s.Epoch, Next: s.Next, Head: s.Head, Upto: s.Upto, Oldest: s.Upto + 1, Before: s.Before}
}

func (r remains) Look(from uint64, records, bytes int) (uplink.Run, error) {
	s := r.line.Look(from, records, bytes)
	run := uplink.Run{First: s.First, Prev: s.Prev, Head: s.Head, Origin: wire.Unproven}
	if s.Proven {
		run.Origin = wire.Salvaged
	}
	for _, i := range s.Items {
		run.Items = append(run.Items, wire.Item(i))
	}
	return run, nil
}

func (r remains) Receipted(_ context.Context, upto uint64, head seal.Head, _ time.Time) error {
	r.line.Receipted(upto, head)
	return nil
}

func (r remains) Rewind(ctx context.Context, upto uint64, head seal.Head) error {
	return r.Receipted(ctx, upto, head, time.Time{})
}

// More never comes: the line is over.
func (remains) More() <-chan struct{} { return nil }

// Found is what a damaged file gave.
type Found struct {
	Epochs, Records, Proven, Messages int
}

// Salvage writes what is left of a damaged outbox to a courier file, as the terminal's own signed messages.
func Salvage(
	path string, id config.Identity, codec *wire.Codec, now func() vote.Stamp, to *courier.Writer,
) (Found, error) {
	lines, err := carve(path, id.Terminal)
	if err != nil {
		return Found{}, err
	}
	found := Found{Epochs: len(lines)}
	for _, l := range lines {
		s := l.State()
		found.Records, found.Proven = found.Records+s.Waiting, found.Proven+s.Proven
		err := uplink.Courier(uplink.Options{
			Terminal: id.Terminal, Queue: remains{l}, Codec: codec, Key: id.Key, Now: now, Software: "kiosk salvage",
			Salvaged: true,
		}, func(envelope []byte) error {
			found.Messages++
			return to.Add(envelope)
		})
		if err != nil {
			return found, err
		}
	}
	return found, to.End()
}
