package store

import (
	"context"
	"errors"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"
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

// A damaged index is found and named.
func TestCheckFindsDamagedTrackIndexes(t *testing.T) {
	for name, damage := range map[string]func(*bolt.Tx) error{
		"a name too many": func(b *bolt.Tx) error {
			return in(b, bucketTrackNames).Put([]byte("x@y.example\x0001ARZ3NDEKTSV4RRFFQ69G5FAV"), []byte{})
		},
		"no names": func(b *bolt.Tx) error {
			return errors.Join(b.DeleteBucket([]byte(bucketTrackNames)), createBuckets(b, bucketTrackNames))
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
				return errors.Join(err, tx.PutTrack(Track{ID: id, Sender: address(t, "a@a.example")}))
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
