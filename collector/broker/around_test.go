//go:build !race

package broker

import "testing"

// Nor must it fall over programs on this machine that connect around the gate, where nobody is let in but everybody is
// asked about. Not for the race detector: when the server (2.15.2) cuts somebody in the middle of a CONNECT it reads
// the name that it is writing (getRawAuthUser, mqttParseConnect).
func TestAStormAroundTheGate(t *testing.T) {
	for range 3 { // 2 s each: nobody answers the server any more
		endInAStorm(t, func(s *Server) string { return s.node.addr() })
	}
}
