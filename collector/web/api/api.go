// Package api is the centre's figures for programs: routes, descriptions and forms of answers. It
// never decides who may ask; collector/web does, before a request reaches it.
package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"hailong/collector/org"
	"hailong/collector/score"
)

const aboutAPI = `Figures of a one-stop hall's votes. Send your token as "Authorization: Bearer <token>".

Times are RFC 3339 in +07:00. An error is application/problem+json (RFC 9457). Send
"Accept: text/csv" for a table that a spreadsheet opens: UTF-8 with a byte order mark, and an
apostrophe before text that a spreadsheet would take for a formula.`

const aboutScores = `Counts of votes by level, and what they say. "n" is how many votes levels 1 to 5 have;
"rate" is the satisfaction rate, (level 4 + level 5) ÷ all; "lo" and "hi" are its Wilson 95 % interval;
"mean" is the mean index, Σ level·n ÷ (5·Σ n). The four are fractions from 0 to 1, and null where a row has
no votes or is one level. "enough" is false below 30 votes: do not rank such a row. Test presses of a real
store are not counted. The key "unknown" holds votes whose time is not known; they belong only to a request
without "from" and "to". Figures of few votes tell who pressed what: do not publish rows under 5 votes.`

const aboutTerminals = `What was last heard of each terminal. It tells nothing about levels.`

const aboutVotes = `Every filed vote in filing order, for an auditor. Ask without "after" first, then with the
"next" of each answer until one has no rows; the same "next" asks for newer votes later. A cursor means
nothing but its place and stays valid. The order is
that of filing, so a vote that arrives late comes late. "counted" is false for votes outside the scores.`

// Reader gives the figures.
type Reader interface {
	// Hall is today's live state, already reduced to what a live view may show.
	Hall(ctx context.Context, now time.Time) (org.Hall, error)
	// Scores counts votes by group within a span.
	Scores(ctx context.Context, by org.Group, in org.Span) ([]org.Row, error)
	// Votes lists votes filed after a cursor, oldest first.
	Votes(ctx context.Context, after uint64, limit int) ([]org.Vote, error)
}

// Service answers the API's requests.
type Service struct {
	Reader  Reader
	Now     func() time.Time
	Log     *slog.Logger
	Version string // of the program
}

// eventFailed is the log's word for figures that could not be read.
const eventFailed = "api.failed"

// Handler serves /api/v1 and its description.
func (s Service) Handler() http.Handler {
	config := huma.DefaultConfig("Hài Lòng", s.Version)
	config.Info.Description = aboutAPI
	config.OpenAPIPath = "/api/v1/openapi"
	config.DocsPath = "" // its page loads scripts from outside the hall's network
	config.SchemasPath, config.CreateHooks = "", nil
	config.RejectUnknownQueryParameters = true
	config.Formats = map[string]huma.Format{"application/json": huma.DefaultJSONFormat,
		"json": huma.DefaultJSONFormat, "text/csv": {Marshal: writeCSV}}
	config.Components.SecuritySchemes = map[string]*huma.SecurityScheme{"token": {Type: "http", Scheme: "bearer"}}
	mux := http.NewServeMux()
	api := humago.New(mux, config)
	huma.Register(api, operation("scores", "Count votes by group", aboutScores), s.scores)
	huma.Register(api, operation("terminals", "List terminals", aboutTerminals), s.terminals)
	huma.Register(api, operation("votes", "List single votes", aboutVotes), s.votes)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// Huma reads the weight of the last kind only where a comma follows, and takes it for 1.
		if accept := r.Header.Get("Accept"); accept != "" {
			r = r.Clone(r.Context())
			r.Header.Set("Accept", accept+",")
		}
		mux.ServeHTTP(problems{w}, r)
	})
}

func operation(scope, summary, about string) huma.Operation {
	table := map[string]*huma.MediaType{"text/csv": {Schema: &huma.Schema{
		Type: huma.TypeString, Description: "The same rows as a table, UTF-8 with a byte order mark.",
	}}}
	return huma.Operation{Method: http.MethodGet, Path: "/api/v1/" + scope, OperationID: scope, Summary: summary,
		Description: about + "\n\nThe token needs the scope `" + scope + "`.",
		Security:    []map[string][]string{{"token": {scope}}},
		Responses:   map[string]*huma.Response{"200": {Description: "The rows.", Content: table}},
		Errors: []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusUnprocessableEntity,
			http.StatusInternalServerError, http.StatusServiceUnavailable}}
}

type scoresIn struct {
	Group string `query:"group" default:"hall" enum:"hall,terminal,level,hour,day" doc:"What makes a row."`
	From  string `query:"from" doc:"First moment, inclusive: RFC 3339, or a local date." example:"2022-08-05"`
	To    string `query:"to" doc:"Last moment, exclusive: RFC 3339, or a local date." example:"2022-08-23"`
}

