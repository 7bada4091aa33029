package broker

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// storeMarker lies in the folder that is ours to empty.
const storeMarker = "hailong-broker-store"

// wipeStore makes an empty folder for the broker's sessions, which nobody needs after a restart: what is left there
// after a power cut or on a full disk would only keep the broker from starting. A folder that holds something and
// not our marker is left alone: it is a slip in the configuration.
func wipeStore(dir string) error {
	if dir == "" {
		return errors.New("wipe broker store: no folder given")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("wipe broker store: %w", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("wipe broker store: %w", err)
	}
	marker := filepath.Join(dir, storeMarker)
	info, err := os.Lstat(marker)
	switch {
	case err == nil && info.Mode().IsRegular():
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("wipe broker store: %w", err)
	case len(entries) > 0:
		return fmt.Errorf("wipe broker store %s: it holds files and no %s: give the broker a folder of its own",
			dir, storeMarker)
	default:
		if err := os.WriteFile(marker, []byte("emptied at every start\n"), 0o600); err != nil {
			return fmt.Errorf("wipe broker store: %w", err)
		}
	}
	for _, e := range entries {
		if e.Name() == storeMarker {
			continue
		}
		if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
			return fmt.Errorf("wipe broker store: %w", err)
		}
	}
	return nil
}
