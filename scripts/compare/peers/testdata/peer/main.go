// Command peer drives what others would use in our place. It is built in a folder of its own, with the
// libraries of the peers, by scripts/compare; nothing of it is part of the house.
//
//	peer press    publishes votes to a broker at QoS 1, a window of them at once; says what was accepted
//	peer consume  takes votes from a broker, appends them to a file, syncs it, and only then acknowledges
//	peer queue    takes votes by HTTP into autopaho's file queue, which publishes them to a broker
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/eclipse/paho.golang/autopaho"
	"github.com/eclipse/paho.golang/autopaho/queue/file"
	"github.com/eclipse/paho.golang/paho"
	"github.com/eclipse/paho.golang/paho/session/state"
	store "github.com/eclipse/paho.golang/paho/store/file"
	mqtt "github.com/eclipse/paho.mqtt.golang"
)

const topic = "hl/votes"

func main() {
	broker := flag.String("broker", "", "host:port of the broker")
	n := flag.Int("n", 0, "press: how many votes")
	window := flag.Int("window", 256, "press: how many are under way at once; consume: how many share a sync")
	out := flag.String("file", "", "consume: where to append")
	dir := flag.String("dir", "", "queue: its folder")
	listen := flag.String("listen", "", "queue: where it takes votes")
	if len(os.Args) < 2 {
		log.Fatal("want press, consume or queue")
	}
	if err := flag.CommandLine.Parse(os.Args[2:]); err != nil {
		log.Fatal(err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var err error
	switch os.Args[1] {
	case "press":
		err = press(*broker, *n, *window)
	case "consume":
		err = consume(ctx, *broker, *out, *window)
	case "queue":
		err = queue(ctx, *broker, *dir, *listen)
	}
	if err != nil {
		log.Fatal(err)
	}
}

func options(broker, id string) *mqtt.ClientOptions {
	return mqtt.NewClientOptions().AddBroker("tcp://" + broker).SetClientID(id).SetOrderMatters(false).
		SetConnectRetry(true).SetConnectRetryInterval(200 * time.Millisecond).
		SetMaxReconnectInterval(time.Second).SetWriteTimeout(5 * time.Second)
}

// vote is what a vote looks like on a peer's wire.
func vote(id int) string {
	return fmt.Sprintf(`{"id":"%08d","terminal":"quay-01","level":%d,"at":%d}`, id, id%5+1, time.Now().UnixMilli())
}

// press says "+ID" for what the broker acknowledged and "!ID" for what has to be sent again.
func press(broker string, n, window int) error {
	client := mqtt.NewClient(options(broker, "presser"))
	if t := client.Connect(); t.Wait() && t.Error() != nil {
		return t.Error()
	}
	var mu sync.Mutex // guards standard output
	ids := make(chan int)
	var all sync.WaitGroup
	for range window {
		all.Add(1)
		go func() {
			defer all.Done()
			for id := range ids {
				for {
					t := client.Publish(topic, 1, false, vote(id))
					ok := t.WaitTimeout(10*time.Second) && t.Error() == nil
					mu.Lock()
					if ok {
						fmt.Printf("+%d\n", id)
					} else {
						fmt.Printf("!%d\n", id)
					}
					mu.Unlock()
					if ok {
						break
					}
					time.Sleep(50 * time.Millisecond)
				}
			}
		}()
	}
	for id := range n {
		ids <- id
	}
	close(ids)
	all.Wait()
	client.Disconnect(250)
	return nil
}

// consume acknowledges what is on the disk. Whoever waits already shares one sync.
func consume(ctx context.Context, broker, path string, window int) error {
	out, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	come := make(chan mqtt.Message, 1<<16)
	o := options(broker, "consumer").SetCleanSession(false).SetAutoAckDisabled(true).
		SetDefaultPublishHandler(func(_ mqtt.Client, m mqtt.Message) { come <- m })
	o.SetOnConnectHandler(func(c mqtt.Client) {
		go func() {
			t := c.Subscribe(topic, 1, func(_ mqtt.Client, m mqtt.Message) { come <- m })
			if t.Wait() && t.Error() == nil {
				_ = os.WriteFile(path+".subscribed", nil, 0o600)
			}
		}()
	})
	client := mqtt.NewClient(o)
	client.Connect()
	for {
		var group []mqtt.Message
		select {
		case <-ctx.Done():
			client.Disconnect(250)
			return out.Close()
		case m := <-come:
			group = append(group, m)
		}
		for more := true; more && len(group) < window; {
			select {
			case m := <-come:
				group = append(group, m)
			default:
				more = false
			}
		}
		var lines strings.Builder
		now := time.Now().UnixMilli()
		for _, m := range group {
			fmt.Fprintf(&lines, "%s %d\n", m.Payload()[len(`{"id":"`):][:8], now)
		}
		if _, err := out.WriteString(lines.String()); err != nil {
			return err
		}
		if err := out.Sync(); err != nil {
			return err
		}
		for _, m := range group {
			m.Ack()
		}
	}
}

// queue answers a vote with 204 once autopaho's file queue has taken it.
func queue(ctx context.Context, broker, dir, listen string) error {
	q, err := file.New(filepath.Join(dir, "queue"), "vote", ".msg")
	if err != nil {
		return err
	}
	sent, err := store.New(filepath.Join(dir, "session"), "sent", ".msg")
	if err != nil {
		return err
	}
	received, err := store.New(filepath.Join(dir, "session"), "received", ".msg")
	if err != nil {
		return err
	}
	server, err := url.Parse("mqtt://" + broker)
	if err != nil {
		return err
	}
	conn, err := autopaho.NewConnection(ctx, autopaho.ClientConfig{
		ServerUrls: []*url.URL{server}, KeepAlive: 15, SessionExpiryInterval: 86400, Queue: q,
		ReconnectBackoff: func(int) time.Duration { return 200 * time.Millisecond },
		ClientConfig:     paho.ClientConfig{ClientID: "queue", Session: state.New(sent, received)},
	})
	if err != nil {
		return err
	}
	http.HandleFunc("POST /vote", func(w http.ResponseWriter, r *http.Request) {
		raw, err := io.ReadAll(r.Body)
		id, bad := strconv.Atoi(string(raw))
		if err != nil || bad != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		err = conn.PublishViaQueue(r.Context(), &autopaho.QueuePublish{
			Publish: &paho.Publish{QoS: 1, Topic: topic, Payload: []byte(vote(id))},
		})
		if err != nil {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	serving := &http.Server{Addr: listen}
	go func() {
		<-ctx.Done()
		_ = serving.Close()
	}()
	if err := serving.ListenAndServe(); err != http.ErrServerClosed {
		return err
	}
	return nil
}
