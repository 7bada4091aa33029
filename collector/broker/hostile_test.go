package broker

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"hailong/collector/broker/journal"
)

// raw is a connection on which a test says what no client would.
func raw(t *testing.T, h *hall) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", h.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(soon))
	return conn
}

func admitted(t *testing.T, h *hall) net.Conn {
	t.Helper()
	conn := raw(t, h)
	if _, err := conn.Write(connectPacket("t-001", "t-001", "one")); err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, 4)
	if _, err := io.ReadFull(conn, answer); err != nil || !bytes.Equal(answer, []byte{0x20, 2, 0, 0}) {
		t.Fatalf("CONNACK %x, %v", answer, err)
	}
	return conn
}

// connectPacket is a clean session's MQTT 3.1.1 CONNECT with a keep-alive of 15 s; all names short.
func connectPacket(id, user, secret string) []byte {
	body := []byte{0, 4, 'M', 'Q', 'T', 'T', 4, 0xc2, 0, 15}
	for _, s := range []string{id, user, secret} {
		body = append(body, 0, byte(len(s)))
		body = append(body, s...)
	}
	return append([]byte{0x10, byte(len(body))}, body...)
}

// publishPacket is QoS 0 to 2 with a message id, remaining length of up to two bytes.
func publishPacket(qos byte, id int, topic, payload string) []byte {
	body := append([]byte{byte(len(topic) >> 8), byte(len(topic))}, topic...)
	if qos > 0 {
		body = append(body, byte(id>>8), byte(id))
	}
	body = append(body, payload...)
	return append([]byte{0x30 | qos<<1, byte(len(body))&0x7f | 0x80, byte(len(body) >> 7)}, body...)
}

// Without reject_qos2_publish each of these messages stays in the store, until nobody can connect.
func TestQoS2IsShownTheDoor(t *testing.T) {
	h := openHall(t)
	conn := admitted(t, h)
	if _, err := conn.Write(publishPacket(2, 1, "hl/v1/t-001/up", strings.Repeat("x", 1000))); err != nil {
		t.Fatal(err)
	}
	if rest, err := io.ReadAll(conn); len(rest) > 0 || err != nil {
		t.Errorf("got %x, %v; want the end of the connection", rest, err)
	}
	dial(t, h.options("t-001", "one"))
	dial(t, h.options("t-002", "two"))
	if len(h.got) != 0 {
		t.Error("a QoS 2 message was handed over")
	}
}

func TestQoS2SubscribesAreGrantedLess(t *testing.T) {
	h := openHall(t)
	conn := admitted(t, h)
	topic := "hl/v1/t-001/receipt"
	conn.Write(append([]byte{0x82, byte(5 + len(topic)), 0, 7, 0, byte(len(topic))}, topic+"\x02"...))
	answer := make([]byte, 5)
	if _, err := io.ReadFull(conn, answer); err != nil || answer[4] > 1 {
		t.Errorf("SUBACK %x, %v; want at most QoS 1", answer, err)
	}
}

// hostile packets, in hex: each ended some broker once.
func hostile() []string {
	long := strings.Repeat("61", 120)
	return []string{
		"820600010000" + "0161", // truncated SUBSCRIBE
		"8202" + "0001",         // SUBSCRIBE of nothing
		"82050001" + "000000",   // empty filter
		"8206000100016103",      // QoS 3
		"820600000001" + "6100", // message id 0
		"800600010001" + "6100", // wrong flags
		"a2020001",              // UNSUBSCRIBE of nothing
		"a204000100ff",          // length beyond the end
		"300000",                // PUBLISH without a topic
		"30020000",              // empty topic
		"3003000123",            // wildcard in the topic
		"30050003612b62",        // the same, inside
		"3006000461002f62",      // NUL
		"3004" + "0002c328",     // bad UTF-8
		"3003ffff61",            // topic longer than the packet
		"3605000161000178",      // QoS 3
		"320300016100",          // QoS 1 without an id
		"30ffffffff7f",          // 256 MB announced, and five length bytes
		"30ffffff7f" + long,     // 256 MB announced
		"10" + hex.EncodeToString(connectPacket("t-001", "t-001", "one")[1:]), // a second CONNECT
		"100c00064d514973647003020000",                                        // MQTT 3.1
		"100c00044d5154540502000f0000",                                        // MQTT 5
		"101000044d51545404ce000f000161000162000163",                          // will flags without a will
		"1000", "2000", "20020000", "40020001", "50020001", "62020001", "70020001", "9003000180", "b0020001",
		"c000", "c00100", "d000", "e000", "e0ff", "f000", "00", "ffffffffffffffff", long,
		hex.EncodeToString(publishPacket(1, 1, "hl/v1/t-001/"+strings.Repeat("x/", 4000), "x")),
	}
}

