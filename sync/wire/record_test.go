package wire

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
	"pgregory.net/rapid"

	"hailong/sync/seal"
	"hailong/vote"
)

// word draws what a record may hold: Vietnamese, composed and decomposed, ASCII and emoji.
func word(most int) *rapid.Generator[string] {
	letters := rapid.SampledFrom([]rune("abcxyz0189-_ .,ạậăâđêộơướỳỷẶỔ\u0302\u0323€😀\u00a0"))
	return rapid.StringOfN(letters, 0, -1, most)
}

func some(most int) *rapid.Generator[string] {
	return word(most).Filter(func(s string) bool { return s != "" })
}

var anyStamp = rapid.Custom(func(t *rapid.T) vote.Stamp {
	return vote.Stamp{
		WallMS: rapid.Int64().Draw(t, "wall"), Synced: rapid.Bool().Draw(t, "synced"),
		Boot: rapid.Uint32().Draw(t, "boot"), SinceMS: rapid.Uint64().Draw(t, "since"),
	}
})

var anyLevel = rapid.Map(rapid.IntRange(1, 5), func(n int) vote.Level { return vote.Level(n) })

var anySeq = rapid.Uint64Range(1, 1<<62)

var anyRecord = rapid.Custom(func(t *rapid.T) vote.Record {
	r := vote.Record{At: anyStamp.Draw(t, "at")}
	switch rapid.IntRange(1, 4).Draw(t, "kind") {
	case 1:
		r.Cast = &vote.Cast{
			Level: anyLevel.Draw(t, "level"), Survey: some(vote.MaxSurveyID).Draw(t, "survey"),
			SurveyVersion: rapid.Uint32().Draw(t, "version"), Layout: word(vote.MaxName).Draw(t, "layout"),
			Language: word(vote.MaxName).Draw(t, "language"),
			Channel:  vote.Channel(rapid.IntRange(1, 5).Draw(t, "channel")),
			Counter:  word(vote.MaxName).Draw(t, "counter"), Officer: word(vote.MaxName).Draw(t, "officer"),
			Flags: vote.Flags(rapid.Uint32().Draw(t, "flags")),
		}
	case 2:
		r.Amend = &vote.Amend{Cast: anySeq.Draw(t, "cast"), Level: anyLevel.Draw(t, "level")}
	case 3:
		r.Detail = &vote.Detail{
			Cast:    anySeq.Draw(t, "cast"),
			Reasons: rapid.SliceOfN(some(vote.MaxReason), 0, vote.MaxReasons).Draw(t, "reasons"),
			Sealed:  rapid.SliceOfN(rapid.Byte(), 0, vote.MaxSealed).Draw(t, "sealed"),
			Ignored: rapid.Uint32().Draw(t, "ignored"), Contested: rapid.Bool().Draw(t, "contested"),
		}
		tidyDetail(r.Detail)
	case 4:
		r.Event = &vote.Event{Code: some(vote.MaxName).Draw(t, "code"), Note: word(vote.MaxEvent).Draw(t, "note")}
	}
	return r
})

// tidyDetail makes what is empty also nil: on the wire the two are one.
func tidyDetail(d *vote.Detail) {
	if d != nil && len(d.Reasons) == 0 {
		d.Reasons = nil
	}
	if d != nil && len(d.Sealed) == 0 {
		d.Sealed = nil
	}
}

func draw16(t *rapid.T, label string) [16]byte {
	return [16]byte(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, label))
}

func draw32(t *rapid.T, label string) [32]byte {
	return [32]byte(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, label))
}

// drawEpoch is any epoch but none.
func drawEpoch(t *rapid.T) seal.Epoch {
	e := seal.Epoch(draw16(t, "epoch"))
	e[0] |= 1
	return e
}

var anyID = rapid.Map(rapid.StringMatching(`[a-z0-9][a-z0-9-]{2,31}`), func(s string) vote.TerminalID {
	return vote.TerminalID(s)
})

func TestAnyRecordComesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := anyRecord.Draw(t, "record")
		body, err := EncodeRecord(want)
		if err != nil {
			t.Fatal(err)
		}
		got, err := DecodeRecord(body)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("got %+v, %v, want %+v", got, err, want)
		}
		if again := must(EncodeRecord(got)); !bytes.Equal(again, body) {
			t.Fatalf("encoded again %x, want %x", again, body)
		}
	})
}

func TestAnyHelloComesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		oldest := anySeq.Draw(t, "oldest")
		first := rapid.Uint64Range(oldest, maxSeq).Draw(t, "first")
		want := Hello{
			MinVersion: rapid.Uint64().Draw(t, "min"), MaxVersion: rapid.Uint64().Draw(t, "max"),
			Terminal: anyID.Draw(t, "id"), Epoch: drawEpoch(t), Nonce: draw16(t, "nonce"),
			First: first, Next: rapid.Uint64Range(first, maxSeq).Draw(t, "next"), Head: draw32(t, "head"),
			Oldest: oldest, Before: draw32(t, "before"), Now: anyStamp.Draw(t, "now"),
			Documents: rapid.MapOfN(some(maxName), rapid.Uint64(), 0, maxKinds).Draw(t, "documents"),
			Software:  word(maxName).Draw(t, "software"),
		}
		if len(want.Documents) == 0 {
			want.Documents = nil
		}
		got, err := DecodeHello(must(want.Encode()))
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("got %+v, %v, want %+v", got, err, want)
		}
	})
}

func TestAnyBatchComesBack(t *testing.T) {
	codec := NewCodec()
	item := rapid.Custom(func(t *rapid.T) Item {
		if rapid.IntRange(0, 9).Draw(t, "lost") == 0 {
			return Item{Digest: draw32(t, "digest")}
		}
		body := must(EncodeRecord(anyRecord.Draw(t, "record")))
		return Item{Body: body, Digest: seal.Of(body)}
	})
	rapid.Check(t, func(t *rapid.T) {
		want := Batch{
			Terminal: anyID.Draw(t, "id"), Epoch: drawEpoch(t), First: anySeq.Draw(t, "first"),
			Items: rapid.SliceOfN(item, 1, 20).Draw(t, "items"), Prev: draw32(t, "prev"), Now: anyStamp.Draw(t, "now"),
			Tally: Tally{rapid.Uint64().Draw(t, "tally"), 0, 1, 2, 3},
		}
		want.Head = want.Prev
		for i, item := range want.Items {
			want.Head = want.Head.Next(want.First+uint64(i), item.Digest)
		}
		raw, err := codec.Seal(BatchType, must(want.Encode()), terminalKey)
		if errors.Is(err, ErrSize) {
			return // rapid may draw sealed noise beyond the limit
		}
		_, payload, err := codec.Open(raw, public(terminalKey))
		if err != nil {
			t.Fatal(err)
		}
		got, err := DecodeBatch(payload)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("got %+v, %v, want %+v", got, err, want)
		}
		if _, ok := got.Chain(); !ok {
			t.Fatal("the chain does not hold")
		}
	})
}

func TestAnyReceiptComesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := Receipt{
			Terminal: anyID.Draw(t, "id"), Epoch: draw16(t, "epoch"), Answers: draw16(t, "answers"),
			Code: rapid.SampledFrom([]Code{OK, Gap, Quarantined, Busy, BadVersion, Unknown, Fork}).Draw(t, "code"),
			Upto: rapid.Uint64Range(0, maxSeq).Draw(t, "upto"), Head: draw32(t, "head"),
			AtMS:       rapid.Int64().Draw(t, "at"),
			RetryAfter: time.Duration(rapid.Int64Range(0, 3600000).Draw(t, "retry")) * time.Millisecond,
			MinVersion: rapid.Uint64().Draw(t, "min"), MaxVersion: rapid.Uint64().Draw(t, "max"),
		}
		if rapid.Bool().Draw(t, "answers a hello") {
			nonce := Nonce(draw16(t, "nonce"))
			want.Nonce = &nonce
		}
		for range rapid.IntRange(0, 9).Draw(t, "ranges") {
			from := anySeq.Draw(t, "from")
			want.Quarantined = append(want.Quarantined, Range{
				From: from, To: rapid.Uint64Range(from, maxSeq).Draw(t, "to"), Why: word(100).Draw(t, "why"),
			})
		}
		got, err := DecodeReceipt(must(want.Encode()))
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("got %+v, %v, want %+v", got, err, want)
		}
	})
}

