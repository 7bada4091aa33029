package callout

import (
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"
)

// ask makes the question a server would ask about t-001. The broker's tests let a real one ask.
func ask(t *testing.T) (question []byte, user string) {
	t.Helper()
	srv, err1 := nkeys.CreateServer()
	pair, err2 := nkeys.CreateUser()
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	user, _ = pair.PublicKey()
	q := jwt.NewAuthorizationRequestClaims("anybody")
	q.UserNkey, q.Server.ID = user, "the server"
	q.ClientInformation.ID, q.ClientInformation.MQTT = 7, "t-001"
	q.ConnectOptions.Username, q.ConnectOptions.Password = "t-001", "one"
	text, err := q.Encode(srv)
	if err != nil {
		t.Fatal(err)
	}
	return []byte(text), user
}

func answer(t *testing.T, r *Rights) (*jwt.AuthorizationResponseClaims, *jwt.UserClaims) {
	t.Helper()
	k, err := New()
	if err != nil {
		t.Fatal(err)
	}
	question, user := ask(t)
	signed, err := k.Answer(question, func(q Question) *Rights {
		if q != (Question{Connection: 7, Client: "t-001", User: "t-001", Secret: "one"}) {
			t.Errorf("asked about %+v", q)
		}
		return r
	})
	if err != nil {
		t.Fatal(err)
	}
	a, err := jwt.DecodeAuthorizationResponseClaims(string(signed))
	if err != nil {
		t.Fatal(err)
	}
	if a.Issuer != k.issuerName || a.Subject != user || a.Audience != "the server" {
		t.Errorf("answer by %s for %s to %s", a.Issuer, a.Subject, a.Audience)
	}
	if a.Jwt == "" {
		return a, nil
	}
	u, err := jwt.DecodeUserClaims(a.Jwt)
	if err != nil {
		t.Fatal(err)
	}
	return a, u
}

func TestWhoIsLetInMayDoWhatIsListed(t *testing.T) {
	_, u := answer(t, &Rights{Publish: []string{"a.b"}, Subscribe: []string{"c", "d"}})
	if u == nil || !slices.Equal(u.Pub.Allow, jwt.StringList{"a.b"}) ||
		!slices.Equal(u.Sub.Allow, jwt.StringList{"c", "d"}) || len(u.Pub.Deny)+len(u.Sub.Deny) > 0 ||
		!slices.Equal(u.AllowedConnectionTypes, jwt.StringList{jwt.ConnectionTypeMqtt}) || u.Name != "t-001" {
		t.Errorf("got %+v", u)
	}
}

func TestNoRightsAreNotAllRights(t *testing.T) {
	_, u := answer(t, &Rights{})
	if u == nil || !slices.Equal(u.Pub.Deny, jwt.StringList{">"}) || !slices.Equal(u.Sub.Deny, jwt.StringList{">"}) {
		t.Errorf("got %+v", u)
	}
}

func TestWhoIsNotLetInGetsNothing(t *testing.T) {
	if a, u := answer(t, nil); u != nil || a.Error != "not admitted" {
		t.Errorf("got %+v %+v", a, u)
	}
}

func TestNonsenseIsNotDecidedUpon(t *testing.T) {
	k, err := New()
	if err != nil {
		t.Fatal(err)
	}
	for _, question := range []string{"", "x", "a.b.c"} {
		_, err := k.Answer([]byte(question), func(Question) *Rights {
			t.Error("decided")
			return nil
		})
		if err == nil || !strings.HasPrefix(err.Error(), "read the server's question: ") {
			t.Errorf("%q: got %v", question, err)
		}
	}
}

func TestEachLifeHasItsOwnKeys(t *testing.T) {
	seen := map[string]bool{}
	for range 2 {
		k, err := New()
		if err != nil {
			t.Fatal(err)
		}
		o := &server.Options{}
		k.Configure(o)
		only := o.Nkeys[0].AllowedConnectionTypes
		if _, inProcess := only[jwt.ConnectionTypeInProcess]; len(only) != 1 || !inProcess {
			t.Errorf("the insider may come by %v", only)
		}
		for _, name := range []string{o.AuthCallout.Issuer, o.Nkeys[0].Nkey} {
			if seen[name] {
				t.Error("a key of another life")
			}
			seen[name] = true
		}
	}
}
