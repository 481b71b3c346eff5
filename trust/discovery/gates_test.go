package discovery

import (
	"context"
	"fmt"
	"testing"
	"time"

	"postern/mime"
)

func TestPlacesAreGivenBack(t *testing.T) {
	var p places
	var leave []func()
	for i := range findBounds.zone {
		l, err := p.enter(t.Context(), findBounds, mime.Domain(fmt.Sprintf("s%d.b.example", i)), false)
		if err != nil {
			t.Fatal(err)
		}
		leave = append(leave, l)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := p.enter(over, findBounds, "late.b.example", false)
	if err == nil {
		t.Error("one too many")
	}
	known, err := p.enter(t.Context(), findBounds, "known.b.example", true)
	if err != nil {
		t.Fatal(err)
	}
	known()
	for _, l := range leave {
		l()
	}
	if len(p.gates) != 0 {
		t.Errorf("left over: %v", p.gates)
	}
}

func TestLastLabels(t *testing.T) {
	for domain, want := range map[mime.Domain]string{
		"a.b.example": "b.example", "b.example": "b.example", "example": "example", "x.y.b.example": "b.example"} {
		if got := lastLabels(domain); got != want {
			t.Errorf("%s: %s", domain, got)
		}
	}
}

func TestDomainsAreKnownForADay(t *testing.T) {
	var d domains
	for i := range maxKnown + 100 {
		d.alive(mime.Domain(fmt.Sprintf("d%d.example", i)), moment)
	}
	if len(d.heard) != maxKnown {
		t.Errorf("%d are known", len(d.heard))
	}
	d.alive("b.example", moment)
	if !d.known("b.example", moment.Add(knownFor-time.Second)) || d.known("b.example", moment.Add(knownFor)) {
		t.Error("not known for a day")
	}
	d.alive("b.example", moment)
	d.died("b.example", moment)
	if d.known("b.example", moment) {
		t.Error("a dead domain is known")
	}
}
