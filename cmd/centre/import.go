package centre

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"time"

	"hailong/collector/ingest"
	"hailong/collector/store"
	"hailong/sync/courier"
	"hailong/sync/wire"
	"hailong/vote"
)

// Imported is what came of a courier file.
type Imported struct {
	Terminal          vote.TerminalID
	Messages          int
	Added, Unreadable uint64 // records; unreadable ones are filed too
}

// Import takes in a courier file, message by message, as if each had come over the network. A second import changes
// nothing. A torn file changes nothing either: it is read to its end first. progress hears of messages.
func Import(
	ctx context.Context, s *store.Store, own Keys, path string, progress func(done, total int),
) (Imported, error) {
	var got Imported
	id, messages, err := readCourier(path)
	if err != nil {
		return got, fmt.Errorf("%s: %w", path, err)
	}
	got.Terminal = id
	in := ingest.New(ingest.Options{
		Store: s, Codec: wire.NewCodec(), SignKey: own.Receipt, Now: time.Now, Log: slog.New(slog.DiscardHandler),
	})
	for n, m := range messages {
		switch code, err := in.Take(ctx, id, m); code {
		case wire.OK, wire.Quarantined:
		case wire.Unknown:
			return got, fmt.Errorf("%s, message %d of %d: %w; is %s registered here, and did it sign this file?",
				path, n+1, len(messages), err, id)
		default:
			return got, fmt.Errorf("%s, message %d of %d: refused (%s): %w", path, n+1, len(messages), code, err)
		}
		got.Messages++
		progress(got.Messages, len(messages))
	}
	counts := in.Counters()
	got.Added, got.Unreadable = counts.Filed, counts.Quarantined
	return got, nil
}

func readCourier(path string) (vote.TerminalID, [][]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", nil, err
	}
	defer f.Close()
	id, all, err := courier.Read(f)
	if err != nil {
		return "", nil, err
	}
	var messages [][]byte
	for m, err := range all {
		if err != nil {
			return "", nil, fmt.Errorf("%w; copy it again from the terminal", err)
		}
		messages = append(messages, m)
	}
	return id, messages, nil
}