type scoresOut struct{ Body *scoreRows }

func (s Service) scores(ctx context.Context, in *scoresIn) (*scoresOut, error) {
	span, field, err := parseSpan(in.From, in.To)
	if err != nil {
		return nil, invalid(field, err)
	}
	rows, err := s.Reader.Scores(ctx, org.Group(in.Group), span)
	if err != nil {
		return nil, s.unread("scores", err)
	}
	out := &scoreRows{Rows: []scoreRow{}}
	for _, r := range rows {
		row := scoreRow{Key: r.Key, N: r.Counts}
		if sc := score.Of(r.Counts); sc.N > 0 && org.Group(in.Group) != org.ByLevel {
			row.Rate, row.Lo, row.Hi, row.Mean, row.Enough = &sc.Rate, &sc.Lo, &sc.Hi, &sc.Mean, sc.Enough
		}
		out.Rows = append(out.Rows, row)
	}
	return &scoresOut{out}, nil
}

type terminalsOut struct{ Body *terminalRows }

func (s Service) terminals(ctx context.Context, _ *struct{}) (*terminalsOut, error) {
	hall, err := s.Reader.Hall(ctx, s.Now())
	if err != nil {
		return nil, s.unread("terminals", err)
	}
	out := &terminalRows{Rows: []terminalRow{}}
	for _, t := range hall.Terminals {
		out.Rows = append(out.Rows, terminalRow{ID: string(t.ID), Counter: t.Counter, Added: moment(t.Added),
			LastSeen: moment(t.LastSeen), LastVote: moment(t.LastVote), Online: t.Online, Software: t.Software,
			Epoch: t.Epoch.String(), Upto: t.Upto, Next: max(t.Next, t.Upto+1), Warning: t.Warning,
			Unproven: t.Unproven, VotesToday: t.VotesToday})
	}
	return &terminalsOut{out}, nil
}

type votesIn struct {
	After string `query:"after" doc:"The \"next\" of an earlier answer; empty for the first votes."`
	Limit int    `query:"limit" default:"100" minimum:"1" maximum:"500" doc:"Most votes in one answer."`
}

type votesOut struct {
	Link string `header:"Link" doc:"The next page, rel=\"next\", for answers in CSV too."`
	Body *voteRows
}

func (s Service) votes(ctx context.Context, in *votesIn) (*votesOut, error) {
	after, err := parseCursor(in.After)
	if err != nil {
		return nil, invalid("after", err)
	}
	votes, err := s.Reader.Votes(ctx, after, in.Limit)
	if err != nil {
		return nil, s.unread("votes", err)
	}
	out := &votesOut{Body: &voteRows{Rows: []voteRow{}, Next: in.After}}
	for _, v := range votes {
		out.Body.Rows = append(out.Body.Rows, rowOf(v))
	}
	// A short answer was the end when it was made, but votes go on: it has a cursor too, so that a
	// follower can ask again. An answer without votes gives back the one it was asked with.
	if n := len(votes); n > 0 {
		out.Body.Next = cursor(votes[n-1].Cursor)
		out.Link = fmt.Sprintf(`</api/v1/votes?after=%s&limit=%d>; rel="next"`, out.Body.Next, in.Limit)
	}
	return out, nil
}

// unread logs why the store could not answer and tells the client no more than that.
func (s Service) unread(what string, err error) error {
	if errors.Is(err, context.Canceled) {
		return huma.Error503ServiceUnavailable("the request was given up")
	}
	s.Log.Error(eventFailed, "path", "/api/v1/"+what, "err", err)
	return huma.Error500InternalServerError("the figures could not be read; the centre's log says why")
}

func invalid(field string, err error) error {
	return huma.Error422UnprocessableEntity("validation failed",
		&huma.ErrorDetail{Location: "query." + field, Message: err.Error()})
}

// Problem writes an error as this API does (RFC 9457), for whoever refuses before it is asked.
func Problem(w http.ResponseWriter, status int, detail string) {
	body, _ := json.Marshal(huma.ErrorModel{Status: status, Title: http.StatusText(status), Detail: detail})
	w.Header().Set("Content-Type", problemKind)
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // the client has gone; there is nobody to tell
}

// problemKind is the content type of every error.
const problemKind = "application/problem+json"

// problems names the kind of every error. Huma names it by what the client accepts, and would call
// an error "text/csv".
type problems struct{ http.ResponseWriter }

// WriteHeader implements http.ResponseWriter.
func (p problems) WriteHeader(status int) {
	if status >= http.StatusBadRequest {
		p.Header().Set("Content-Type", problemKind)
	}
	p.ResponseWriter.WriteHeader(status)
}
