package centre

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"time"

	"hailong/collector/broker"
	"hailong/collector/ingest"
	"hailong/collector/store"
	"hailong/collector/web"
	"hailong/config"
	"hailong/sync/wire"
	"hailong/vote"
)

// Events this wiring logs.
const (
	eventServing = "centre.serving"
	eventStopped = "centre.stopped"
)

// Setup is what a centre is made of.
type Setup struct {
	Folder  Folder
	Config  config.Collector
	Version string
	Log     *slog.Logger
	Ready   func() // called once both doors are open
}

// door is a broker of either kind.
type door interface {
	broker.Door
	Ready() error
	Counts() broker.Counts
}

// centre is a running one.
type centre struct {
	Setup
	store  *store.Store
	ingest *ingest.Ingest
	door   door
	web    *http.Server
	listen net.Listener
}

// ErrServed means that another process serves the folder.
var ErrServed = errors.New("another collector serves this folder")

// hold keeps a second collector out: it would empty the running one's broker. The lock goes with
// the process, however it ends.
func (f Folder) hold() (release func() error, err error) {
	d, err := os.Open(string(f))
	if err != nil {
		return nil, fmt.Errorf("open data folder: %w", err)
	}
	if err := syscall.Flock(int(d.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", f, ErrServed), d.Close())
	}
	return d.Close, nil
}

// Serve runs the centre until ctx ends or a part fails.
func Serve(ctx context.Context, s Setup) error {
	keys, err := ReadKeys(s.Folder)
	if err != nil {
		return err
	}
	release, err := s.Folder.hold()
	if err != nil {
		return err
	}
	defer func() { _ = release() }()
	c := &centre{Setup: s}
	if c.store, err = store.Open(ctx, s.Folder.Store()); err != nil {
		return err
	}
	c.ingest = ingest.New(ingest.Options{
		Store: c.store, Codec: wire.NewCodec(), SignKey: keys.Receipt, Now: time.Now, Log: s.Log, Send: c.send,
	})
	// Streams end before the server is asked to shut down: it would wait for them for ever.
	streams, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	if err := c.open(ctx, streams); err != nil {
		return errors.Join(err, c.close())
	}
	filing, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	filed, served := make(chan error, 1), make(chan error, 1)
	go func() { filed <- c.ingest.Run(filing) }()
	go func() { served <- c.web.Serve(c.listen) }()
	s.Log.Info(eventServing, "web", c.listen.Addr().String(), "broker", c.Config.Broker.Mode)
	s.Ready()
	select {
	case <-ctx.Done():
	case err = <-c.broken():
	case err = <-served:
		served <- http.ErrServerClosed
	}
	// The door closes first, so that nothing new comes; what came is filed and answered by nobody
	// any more, which the terminals mend by asking again; the store closes last.
	end()
	err = errors.Join(err, c.closeWeb(served), c.door.Close())
	stop()
	err = errors.Join(err, <-filed, c.store.Close())
	s.Log.Info(eventStopped)
	return err
}

// open opens both doors, the web's first: its port is the likelier to be taken.
func (c *centre) open(ctx, streams context.Context) (err error) {
	address := c.Config.Web.Listen
	if c.listen, err = net.Listen("tcp", address); err != nil {
		return fmt.Errorf("web.listen: %w; another program holds the port, choose another", err)
	}
	door, err := c.openDoor(ctx)
	if err != nil { // door holds a nil of its kind, which is not nil
		return fmt.Errorf("broker: %w", err)
	}
	c.door = door
	kind := "SQLite"
	if c.store.Demo() {
		kind += " (demo)"
	}
	handler, err := web.New(web.Options{
		Reader: c.store, Access: c.store, Health: c, Feed: c.store, Context: streams, Now: time.Now, Log: c.Log,
		Metrics: c.metrics(), Version: c.Version, Title: c.Config.Web.Title, Store: kind,
		Transactions: c.Config.Web.Transactions,
	})
	if err != nil {
		return err
	}
	c.web = &http.Server{
		Handler: handler, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute,
		ErrorLog: slog.NewLogLogger(c.Log.Handler(), slog.LevelWarn),
	}
	return nil
}

func (c *centre) openDoor(ctx context.Context) (door, error) {
	handle := func(m broker.Message) {
		c.ingest.Handle(ctx, m.Terminal, m.Kind, m.Payload, m.Received)
	}
	b := c.Config.Broker
	if b.Mode == config.EmbeddedBroker {
		return broker.Embedded(context.WithoutCancel(ctx), broker.EmbeddedOptions{
			Listen: b.Listen, StoreDir: c.Folder.broker(), Registry: c, Log: c.Log, Handle: handle,
		})
	}
	password := ""
	if b.Password != "" {
		raw, err := os.ReadFile(b.Password)
		if err != nil {
			return nil, fmt.Errorf("read broker.password_file: %w", err)
		}
		password = strings.TrimSpace(string(raw))
	}
	return broker.Foreign(context.WithoutCancel(ctx), broker.ForeignOptions{
		Broker: b.Address, Username: b.Username, Password: password, ClientID: "hl-collector",
		QoS: byte(b.QoS), Log: c.Log, Handle: handle,
	})
}

// send is the way down. Messages that come before the door stands have nobody to answer to.
func (c *centre) send(terminal vote.TerminalID, kind string, payload []byte) error {
	return c.door.Publish(string(terminal), kind, payload)
}

// Admit asks the registry, in constant time, whether a terminal may connect.
func (c *centre) Admit(terminal, secret string) bool {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_, want, err := c.store.Keys(ctx, vote.TerminalID(terminal))
	got := sha256.Sum256([]byte(secret))
	return err == nil && subtle.ConstantTimeCompare(got[:], want[:]) == 1
}

// Ready tells every reason why the centre cannot do its work.
func (c *centre) Ready(ctx context.Context) error {
	return errors.Join(c.store.Ready(ctx), c.door.Ready())
}

// broken tells when the embedded broker could not go on. A foreign one is dialled for ever.
func (c *centre) broken() <-chan error {
	out := make(chan error, 1)
	if s, embedded := c.door.(*broker.Server); embedded {
		go func() { out <- s.Wait() }() // ends with Close at the latest
	}
	return out
}

// graceful is how long requests under way may take when the centre stops.
const graceful = 5 * time.Second

func (c *centre) closeWeb(served <-chan error) error {
	ctx, cancel := context.WithTimeout(context.Background(), graceful)
	defer cancel()
	err := c.web.Shutdown(ctx)
	if ended := <-served; !errors.Is(ended, http.ErrServerClosed) {
		err = errors.Join(err, ended)
	}
	return err
}

// close closes what open got done before it failed.
func (c *centre) close() error {
	var errs []error
	if c.listen != nil {
		errs = append(errs, c.listen.Close())
	}
	if c.door != nil {
		errs = append(errs, c.door.Close())
	}
	return errors.Join(append(errs, c.store.Close())...)
}
