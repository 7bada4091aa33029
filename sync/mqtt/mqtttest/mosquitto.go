// Package mqtttest is what a test of a link needs: a real broker of its own and a cable that can fall silent. It
// never runs outside tests.
package mqtttest

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// readyWithin is how long mosquitto may take to listen, on a busy machine.
const readyWithin = 10 * time.Second

// Broker is a mosquitto process on a port of the loopback interface. It ends with the test.
type Broker struct {
	// Addr is its "127.0.0.1:port", the same after Restart.
	Addr string

	t      testing.TB
	conf   string
	cmd    *exec.Cmd
	exited chan struct{}
}

// Mosquitto starts a broker that knows the given users and passwords, or, with none, lets anybody in.
func Mosquitto(t testing.TB, users map[string]string) *Broker {
	t.Helper()
	dir := t.TempDir()
	port := freePort(t)
	conf := []string{
		fmt.Sprintf("listener %d 127.0.0.1", port),
		"persistence false",
		"log_type none",
		fmt.Sprintf("allow_anonymous %v", len(users) == 0),
	}
	if os.Geteuid() == 0 {
		conf = append(conf, "user root") // else it drops to a user who cannot read our folder
	}
	if len(users) > 0 {
		passwords := filepath.Join(dir, "passwords")
		if err := os.WriteFile(passwords, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		for name, word := range users {
			out, err := exec.Command(program(t, "mosquitto_passwd"), "-b", passwords, name, word).CombinedOutput()
			if err != nil {
				t.Fatalf("mosquitto_passwd: %v: %s", err, out)
			}
		}
		conf = append(conf, "password_file "+passwords)
	}
	b := &Broker{Addr: fmt.Sprintf("127.0.0.1:%d", port), t: t, conf: filepath.Join(dir, "mosquitto.conf")}
	if err := os.WriteFile(b.conf, []byte(strings.Join(conf, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	b.start()
	t.Cleanup(b.Kill)
	return b
}

func (b *Broker) start() {
	b.t.Helper()
	b.cmd = exec.Command(program(b.t, "mosquitto"), "-c", b.conf)
	if err := b.cmd.Start(); err != nil {
		b.t.Fatal(err)
	}
	exited := make(chan struct{})
	b.exited = exited
	go func(cmd *exec.Cmd) {
		cmd.Wait()
		close(exited)
	}(b.cmd)
	Eventually(b.t, readyWithin, "mosquitto listens on "+b.Addr, func() bool {
		conn, err := net.Dial("tcp", b.Addr)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
}

// Kill ends the broker the hard way, as kill -9 does, and waits until it is gone.
func (b *Broker) Kill() {
	b.cmd.Process.Kill()
	<-b.exited
}

// Restart starts a killed broker on the same port.
func (b *Broker) Restart() {
	b.t.Helper()
	b.start()
}

// program looks where Debian puts daemons too: an ordinary user's PATH does not.
func program(t testing.TB, name string) string {
	t.Helper()
	for _, try := range []string{name, "/usr/sbin/" + name, "/usr/local/sbin/" + name} {
		if path, err := exec.LookPath(try); err == nil {
			return path
		}
	}
	t.Fatalf("%s is not installed: run scripts/setup", name)
	return ""
}

func freePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// Eventually asks again every few milliseconds until ok, or ends the test saying what was awaited.
func Eventually(t testing.TB, within time.Duration, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	late := time.After(within)
	for !ok() {
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("not within %v: %s", within, what)
		}
	}
}
