package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"

	bolt "go.etcd.io/bbolt"
)

// schemaVersion is the version of the layout below. A change of it needs a
// migration.
const schemaVersion = 6

// auditSchema is the version that the audit trail came with. Its end needs a key,
// which migrations do without.
const auditSchema = 4

// Buckets, with their keys and values. Numbers in keys are big-endian, so that
// keys sort as the numbers do. Records are JSON where nothing else is said.
const (
	bucketMeta     = "meta"     // see the meta keys
	bucketDataKeys = "datakeys" // id u32 → wrappedKey

	bucketDomains   = "domains"   // name → Domain
	bucketAccounts  = "accounts"  // address key → Account
	bucketKeys      = "keys"      // fingerprint → keyRecord
	bucketKeyOwners = "keyowners" // owner 0 fingerprint → nothing
	bucketAnchors   = "anchors"   // source 0 domain 0 fingerprint → Anchor

	bucketKeyRequests = "keyrequests" // id → keyRequestRecord

	bucketBundles       = "bundles"       // name → Bundle
	bucketBundleStates  = "bundlestates"  // name → BundleState
	bucketBundleAnchors = "bundleanchors" // name → a bucket with one set, see decodeBundleSet

	bucketDocuments      = "documents"      // key → documentRecord
	bucketDocumentBodies = "documentbodies" // key → a bucket with the octets of the document

	bucketMailboxes    = "mailboxes"    // id u64 → mailboxRecord; sequence: last id
	bucketMailboxNames = "mailboxnames" // address key 0 name → id u64; sequence: last UIDVALIDITY
	bucketMessages     = "messages"     // mailbox u64, uid u32 → messageRecord
	bucketChanges      = "changes"      // mailbox u64, modseq u64 → uid u32, of messages changed since they came
	bucketTombs        = "tombs"        // mailbox u64, modseq u64 → uid u32, of messages that are gone
	bucketFetched      = "fetched"      // mailbox u64, time u64, uid u32 → nothing, of messages that were read
	bucketDoomed       = "doomed"       // id u64 of a removed mailbox whose messages are still to go → nothing

	bucketJobs      = "jobs"      // id u64 → Job; sequence: last id
	bucketDue       = "due"       // kind 0 due u64 id u64 → see dueValue
	bucketJobCounts = "jobcounts" // kind → jobs u64, bytes u64

	bucketTracks     = "tracks"     // id → Track; sequence: how many there are
	bucketMessageIDs = "messageids" // SHA-256 of class 0 Message-ID in lower case, track id → nothing
	bucketSentIDs    = "sentids"    // SHA-256 of an owning: role 0 Message-ID in lower case 0 address key 0 digest, track id → nothing, of what went out
	bucketEvents     = "events"     // track id, number u32 → Event

	bucketTrackNames = "tracknames" // address key 0 track id → nothing, for sender, account, author and recipients

	bucketDelivered      = "delivered"      // SHA-256 of what makes a delivery the same → time u64, track id, and while it waits for an edge u64 of the job
	bucketDeliveredTimes = "deliveredtimes" // time u64, that SHA-256 → nothing; of those that were made

	bucketAudit       = "audit"       // number u64 → audit.Entry, encoded by itself
	bucketCheckpoints = "checkpoints" // number u64 of the last record it covers → line of an audit.Checkpoint

	bucketAliases      = "aliases"      // address key → Alias
	bucketSentAs       = "sentas"       // address key → SentAs
	bucketAccess       = "access"       // address key 0 id → accessRecord
	bucketLastUse      = "lastuse"      // address key 0 id of an access → LastUse
	bucketHooks        = "hooks"        // address key 0 id → hookRecord
	bucketRequests     = "requests"     // SHA-256 of an account and its idempotency key → requestRecord
	bucketRequestTimes = "requesttimes" // time u64, that SHA-256 → nothing
	bucketCertCache    = "certcache"    // name → certCacheRecord, of certificates for the listeners that were issued over ACME
	bucketStructures   = "structures"   // body id u64 → envelope and structure of the message, sealed

	bucketFormer     = "former"     // address key → Former
	bucketHookStates = "hookstates" // address key 0 id → HookState
	bucketEdges      = "edges"      // address key or domain → edgeRecord
	bucketPushCounts = "pushcounts" // address key 0 Era of the jobs u64 → jobs u64, bytes u64, of what waits for the edge of an account

	// id u64 → bodyRecord, binary; id u64, index u32 → a bucket with one sealed
	// chunk; sequence: last id. Side by side, they are one page to write.
	bucketBodies = "bodies"
	bucketLoose  = "loose" // id u64 of a body of which chunks are here but no record → nothing
)

