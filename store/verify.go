package store

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Verify implements Store. The copy is opened for reading alone, and read at half
// the speed of one processor at most.
func (db *DB) Verify(ctx context.Context, path string) (CheckReport, error) {
	report, err := verify(ctx, path, db.ring.Load().master, &pace{work: 20 * time.Millisecond})
	if err != nil {
		return report, fmt.Errorf("verifying the copy %s: %w", path, err)
	}
	return report, nil
}

// CheckCopy checks a copy that Backup made as DB.Check does a store, without restoring
// it: the file is opened for reading alone, under the first of the master keys that
// fits. Errors: ErrMasterKey, ErrCorrupt where it cannot be read at all, ErrSchema for
// one of another schema, which only Restore can carry on, ErrLocked for a store that
// is in use, fs.ErrNotExist.
func CheckCopy(ctx context.Context, path string, keys ...KeyWrapper) (report CheckReport, err error) {
	err = ErrMasterKey
	for _, key := range keys {
		report, err = verify(ctx, path, key, nil)
		if !errors.Is(err, ErrMasterKey) {
			break
		}
	}
	if err != nil {
		return report, fmt.Errorf("checking the copy %s: %w", path, err)
	}
	return report, nil
}

func verify(ctx context.Context, path string, master KeyWrapper, p *pace) (report CheckReport, err error) {
	b, file, err := openReadOnly(path)
	if err != nil {
		return report, err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	return guarded(func() (CheckReport, error) {
		err := checkLength(b)
		if err != nil {
			return CheckReport{}, err
		}
		_, err = checkPages(b, file, Options{frame: true}) // db.check walks all
		if err != nil {
			return CheckReport{}, err
		}
		db := newDB(b, file, Options{MasterKey: master})
		err = db.view(func(t *tx) error {
			version, err := readSchema(t.bolt)
			if err != nil {
				return err
			}
			if version != schemaVersion {
				return fmt.Errorf("%w: schema %d, and this one is %d", ErrSchema, version, schemaVersion)
			}
			return db.load(t.bolt, master)
		})
		if err != nil {
			return CheckReport{}, err
		}
		return db.check(ctx, p)
	})
}

// A pace has whoever works rest as long as he worked. The nil pace never rests.
type pace struct {
	work  time.Duration // at a stretch
	since time.Time     // when the stretch began
}

// rest waits if a stretch of work is over.
func (p *pace) rest(ctx context.Context) error {
	if p == nil {
		return ctx.Err()
	}
	if p.since.IsZero() {
		p.since = time.Now()
	}
	worked := time.Since(p.since)
	if worked < p.work {
		return ctx.Err()
	}
	timer := time.NewTimer(worked)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
	}
	p.since = time.Now()
	return nil
}
