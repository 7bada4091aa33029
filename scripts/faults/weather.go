package main

import (
	"context"
	"fmt"
	"net"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
)

// weather spoils the loopback of a network of our own: nft drops packets, tbf makes them late.
type weather struct{ dropped int }

// calm wakes the loopback of a new network. Packets are as small as on a cable, or a loss of 20 %
// would hit whole batches or nothing.
func (w *weather) calm(ctx context.Context) error {
	return tell(ctx, "", "ip", "link", "set", "lo", "mtu", "1500", "up")
}

// way is a direction on a link.
type way struct{ name, match string }

// The two ways, as the port of the broker's end sees them.
var (
	upward   = way{"up", "dport"}
	downward = way{"down", "sport"}
)

// drop lets some of a hundred packets to or from an address disappear.
func (w *weather) drop(ctx context.Context, address string, percent int, ways ...way) error {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	some := ""
	if percent < 100 {
		some = fmt.Sprintf("numgen random mod 100 < %d", percent)
	}
	var rules strings.Builder
	for _, way := range ways {
		fmt.Fprintf(&rules, "tcp %s %s %s counter drop\n", way.match, port, some)
	}
	return tell(ctx, "table inet faults {\nchain in {\ntype filter hook input priority 0\n"+rules.String()+"}\n}\n",
		"nft", "-f", "-")
}

// counted finds how many packets a rule has dropped.
var counted = regexp.MustCompile(`counter packets (\d+)`)

// clear ends drop and adds up what it dropped.
func (w *weather) clear(ctx context.Context) error {
	rules, err := exec.CommandContext(ctx, "nft", "list", "table", "inet", "faults").Output()
	if err != nil {
		return fmt.Errorf("nft list: %w", err)
	}
	for _, m := range counted.FindAllStringSubmatch(string(rules), -1) {
		n, err := strconv.Atoi(m[1])
		if err != nil {
			return err
		}
		w.dropped += n
	}
	return tell(ctx, "", "nft", "delete", "table", "inet", "faults")
}

// slow lets so many bits a second through, and no more than wait a second.
func (w *weather) slow(ctx context.Context, bits int) error {
	return tell(ctx, "", "tc", "qdisc", "add", "dev", "lo", "root", "tbf",
		"rate", fmt.Sprint(bits)+"bit", "burst", "3000", "latency", "1s")
}

// hurry ends slow.
func (w *weather) hurry(ctx context.Context) error {
	return tell(ctx, "", "tc", "qdisc", "del", "dev", "lo", "root")
}

// tell runs one of the system's tools with something to read.
func tell(ctx context.Context, input, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdin = strings.NewReader(input)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, out)
	}
	return nil
}

// try proves that the weather can be made here.
func (w *weather) try(ctx context.Context) error {
	const nobody = "127.0.0.1:1"
	for _, step := range []func() error{
		func() error { return w.calm(ctx) },
		func() error { return w.drop(ctx, nobody, 100, upward, downward) },
		func() error { return w.clear(ctx) },
		func() error { return w.slow(ctx, 9600) },
		func() error { return w.hurry(ctx) },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}