// Keys of bucketMeta.
const (
	metaSchema     = "schema"     // u32
	metaActiveKey  = "activekey"  // u32, id of a data key
	metaCheck      = "check"      // checkValue, sealed
	metaGeneration = "generation" // u64, see DirectoryTx
	metaEra        = "era"        // u64, see Era

	metaAuditHead = "audithead" // id of a data key u32, audit.Head under a MAC
	metaAuditBase = "auditbase" // signed line that stands in for pruned records
	metaAuditKey  = "auditkey"  // seed of the key that signs checkpoints, sealed
	metaClock     = "clock"     // see Clock
	metaLoginKey  = "loginkey"  // see LoginKey, sealed
)

// buckets are all of them. What is new goes to the end: see stateAt.
func buckets() []string {
	return []string{bucketMeta, bucketDataKeys, bucketDomains, bucketAccounts, bucketKeys, bucketKeyOwners,
		bucketAnchors, bucketMailboxes, bucketMailboxNames, bucketMessages, bucketChanges, bucketTombs,
		bucketDoomed, bucketJobs, bucketDue, bucketJobCounts, bucketTracks, bucketMessageIDs, bucketEvents,
		bucketBodies, bucketLoose, bucketKeyRequests, bucketDocuments, bucketDocumentBodies,
		bucketBundles, bucketBundleStates, bucketBundleAnchors,
		bucketTrackNames, bucketDelivered, bucketDeliveredTimes, bucketAudit, bucketCheckpoints,
		bucketFetched, bucketSentIDs,
		bucketAliases, bucketAccess, bucketLastUse, bucketHooks, bucketRequests, bucketCertCache, bucketStructures, bucketRequestTimes, bucketSentAs,
		bucketHookStates, bucketEdges, bucketPushCounts, bucketFormer}
}

// A migration carries the layout from the version of its index in the table,
// counted from 1, to the next.
type migration func(*bolt.Tx) error

// migrations leads from every version there ever was to schemaVersion.
func migrations() []migration {
	return []migration{toSchema2, toSchema3, toSchema4, toSchema5, toSchema6}
}

// toSchema2 adds keys that wait for a certificate and fetched documents.
func toSchema2(tx *bolt.Tx) error {
	return createBuckets(tx, bucketKeyRequests, bucketDocuments, bucketDocumentBodies)
}

// toSchema3 adds trust bundles, and gives each fetched document a bucket of its
// own.
func toSchema3(tx *bolt.Tx) error {
	err := createBuckets(tx, bucketBundles, bucketBundleStates, bucketBundleAnchors)
	if err != nil {
		return err
	}
	bodies := in(tx, bucketDocumentBodies)
	all := make(map[string][]byte) // a bucket must not change under its cursor
	err = bodies.ForEach(func(k, v []byte) error {
		all[string(k)] = bytes.Clone(v)
		return nil
	})
	for key, body := range all {
		err = errors.Join(err, bodies.Delete([]byte(key)), putAlone(bodies, []byte(key), body))
	}
	if err != nil {
		return fmt.Errorf("moving the documents: %w", err)
	}
	return nil
}

// toSchema4 adds the audit trail, what is known of deliveries, the index of
// tracks by address, and that of messages that were read.
func toSchema4(tx *bolt.Tx) error {
	err := createBuckets(tx, bucketTrackNames, bucketDelivered, bucketDeliveredTimes, bucketAudit, bucketCheckpoints, bucketFetched)
	if err != nil {
		return err
	}
	return errors.Join(fillTrackIndexes(tx), fillQueue(tx))
}

// toSchema5 adds the index of messages of ours by Message-ID and whose own they are,
// and makes that by Message-ID anew.
func toSchema5(tx *bolt.Tx) error { return fillMessageIDs(tx) }

// toSchema6 adds aliases and groups, further secrets of accounts with their last use,
// web hooks, edges, requests that are known by their keys, certificates of the listeners, and
// the structure of stored messages, and begins to count eras.
func toSchema6(tx *bolt.Tx) error {
	err := createBuckets(tx, bucketAliases, bucketAccess, bucketLastUse, bucketHooks, bucketRequests, bucketCertCache, bucketStructures, bucketRequestTimes, bucketSentAs,
		bucketHookStates, bucketEdges, bucketPushCounts, bucketFormer)
	if err != nil {
		return err
	}
	return in(tx, bucketMeta).Put([]byte(metaEra), u64(0))
}

