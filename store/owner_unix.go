//go:build unix

package store

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// giveAway makes a new file the property of the owner of its folder, if that is
// somebody else and we are root: a command that root runs must not leave a file
// that the gateway cannot open.
func giveAway(path string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	info, err := os.Stat(filepath.Dir(path))
	if err != nil {
		return err
	}
	folder, ok := info.Sys().(*syscall.Stat_t)
	if !ok || folder.Uid == 0 {
		return nil
	}
	err = os.Lchown(path, int(folder.Uid), int(folder.Gid))
	if err != nil {
		return fmt.Errorf("giving %s to the owner of its folder: %w", path, err)
	}
	return nil
}
