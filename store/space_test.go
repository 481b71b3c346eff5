package store

import (
	"math"
	"testing"
)

func TestSpaceOfAFolder(t *testing.T) {
	space, err := SpaceOf(t.TempDir())
	if err != nil || space.Free <= 0 || space.ReadOnly {
		t.Errorf("%+v, %v", space, err)
	}
	_, err = SpaceOf(t.TempDir() + "/absent")
	if err == nil {
		t.Error("a folder that is not there has space")
	}
	wantError(t, needSpace(t.TempDir(), math.MaxInt64), ErrFull)
}