// rewriteRecords calls fn with the records of a bucket that can be read, and stores
// those that it changes. What cannot be read stays: Check tells of it.
func rewriteRecords[T any](t *tx, bucket string, fn func(key []byte, record *T) (changed bool, err error)) error {
	c := t.in(bucket).Cursor()
	for k, v := c.First(); k != nil; k, v = c.Next() {
		record, err := decodeRecord[T](bucket, v)
		if err != nil {
			continue
		}
		key := bytes.Clone(k)
		changed, err := fn(key, &record)
		if err == nil && changed {
			err = t.putRecord(bucket, key, record)
			c.Seek(key) // a cursor does not outlive a change of its bucket
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func createBuckets(tx *bolt.Tx, names ...string) error {
	for _, name := range names {
		_, err := tx.CreateBucket([]byte(name))
		if err != nil {
			return fmt.Errorf("creating bucket %s: %w", name, err)
		}
	}
	return nil
}

// createSchema makes an empty store of the newest version.
func createSchema(tx *bolt.Tx, master KeyWrapper) error {
	err := createBuckets(tx, buckets()...)
	if err != nil {
		return err
	}
	meta := in(tx, bucketMeta)
	err = errors.Join(meta.Put([]byte(metaSchema), u32(schemaVersion)),
		meta.Put([]byte(metaEra), u64(0)),
		meta.Put([]byte(metaStock), []byte("{}"))) // the trail has all of it from the first row on
	if err != nil {
		return err
	}
	ring, err := createKeyring(tx, master)
	if err != nil {
		return err
	}
	return beginAudit(tx, ring)
}

func readSchema(tx *bolt.Tx) (int, error) {
	meta := in(tx, bucketMeta)
	if meta == nil {
		return 0, fmt.Errorf("%w: not a store of Postern", ErrCorrupt)
	}
	v := meta.Get([]byte(metaSchema))
	if len(v) != 4 {
		return 0, fmt.Errorf("%w: the schema version is missing", ErrCorrupt)
	}
	return int(binary.BigEndian.Uint32(v)), nil
}

// migrate brings a store to the version that table leads to.
func migrate(tx *bolt.Tx, table []migration) error {
	version, err := readSchema(tx)
	if err != nil {
		return err
	}
	newest := len(table) + 1
	if version > newest {
		return fmt.Errorf("%w: schema %d, this program knows %d", ErrSchema, version, newest)
	}
	if version < 1 {
		return fmt.Errorf("%w: schema %d", ErrCorrupt, version)
	}
	for ; version < newest; version++ {
		err := table[version-1](tx)
		if err != nil {
			return fmt.Errorf("migrating from schema %d: %w", version, err)
		}
		err = in(tx, bucketMeta).Put([]byte(metaSchema), u32(uint32(version+1)))
		if err != nil {
			return err
		}
	}
	return nil
}

func checkBuckets(tx *bolt.Tx) error {
	for _, name := range buckets() {
		if in(tx, name) == nil {
			return fmt.Errorf("%w: bucket %s is missing", ErrCorrupt, name)
		}
	}
	return nil
}

// in returns a bucket of the layout.
func in(tx *bolt.Tx, name string) *bolt.Bucket { return tx.Bucket([]byte(name)) }

func u32(n uint32) []byte { return binary.BigEndian.AppendUint32(nil, n) }
func u64(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

// u64u32 and u64u64 are composite keys.
func u64u32(a uint64, b uint32) []byte { return binary.BigEndian.AppendUint32(u64(a), b) }
func u64u64(a, b uint64) []byte        { return binary.BigEndian.AppendUint64(u64(a), b) }

// joined is a composite key of texts. Writers refuse a NUL in any part.
func joined(parts ...string) []byte { return []byte(strings.Join(parts, "\x00")) }

// dueKey sorts by kind, then due time, then id.
func dueKey(kind JobKind, due time.Time, id JobID) []byte {
	key := append([]byte(kind), 0)
	key = binary.BigEndian.AppendUint64(key, sortableTime(due))
	return binary.BigEndian.AppendUint64(key, uint64(id))
}

// sortableTime maps times to numbers of the same order. What lies outside of
// the years 1678 to 2262 is moved to their ends.
func sortableTime(t time.Time) uint64 {
	switch {
	case t.Year() < 1678:
		return 0
	case t.Year() > 2261:
		return 1<<64 - 1
	}
	return uint64(t.UnixNano()) ^ 1<<63
}

func timeOfSortable(n uint64) time.Time { return time.Unix(0, int64(n^1<<63)) }
