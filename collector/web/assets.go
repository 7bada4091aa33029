package web

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"fmt"
	"net/http"
	"time"
)

// Everything the page loads is in the program: no request leaves the hall's network.
//
//go:embed assets
var assets embed.FS

// asset serves an embedded file. It has a digest in place of a date, which embedded files lack.
func (s *site) asset(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("file")
	body, err := assets.ReadFile("assets/" + name)
	if err != nil {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("ETag", fmt.Sprintf(`"%x"`, sha256.Sum256(body)))
	w.Header().Set("Cache-Control", "no-cache")
	http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(body))
}
