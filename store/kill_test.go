package store

import "os"

const killedEnv = "POSTERN_TEST_KILLED_WRITER"

func killedWriter(string) { os.Exit(1) }