// What reaches the disk must be readable there: the encoder itself would write any string.
func TestUnreadableRecordsAreNotWritten(t *testing.T) {
	cast := vote.Cast{Level: 1, Survey: "x", Channel: vote.Button}
	broken := cast
	broken.Counter = "quầy \xff"
	for name, r := range map[string]vote.Record{
		"nothing":        {},
		"two":            {Cast: &cast, Event: &vote.Event{Code: "boot"}},
		"counter":        {Cast: &broken},
		"reason":         {Detail: &vote.Detail{Cast: 1, Reasons: []string{"khac", "\xc3("}}},
		"note":           {Event: &vote.Event{Code: "disk", Note: "\xe1\xba"}},
		"amend to 6":     {Amend: &vote.Amend{Cast: 1, Level: 6}},
		"13 reasons":     {Detail: &vote.Detail{Cast: 1, Reasons: make([]string, 13)}},
		"detail of none": {Detail: &vote.Detail{}},
	} {
		if _, err := EncodeRecord(r); !errors.Is(err, vote.ErrInvalid) {
			t.Errorf("%s: EncodeRecord = %v, want vote.ErrInvalid", name, err)
		}
	}
}

func TestRecordsThatBreakTheRulesAreRefused(t *testing.T) {
	base := body{Kind: vote.CastKind, Boot: 1, Survey: "x", Channel: vote.Button, Level: 3}
	for name, spoil := range map[string]func(*body){
		"no kind":       func(b *body) { b.Kind = 0 },
		"kind 5":        func(b *body) { b.Kind = 5 },
		"level 6":       func(b *body) { b.Level = 6 },
		"no survey":     func(b *body) { b.Survey = "" },
		"long survey":   func(b *body) { b.Survey = strings.Repeat("a", 65) },
		"channel 6":     func(b *body) { b.Channel = 6 },
		"control":       func(b *body) { b.Officer = "a\nb" },
		"amend of none": func(b *body) { b.Kind = vote.AmendKind },
		"empty reason":  func(b *body) { b.Kind, b.Cast, b.Reasons = vote.DetailKind, 1, []string{""} },
		"13 reasons": func(b *body) {
			b.Kind, b.Cast, b.Reasons = vote.DetailKind, 1, strings.Split("abcdefghijklm", "")
		},
		"sealed 4097": func(b *body) { b.Kind, b.Cast, b.Sealed = vote.DetailKind, 1, make([]byte, 4097) },
		"no code":     func(b *body) { b.Kind = vote.EventKind },
	} {
		b := base
		spoil(&b)
		if _, err := DecodeRecord(must(encoding.Marshal(b))); !errors.Is(err, ErrFormat) {
			t.Errorf("%s: DecodeRecord = %v, want ErrFormat", name, err)
		}
	}
	if _, err := DecodeRecord(make([]byte, seal.MaxBody+1)); !errors.Is(err, ErrSize) {
		t.Errorf("body beyond MaxBody: DecodeRecord = %v, want ErrSize", err)
	}
}

func TestLargestRecordsFitABody(t *testing.T) {
	at := vote.Stamp{WallMS: -1 << 62, Synced: true, Boot: 1<<32 - 1, SinceMS: 1<<64 - 1}
	name := strings.Repeat("a", vote.MaxName)
	reasons := make([]string, vote.MaxReasons)
	for i := range reasons {
		reasons[i] = strings.Repeat("b", vote.MaxReason)
	}
	for _, r := range []vote.Record{
		{At: at, Cast: &vote.Cast{Level: 5, Survey: name, SurveyVersion: 1<<32 - 1, Layout: name, Language: name,
			Channel: 5, Counter: name, Officer: name, Flags: 1<<32 - 1}},
		{At: at, Amend: &vote.Amend{Cast: 1<<64 - 1, Level: 5}},
		{At: at, Detail: &vote.Detail{Cast: 1<<64 - 1, Reasons: reasons, Sealed: make([]byte, vote.MaxSealed),
			Ignored: 1<<32 - 1, Contested: true}},
		{At: at, Event: &vote.Event{Code: name, Note: strings.Repeat("c", vote.MaxEvent)}},
	} {
		body, err := EncodeRecord(r)
		if err != nil || len(body) > seal.MaxBody {
			t.Fatalf("%s: %d bytes, %v, want at most %d", r.Kind(), len(body), err, seal.MaxBody)
		}
		if got, err := DecodeRecord(body); err != nil || !reflect.DeepEqual(got, r) {
			t.Errorf("%s: DecodeRecord = %+v, %v", r.Kind(), got, err)
		}
	}
}

