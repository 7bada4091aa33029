package web

import (
	"encoding/json"
	"net/http"
	"net/netip"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// livez answers as long as the process answers at all.
func (s *site) livez(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, "application/json", map[string]bool{"live": true})
}

// readyz tells whether votes can be filed, and if not, why.
func (s *site) readyz(w http.ResponseWriter, r *http.Request) {
	status, reasons := http.StatusOK, []string{}
	if err := s.o.Health.Ready(r.Context()); err != nil {
		status = http.StatusServiceUnavailable
		parts := []error{err}
		if joined, ok := err.(interface{ Unwrap() []error }); ok {
			parts = joined.Unwrap()
		}
		for _, part := range parts {
			reasons = append(reasons, part.Error())
		}
	}
	writeJSON(w, status, "application/json", map[string]any{"ready": len(reasons) == 0, "reasons": reasons})
}

func (s *site) metrics() http.Handler {
	return promhttp.HandlerFor(s.o.Metrics, promhttp.HandlerOpts{})
}

// onlyLocal lets this machine in. The address is the connection's, not one that a header claims.
func (s *site) onlyLocal(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		from, err := netip.ParseAddrPort(r.RemoteAddr)
		if !s.o.OpenMetrics && (err != nil || !from.Addr().Unmap().IsLoopback()) {
			http.Error(w, "for this machine only", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// writeJSON is for values that always marshal.
func writeJSON(w http.ResponseWriter, status int, kind string, v any) {
	body, _ := json.Marshal(v)
	w.Header().Set("Content-Type", kind)
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // the visitor has gone; there is nobody to tell
}
