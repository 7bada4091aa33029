package vote

import (
	"fmt"
	"slices"
)

// Party is who is responsible for a reason. A delay at another agency must not be blamed on the
// officer at the counter.
type Party uint8

// Parties. The numbers are on disk.
const (
	Officer     Party = 1
	Unit        Party = 2
	OtherAgency Party = 3
)

// String is the party's name in APIs and documents.
func (p Party) String() string {
	switch p {
	case Officer:
		return "officer"
	case Unit:
		return "unit"
	case OtherAgency:
		return "other-agency"
	}
	return fmt.Sprintf("party-%d", uint8(p))
}

// Reason is why somebody voted as they did.
type Reason struct {
	Code  string // stable, lower case, without diacritics
	Party Party
	Text  Text
	// Praise reasons are offered for levels 4 and 5, the others for 1 to 3: the page has the
	// same shape for every level, so that nobody reads the level from it.
	Praise bool
}

// Survey is the question, the levels it offers and the reasons after it.
type Survey struct {
	ID       string
	Version  uint32
	Question Text
	Levels   []Level // 3, 4 or 5 of them, ascending
	Reasons  []Reason
}

// Offers tells whether the survey shows a level.
func (s Survey) Offers(l Level) bool { return slices.Contains(s.Levels, l) }

// ReasonsFor lists the reasons offered after a level, in the survey's order.
func (s Survey) ReasonsFor(l Level) []Reason {
	var out []Reason
	for _, r := range s.Reasons {
		if r.Praise == (l >= Satisfied) {
			out = append(out, r)
		}
	}
	return out
}

// Reason finds a reason by its code.
func (s Survey) Reason(code string) (Reason, bool) {
	i := slices.IndexFunc(s.Reasons, func(r Reason) bool { return r.Code == code })
	if i < 0 {
		return Reason{}, false
	}
	return s.Reasons[i], true
}

// Validate checks a survey: 3 to 5 ascending levels, unique reason codes, both languages.
func (s Survey) Validate() error {
	if s.ID == "" || s.Version == 0 {
		return invalid("survey %q version %d: both must be set", s.ID, s.Version)
	}
	if err := named("survey", s.ID, MaxSurveyID); err != nil {
		return err
	}
	if n := len(s.Levels); n < 3 || n > 5 {
		return invalid("survey %s offers %d levels, expected 3, 4 or 5", s.ID, n)
	}
	for i, l := range s.Levels {
		if !l.Valid() || i > 0 && l <= s.Levels[i-1] {
			return invalid("survey %s: levels %v must ascend within 1 to 5", s.ID, s.Levels)
		}
	}
	if s.Question.Vi == "" {
		return invalid("survey %s has no question in Vietnamese", s.ID)
	}
	seen := make(map[string]bool, len(s.Reasons))
	for _, r := range s.Reasons {
		if r.Code == "" || len(r.Code) > MaxReason || seen[r.Code] {
			return invalid("survey %s: reason code %q is empty, too long or used twice", s.ID, r.Code)
		}
		if r.Text.Vi == "" || r.Party < Officer || r.Party > OtherAgency {
			return invalid("survey %s: reason %s needs a Vietnamese text and a responsible party", s.ID, r.Code)
		}
		seen[r.Code] = true
	}
	return nil
}

// Default is the survey mac-dinh/1, built into every terminal until the centre sends another.
// The complaint reasons are those seen in practice at one-stop sections.
func Default() Survey {
	return Survey{
		ID: "mac-dinh", Version: 1,
		Question: Text{
			"Ông/Bà có hài lòng với việc phục vụ hôm nay không?",
			"Were you satisfied with the service today?",
		},
		Levels: []Level{VeryUnsatisfied, Unsatisfied, Neutral, Satisfied, VerySatisfied},
		Reasons: []Reason{
			{"thai-do", Officer, Text{"Thái độ chưa đúng mực", "Attitude of the officer"}, false},
			{"huong-dan", Officer, Text{"Hướng dẫn không rõ ràng", "Unclear guidance"}, false},
			{"di-lai", Unit, Text{"Phải đi lại nhiều lần", "Had to come back several times"}, false},
			{"tre-hen", OtherAgency, Text{"Trễ hẹn", "Result was late"}, false},
			{"giay-to", Officer, Text{"Yêu cầu thêm giấy tờ ngoài quy định", "Papers asked beyond the rules"}, false},
			{"cho-lau", Unit, Text{"Chờ lâu", "Long waiting"}, false},
			{"phi", Unit, Text{"Phí, lệ phí không rõ", "Unclear fees"}, false},
			{"co-so", Unit, Text{"Cơ sở vật chất", "Premises and equipment"}, false},
			{"khac", Unit, Text{"Khác", "Something else"}, false},
			{"tan-tinh", Officer, Text{"Cán bộ tận tình", "Helpful officer"}, true},
			{"ro-rang", Officer, Text{"Hướng dẫn rõ ràng", "Clear guidance"}, true},
			{"nhanh", Unit, Text{"Giải quyết nhanh", "Quick handling"}, true},
			{"dung-hen", Unit, Text{"Đúng hẹn", "On time"}, true},
			{"mot-lan", Unit, Text{"Chỉ phải đến một lần", "One visit was enough"}, true},
			{"gon", Unit, Text{"Giấy tờ gọn", "Few papers asked"}, true},
			{"minh-bach", Unit, Text{"Phí, lệ phí rõ ràng", "Clear fees"}, true},
			{"sach-dep", Unit, Text{"Nơi tiếp đón sạch đẹp", "Pleasant premises"}, true},
			{"khac-tot", Unit, Text{"Điều khác", "Something else"}, true},
		},
	}
}
