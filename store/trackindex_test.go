package store

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"postern/mime"
)

// Of the tracks of an earlier schema the indexes are made, and what they tell of
// deliveries is remembered.
func TestTracksOfAnEarlierSchemaAreIndexed(t *testing.T) {
	s := fullStore(t)
	ctx := context.Background()
	doctor, nurse := address(t, "doctor@b.example"), address(t, "nurse@a.example")
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	id, err := NewTrackID(at, nil)
	if err != nil {
		t.Fatal(err)
	}
	var inbox Mailbox
	var before int
	err = s.Update(ctx, func(tx Tx) error {
		inbox, err = tx.CreateMailbox(doctor, Inbox)
		if errors.Is(err, ErrExists) {
			inbox, err = tx.MailboxByName(doctor, Inbox)
		}
		if err != nil {
			return err
		}
		err := tx.PutTrack(Track{ID: id, MessageID: "<1@a.example>", Sender: nurse, Author: nurse, Digest: "d", Received: at,
			Recipients: []TrackRecipient{{Address: doctor, State: TrackDelivered}, {Address: address(t, "gone@b.example"), State: TrackDelivered}}})
		before, _ = tx.CountTracks()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	s.raw(t, func(b *bolt.Tx) error {
		for _, name := range []string{bucketTrackNames, bucketDelivered, bucketDeliveredTimes} {
			err := b.DeleteBucket([]byte(name))
			if err != nil {
				return err
			}
		}
		return errors.Join(
			in(b, bucketTracks).SetSequence(0),
			createBuckets(b, bucketTrackNames, bucketDelivered, bucketDeliveredTimes),
			fillTrackIndexes(b))
	})
	s.sound(t)
	err = s.View(ctx, func(tx Tx) error {
		found := 0
		err := tx.EachTrack(TrackQuery{Address: nurse}, func(k Track) bool {
			found++
			return true
		})
		n, countErr := tx.CountTracks()
		if found != 1 || n != before {
			t.Errorf("%d found of %d, want 1 of %d", found, n, before)
		}
		d, deliveredErr := tx.Delivered(NewDeliveryKey(nurse, inbox.ID, "<1@a.example>", "d"))
		if d.Track != id || !d.At.Equal(at) {
			t.Errorf("delivery %+v", d)
		}
		return errors.Join(err, countErr, deliveredErr)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Others' tracks of a Message-ID, and those whose answers somebody gets, are not even
// read when what he sent is asked for: of these, none can be read.
func TestTracksOfAnOwnerAloneAreRead(t *testing.T) {
	s := newTestStore(t, Options{})
	alice, mine := address(t, "alice@a.example"), TrackID("")
	others := []Track{{Sender: alice}, {Outbound: true, Sender: address(t, "carol@a.example")}, {Author: alice, Recipients: []TrackRecipient{{Address: alice}}},
		{Outbound: true, Sender: address(t, "carol@a.example"), AnswersTo: []mime.Address{alice}}}
	err := s.Update(context.Background(), func(tx Tx) error {
		for i, k := range append(others, Track{Outbound: true, Sender: alice}) {
			id, err := NewTrackID(time.Unix(int64(i), 0), nil)
			k.ID, k.MessageID = id, "<1@a.example>"
			err = errors.Join(err, tx.PutTrack(k))
			if err != nil {
				return err
			}
			mine = id
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	s.raw(t, func(b *bolt.Tx) error {
		c := in(b, bucketTracks).Cursor()
		for k, _ := c.First(); string(k) != string(mine); k, _ = c.Next() {
			err := in(b, bucketTracks).Put(bytes.Clone(k), []byte("{"))
			if err != nil {
				return err
			}
			c.Seek(k)
		}
		return nil
	})
	var found []TrackID
	err = s.View(context.Background(), func(tx Tx) error {
		return tx.EachTrack(TrackQuery{MessageID: "<1@A.EXAMPLE>", SentBy: alice}, func(k Track) bool {
			found = append(found, k.ID)
			return true
		})
	})
	if err != nil || !slices.Equal(found, []TrackID{mine}) {
		t.Errorf("found %v, %v, want %s", found, err, mine)
	}
}

// What strangers sent under a Message-ID is not even read when what was sent is asked
// for: of these, none can be read.
func TestTracksOfAClassAloneAreRead(t *testing.T) {
	s := newTestStore(t, Options{})
	const name = "<1@a.example>"
	sent, err := NewTrackID(time.Unix(0, 0), nil)
	if err != nil {
		t.Fatal(err)
	}
	err = s.Update(context.Background(), func(tx Tx) error {
		err := tx.PutTrack(Track{ID: sent, MessageID: name, Outbound: true})
		for i := range 100 {
			id, idErr := NewTrackID(time.Unix(int64(i), 0), nil)
			err = errors.Join(err, idErr, tx.PutTrack(Track{ID: id, MessageID: name}))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	s.raw(t, func(b *bolt.Tx) error {
		c := in(b, bucketTracks).Cursor()
		for k, _ := c.First(); k != nil; k, _ = c.Next() {
			if string(k) == string(sent) {
				continue
			}
			err := in(b, bucketTracks).Put(bytes.Clone(k), []byte("{"))
			if err != nil {
				return err
			}
			c.Seek(k)
		}
		return nil
	})
	found := 0
	err = s.View(context.Background(), func(tx Tx) error {
		return tx.EachTrack(TrackQuery{MessageID: name, Class: TrackSent}, func(Track) bool {
			found++
			return true
		})
	})
	if err != nil || found != 1 {
		t.Errorf("%d were found, %v", found, err)
	}
}

// A damaged index is found and named.
func TestCheckFindsDamagedTrackIndexes(t *testing.T) {
	for name, damage := range map[string]func(*bolt.Tx) error{
		"a name too many": func(b *bolt.Tx) error {
			return in(b, bucketTrackNames).Put([]byte("x@y.example\x0001ARZ3NDEKTSV4RRFFQ69G5FAV"), []byte{})
		},
		"no names": func(b *bolt.Tx) error {
			return errors.Join(b.DeleteBucket([]byte(bucketTrackNames)), createBuckets(b, bucketTrackNames))
		},
		"an owner too many": func(b *bolt.Tx) error {
			return in(b, bucketSentIDs).Put(sentIDKey("<x@a.example>", owning{}, "01ARZ3NDEKTSV4RRFFQ69G5FAV"), []byte{})
		},
		"an owner that is none": func(b *bolt.Tx) error { return in(b, bucketSentIDs).Put([]byte("x"), []byte{}) },
		"no owners": func(b *bolt.Tx) error {
			return errors.Join(b.DeleteBucket([]byte(bucketSentIDs)), createBuckets(b, bucketSentIDs))
		},
		"a wrong count":     func(b *bolt.Tx) error { return in(b, bucketTracks).SetSequence(77) },
		"a delivery":        func(b *bolt.Tx) error { return in(b, bucketDelivered).Put(make([]byte, 32), make([]byte, 34)) },
		"a delivery's time": func(b *bolt.Tx) error { return in(b, bucketDeliveredTimes).Put(make([]byte, 40), []byte{}) },
		"a reading":         func(b *bolt.Tx) error { return in(b, bucketFetched).Put(make([]byte, 20), []byte{}) },
	} {
		t.Run(name, func(t *testing.T) {
			s := fullStore(t)
			err := s.Update(context.Background(), func(tx Tx) error {
				id, err := NewTrackID(time.Unix(1, 0), nil)
				return errors.Join(err, tx.PutTrack(Track{ID: id, MessageID: "<1@a.example>", Outbound: true, Sender: address(t, "a@a.example")}))
			})
			if err != nil {
				t.Fatal(err)
			}
			s.raw(t, damage)
			report, err := s.Check(context.Background())
			if err != nil || len(report.Problems) == 0 {
				t.Errorf("problems %q, %v", report.Problems, err)
			}
		})
	}
}