func TestTextIsComposedAndClean(t *testing.T) {
	for in, want := range map[string]string{
		"":                       "",
		"Quầy 3":                 "Quầy 3",
		"Qua\u0302\u0300y":       "Quầy",
		"e\u0323\u0302":          "ệ",
		"e\u0302\u0323":          "ệ", // marks in the other order
		"e\x00\u0301":            "é", // composed only once the control character is gone
		"dòng một\r\ndòng hai\t": "dòng một\ndòng hai",
		"a\x7fb":                 "ab",
		"\xffa\xe1\xba":          "\ufffda\ufffd\ufffd",
		"đĐ":                     "đĐ",
	} {
		if got := Text(in); got != want {
			t.Errorf("Text(%+q) = %+q, want %+q", in, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		letter := rapid.SampledFrom([]byte("ae\x00\n\xcc\x81\xcc\xa3\xc4\x91\xff"))
		s := string(rapid.SliceOfN(letter, 0, 20).Draw(t, "text"))
		got := Text(s)
		if !norm.NFC.IsNormalString(got) || !utf8.ValidString(got) || Text(got) != got {
			t.Fatalf("Text(%+q) = %+q: not composed, not UTF-8 or not at rest", s, got)
		}
	})
}

func TestPersonalDataOpensOnlyWithItsKey(t *testing.T) {
	sealed, err := SealPersonal(goldenPersonal, sealPublic)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := OpenPersonal(sealed, sealPublic, sealPrivate); err != nil || got != goldenPersonal {
		t.Errorf("OpenPersonal = %+v, %v, want %+v", got, err, goldenPersonal)
	}
	if again := must(SealPersonal(goldenPersonal, sealPublic)); bytes.Equal(again, sealed) {
		t.Error("sealed twice alike: equal comments would show")
	}
	if bytes.Contains(sealed, []byte(goldenPersonal.Phone)) {
		t.Error("the number can be read in the sealed box")
	}
	public, private, err := NewSealKey()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := OpenPersonal(sealed, public, private); !errors.Is(err, ErrSignature) {
		t.Errorf("another key: OpenPersonal = %v, want ErrSignature", err)
	}
	for i := range len(sealed) * 8 {
		spoilt := bytes.Clone(sealed)
		spoilt[i/8] ^= 1 << (i % 8)
		// X25519 ignores the top bit of a public key; the nonce is made from all of it.
		if _, err := OpenPersonal(spoilt, sealPublic, sealPrivate); !errors.Is(err, ErrSignature) {
			t.Fatalf("bit %d flipped: OpenPersonal = %v, want ErrSignature", i, err)
		}
	}
	for n := range 48 {
		if _, err := OpenPersonal(sealed[:n], sealPublic, sealPrivate); !errors.Is(err, ErrSignature) {
			t.Fatalf("cut at %d: OpenPersonal = %v, want ErrSignature", n, err)
		}
	}
}

func TestPersonalDataHasLimits(t *testing.T) {
	full := Personal{
		Comment: strings.Repeat("ậ", MaxComment/3), Phone: strings.Repeat("0", maxName),
		Dossier: strings.Repeat("H", maxName),
	}
	sealed, err := SealPersonal(full, sealPublic)
	if err != nil || len(sealed) > vote.MaxSealed {
		t.Errorf("full personal data: %d bytes sealed, %v, want at most %d", len(sealed), err, vote.MaxSealed)
	}
	for name, p := range map[string]Personal{
		"comment": {Comment: full.Comment + "a"}, "phone": {Phone: full.Phone + "0"},
		"dossier": {Dossier: full.Dossier + "H"},
	} {
		if _, err := SealPersonal(p, sealPublic); !errors.Is(err, ErrSize) {
			t.Errorf("long %s: SealPersonal = %v, want ErrSize", name, err)
		}
	}
	if _, err := SealPersonal(Personal{Comment: "\xff"}, sealPublic); !errors.Is(err, ErrFormat) {
		t.Errorf("broken comment: SealPersonal = %v, want ErrFormat", err)
	}
}
