package store

import (
	"bytes"
	"context"
	"testing"

	bolt "go.etcd.io/bbolt"
)

// chunkOf returns the bucket of a chunk.
func chunkOf(tx *bolt.Tx, id BodyID, index uint32) *bolt.Bucket {
	return in(tx, bucketBodies).Bucket(chunkID(id, index))
}

// changeChunk replaces a sealed chunk.
func changeChunk(id BodyID, index uint32, change func([]byte) []byte) func(*bolt.Tx) error {
	return func(tx *bolt.Tx) error {
		b := chunkOf(tx, id, index)
		return b.Put([]byte(aloneKey), change(bytes.Clone(b.Get([]byte(aloneKey)))))
	}
}

// swapChunks exchanges two sealed chunks.
func swapChunks(a BodyID, i uint32, b BodyID, j uint32) func(*bolt.Tx) error {
	return func(tx *bolt.Tx) error {
		one, two := chunkOf(tx, a, i), chunkOf(tx, b, j)
		first := bytes.Clone(one.Get([]byte(aloneKey)))
		err := one.Put([]byte(aloneKey), bytes.Clone(two.Get([]byte(aloneKey))))
		if err != nil {
			return err
		}
		return two.Put([]byte(aloneKey), first)
	}
}

// changeRecord changes the record of a body.
func changeRecord(id BodyID, change func(*bodyRecord)) func(*bolt.Tx) error {
	return func(tx *bolt.Tx) error {
		b := in(tx, bucketBodies)
		r, err := decodeBodyRecord(b.Get(u64(uint64(id))))
		if err != nil {
			return err
		}
		change(&r)
		return b.Put(u64(uint64(id)), r.encode())
	}
}

// Two bodies of three chunks are stored; whatever is done to the first shows.
func TestChangedBodiesAreCorrupt(t *testing.T) {
	const chunk, a, b = 64 << 10, BodyID(1), BodyID(2)
	tests := map[string]func(*bolt.Tx) error{
		"a bit flipped": changeChunk(a, 1, func(c []byte) []byte { c[100] ^= 4; return c }),
		"a bit of the tag flipped": changeChunk(a, 2, func(c []byte) []byte {
			c[len(c)-1] ^= 1
			return c
		}),
		"a chunk cut":            changeChunk(a, 2, func(c []byte) []byte { return c[:len(c)-1] }),
		"a chunk emptied":        changeChunk(a, 1, func(c []byte) []byte { return nil }),
		"chunks reordered":       swapChunks(a, 0, a, 1),
		"the last one not last":  swapChunks(a, 1, a, 2),
		"chunks of two bodies":   swapChunks(a, 1, b, 1),
		"a chunk dropped":        func(tx *bolt.Tx) error { return in(tx, bucketBodies).DeleteBucket(chunkID(a, 1)) },
		"the last chunk dropped": changeRecord(a, func(r *bodyRecord) { r.size = 2 * chunk }),
		"the size changed":       changeRecord(a, func(r *bodyRecord) { r.size-- }),
		"the size enormous":      changeRecord(a, func(r *bodyRecord) { r.size = 1 << 62 }),
		"the chunk size changed": changeRecord(a, func(r *bodyRecord) { r.chunkSize = 2 * chunk }),
		"the chunk size zero":    changeRecord(a, func(r *bodyRecord) { r.chunkSize = 0 }),
		"the salt changed":       changeRecord(a, func(r *bodyRecord) { r.salt[3]++ }),
		"the key id changed":     changeRecord(a, func(r *bodyRecord) { r.keyID++ }),
		"the tag changed":        changeRecord(a, func(r *bodyRecord) { r.tag[0]++ }),
		"the record of another": func(tx *bolt.Tx) error {
			bodies := in(tx, bucketBodies)
			return bodies.Put(u64(uint64(a)), bytes.Clone(bodies.Get(u64(uint64(b)))))
		},
		"a version of the future": func(tx *bolt.Tx) error {
			bodies := in(tx, bucketBodies)
			r := bytes.Clone(bodies.Get(u64(uint64(a))))
			r[0]++
			return bodies.Put(u64(uint64(a)), r)
		},
	}
	for name, damage := range tests {
		t.Run(name, func(t *testing.T) {
			s := newTestStore(t, Options{chunkSize: chunk})
			data := text(2*chunk + 1000)
			s.add(t, data)
			s.add(t, data)
			s.sound(t)
			s.raw(t, damage)
			got, err := s.read(a)
			wantError(t, err, ErrCorrupt)
			if !bytes.HasPrefix(data, got) {
				t.Error("other bytes were read")
			}
			if len(s.problems(t)) == 0 {
				t.Error("Check found nothing")
			}
		})
	}
}

// The same plain text is never the same on disk, and is nowhere in the clear.
func TestNothingIsStoredInTheClear(t *testing.T) {
	s := newTestStore(t, Options{})
	secret := []byte("the patient's name is Ada Lovelace")
	s.add(t, secret)
	s.add(t, secret)
	key := Key{Owner: "b.example", Certificate: []byte("certificate"), PKCS8: []byte("a private key, not to be seen")}
	key.Fingerprint = FingerprintOf(key.Certificate)
	err := s.Update(context.Background(), func(tx Tx) error { return tx.PutKey(key) })
	if err != nil {
		t.Fatal(err)
	}
	var file bytes.Buffer
	_, err = s.Backup(context.Background(), &file)
	if err != nil {
		t.Fatal(err)
	}
	for _, plain := range [][]byte{secret[4:20], key.PKCS8[2:13]} {
		if bytes.Contains(file.Bytes(), plain) {
			t.Errorf("%q is in the file", plain)
		}
	}
	var first, second []byte
	err = s.bolt.View(func(tx *bolt.Tx) error {
		first = bytes.Clone(chunkOf(tx, 1, 0).Get([]byte(aloneKey)))
		second = bytes.Clone(chunkOf(tx, 2, 0).Get([]byte(aloneKey)))
		return nil
	})
	if err != nil || bytes.Equal(first, second) {
		t.Error("two bodies are sealed alike")
	}
}

func TestChangedKeysAreCorrupt(t *testing.T) {
	s := newTestStore(t, Options{})
	ctx := context.Background()
	one := Key{Owner: "a.example", Certificate: []byte("1"), PKCS8: []byte("key 1"), Fingerprint: FingerprintOf([]byte("1"))}
	two := Key{Owner: "b.example", Certificate: []byte("2"), PKCS8: []byte("key 2"), Fingerprint: FingerprintOf([]byte("2"))}
	err := s.Update(ctx, func(tx Tx) error {
		err := tx.PutKey(one)
		if err != nil {
			return err
		}
		return tx.PutKey(two)
	})
	if err != nil {
		t.Fatal(err)
	}
	// The sealed key of one under the name of the other.
	err = s.update(ctx, func(tx *tx) error {
		a, err := getRecord[keyRecord](tx, bucketKeys, one.Fingerprint[:])
		if err != nil {
			return err
		}
		b, err := getRecord[keyRecord](tx, bucketKeys, two.Fingerprint[:])
		if err != nil {
			return err
		}
		b.Sealed = a.Sealed
		return tx.putRecord(bucketKeys, two.Fingerprint[:], b)
	})
	if err != nil {
		t.Fatal(err)
	}
	err = s.View(ctx, func(tx Tx) error {
		_, err := tx.Key(two.Fingerprint)
		return err
	})
	wantError(t, err, ErrCorrupt)
}