func TestHostilePacketsHurtOnlyTheirSender(t *testing.T) {
	h := openHall(t)
	for _, packet := range hostile() {
		data, err := hex.DecodeString(packet)
		if err != nil {
			t.Fatal(packet, err)
		}
		for _, inside := range []bool{false, true} {
			var conn net.Conn
			if inside {
				conn = admitted(t, h)
			} else {
				conn = raw(t, h)
			}
			conn.Write(data)
			conn.(*net.TCPConn).CloseWrite()
			io.Copy(io.Discard, conn)
			conn.Close()
		}
	}
	good := dial(t, h.options("t-002", "two"))
	publish(t, good, "hl/v1/t-002/up", "still here")
	for {
		m := within(t, soon, h.got, "an honest message afterwards")
		if m.Terminal == "t-002" {
			break
		}
	}
}

func TestALongTopicIsNoLongLine(t *testing.T) {
	h := openHall(t)
	conn := admitted(t, h)
	conn.Write(publishPacket(0, 0, strings.Repeat("ă", 8000), "x"))
	conn.(*net.TCPConn).CloseWrite()
	io.Copy(io.Discard, conn)
	h.Close()
	if !strings.Contains(h.log.String(), "Publish Violation") {
		t.Error("nothing logged: the test proves nothing")
	}
	for line := range strings.Lines(h.log.String()) {
		if len(line) > 1000 {
			t.Errorf("a log line of %d bytes: %.100s…", len(line), line)
		}
	}
}

// Words of the log that mean a restart can be written by anybody, before and after admission.
func TestNobodyCanTalkTheBrokerIntoARestart(t *testing.T) {
	h := openHall(t)
	victim := dial(t, h.options("t-002", "two"))
	for _, words := range journal.StoreTroubles() {
		conn := raw(t, h)
		conn.Write(connectPacket(words, "x", "y"))
		io.Copy(io.Discard, conn)
		inside := admitted(t, h)
		inside.Write(publishPacket(0, 0, "Filestore [$MQTT_sess] "+words, "x"))
		inside.Write([]byte{0xe0, 0})
		io.Copy(io.Discard, inside)
	}
	publish(t, victim, "hl/v1/t-002/up", "still here")
	within(t, soon, h.got, "the victim's message")
	h.Close()
	if n := h.Counts().Restarts; n != 0 {
		t.Errorf("%d restarts", n)
	}
	if !strings.Contains(h.log.String(), "Critical write error") {
		t.Error("the words were never logged: the test proves nothing")
	}
}

func FuzzTopic(f *testing.F) {
	for _, seed := range []string{"hl/v1/t-001/up", "hl.v1.t-001.health", "hl/v1//up", "hl/v1/t-001/receipt", "////",
		"hl/v1/" + strings.Repeat("a", 33) + "/up", "hl/v1/-ab/status", "hl/v1/a.b/up", "hl/v1/+/up"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, topic string) {
		for sep, join := range map[string]func(string, string) string{"/": topicOf, ".": subjectOf} {
			terminal, kind, ok := parseUp(topic, sep)
			if !ok {
				if terminal != "" || kind != "" {
					t.Errorf("%q: refused, yet %q %q", topic, terminal, kind)
				}
				continue
			}
			if join(terminal, kind) != topic {
				t.Errorf("%q: read as %q %q", topic, terminal, kind)
			}
			if strings.ContainsAny(terminal, "./+#*> ") || checkDown(terminal, Receipt, nil) != nil {
				t.Errorf("%q: terminal %q", topic, terminal)
			}
		}
	})
}

func TestTerminalNames(t *testing.T) {
	for name, want := range map[string]bool{
		"t-001": true, "abc": true, "0--": true, strings.Repeat("z", 32): true,
		"": false, "ab": false, "-ab": false, strings.Repeat("z", 33): false, "T-001": false, "a_b": false,
		"a.b": false, "a/b": false, "a*b": false, "a>b": false, "quầy-1": false, "a b": false, "abc\n": false,
	} {
		if got := validTerminal(name); got != want {
			t.Errorf("%q: got %v, want %v", name, got, want)
		}
	}
	if _, _, ok := parseUp("hl/v1/t-001/receipt", "/"); ok {
		t.Error("a receipt came up")
	}
	if fmt.Sprint(upward(), downward()) != "[up status health] [receipt document command]" {
		t.Error("the kinds are part of the contract")
	}
}
