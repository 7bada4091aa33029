package api

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"hailong/collector/org"
	"hailong/collector/score"
	"hailong/vote"
)

type scoreRow struct {
	Key    string       `json:"key" doc:"\"hall\", a terminal, a level, an hour, a day, or \"unknown\"."`
	N      score.Counts `json:"n" doc:"Votes of level 1 to 5."`
	Rate   *float64     `json:"rate"`
	Lo     *float64     `json:"lo"`
	Hi     *float64     `json:"hi"`
	Mean   *float64     `json:"mean"`
	Enough bool         `json:"enough"`
}

type scoreRows struct {
	Rows []scoreRow `json:"rows"`
}

func (s *scoreRows) table() [][]any {
	out := [][]any{{"key", "n1", "n2", "n3", "n4", "n5", "rate", "lo", "hi", "mean", "enough"}}
	for _, r := range s.Rows {
		out = append(out, []any{r.Key, r.N[0], r.N[1], r.N[2], r.N[3], r.N[4],
			fraction(r.Rate), fraction(r.Lo), fraction(r.Hi), fraction(r.Mean), r.Enough})
	}
	return out
}

type terminalRow struct {
	ID         string  `json:"id"`
	Counter    string  `json:"counter"`
	Added      *string `json:"added" format:"date-time"`
	LastSeen   *string `json:"last_seen" format:"date-time" doc:"Last signed message."`
	LastVote   *string `json:"last_vote" format:"date-time" doc:"Arrival of its last vote."`
	Online     bool    `json:"online" doc:"What the broker said last."`
	Software   string  `json:"software"`
	Epoch      string  `json:"epoch" doc:"Its newest numbering, hexadecimal."`
	Upto       uint64  `json:"upto" doc:"Records filed of that epoch."`
	Next       uint64  `json:"next" doc:"Number of its next record, as far as is known: next - 1 - upto are still on the terminal."`
	Warning    string  `json:"warning" doc:"\"\", or a code: fork, hole, unproven, tally, quarantine."`
	Unproven   uint64  `json:"unproven" doc:"Votes carved from its damaged files that nothing proves: outside every score."`
	VotesToday uint64  `json:"votes_today"`
}

type terminalRows struct {
	Rows []terminalRow `json:"rows"`
}

func (t *terminalRows) table() [][]any {
	out := [][]any{{"id", "counter", "added", "last_seen", "last_vote", "online", "software", "epoch",
		"upto", "next", "warning", "unproven", "votes_today"}}
	for _, r := range t.Rows {
		out = append(out, []any{r.ID, r.Counter, plain(r.Added), plain(r.LastSeen), plain(r.LastVote),
			r.Online, r.Software, r.Epoch, r.Upto, r.Next, r.Warning, r.Unproven, r.VotesToday})
	}
	return out
}

type voteRow struct {
	Cursor        string   `json:"cursor"`
	Terminal      string   `json:"terminal"`
	Epoch         string   `json:"epoch"`
	Seq           uint64   `json:"seq"`
	Level         int      `json:"level" doc:"The level that counts, 1 to 5."`
	FirstLevel    int      `json:"first_level" doc:"As first pressed; differs where the visitor changed it."`
	Survey        string   `json:"survey"`
	SurveyVersion uint32   `json:"survey_version"`
	Channel       string   `json:"channel" doc:"button, touch, phone, paper or test."`
	Counter       string   `json:"counter"`
	Officer       string   `json:"officer"`
	Flags         []string `json:"flags" doc:"after-hours, roster-differs, survey-unknown, assisted, unproven."`
	Contested     bool     `json:"contested" doc:"Another button was pressed too; the first counts."`
	Ignored       uint32   `json:"ignored" doc:"Presses after the visit was decided."`
	Reasons       []string `json:"reasons"`
	At            *string  `json:"at" format:"date-time" doc:"When it was cast; null where quality is unknown."`
	Quality       string   `json:"quality" doc:"How well \"at\" is known: exact, anchored or unknown."`
	WallMS        int64    `json:"wall_ms" doc:"The terminal's clock as it was read, Unix milliseconds."`
	ReceivedAt    *string  `json:"received_at" format:"date-time"`
	Counted       bool     `json:"counted"`
}

type voteRows struct {
	Rows []voteRow `json:"rows"`
	Next string    `json:"next" doc:"Cursor of the last row; where there is none, the one that was asked for."`
}

func (v *voteRows) table() [][]any {
	out := [][]any{{"cursor", "terminal", "epoch", "seq", "level", "first_level", "survey", "survey_version",
		"channel", "counter", "officer", "flags", "contested", "ignored", "reasons", "at", "quality", "wall_ms",
		"received_at", "counted"}}
	for _, r := range v.Rows {
		out = append(out, []any{r.Cursor, r.Terminal, r.Epoch, r.Seq, r.Level, r.FirstLevel, r.Survey,
			r.SurveyVersion, r.Channel, r.Counter, r.Officer, strings.Join(r.Flags, " "), r.Contested, r.Ignored,
			strings.Join(r.Reasons, " "), plain(r.At), r.Quality, r.WallMS, plain(r.ReceivedAt), r.Counted})
	}
	return out
}

func rowOf(v org.Vote) voteRow {
	return voteRow{Cursor: cursor(v.Cursor), Terminal: string(v.Terminal), Epoch: v.Epoch.String(), Seq: v.Seq,
		Level: int(v.Level), FirstLevel: int(v.First), Survey: v.Survey, SurveyVersion: v.Version,
		Channel: v.Channel.String(), Counter: v.Counter, Officer: v.Officer, Flags: flagNames(v.Flags),
		Contested: v.Contested, Ignored: v.Ignored, Reasons: append([]string{}, v.Reasons...), At: moment(v.At),
		Quality: string(v.Quality), WallMS: v.WallMS, ReceivedAt: moment(v.ReceivedAt), Counted: v.Counted}
}

func flagNames(f vote.Flags) []string {
	names := [32]string{"after-hours", "roster-differs", "survey-unknown", "assisted", "unproven"}
	out := []string{}
	for bit, name := range names {
		if name == "" {
			name = fmt.Sprintf("flag-%d", bit)
		}
		if f&(1<<bit) != 0 {
			out = append(out, name)
		}
	}
	return out
}

// moment is a time as the API writes it; null where nothing is known.
func moment(t time.Time) *string {
	if t.IsZero() {
		return nil
	}
	s := t.In(org.VietnamTime()).Format("2006-01-02T15:04:05.000Z07:00")
	return &s
}

func fraction(x *float64) string {
	if x == nil {
		return ""
	}
	return strconv.FormatFloat(*x, 'g', -1, 64)
}

func plain(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
