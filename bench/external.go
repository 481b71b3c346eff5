package main

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

//go:embed peers/cms.c
var cSource []byte

//go:embed peers/Cms.java
var javaSource []byte

// javaHome is where Debian's packages put jars.
const javaHome = "/usr/share/java"

// jars are what the Java peer needs, and the packages that bring them.
func jars() []string {
	return []string{"bcprov.jar", "bcpkix.jar", "bcutil.jar", "bcmail.jar", "javax.mail.jar", "javax.activation.jar"}
}

const (
	cMissing    = "gcc and libssl-dev are not installed"
	javaMissing = "default-jdk-headless, libbcmail-java, libbcpkix-java, libmail-java or libjaf-java is not installed"
)

// startC builds and starts the program that uses libcrypto. It returns nil if
// there is no compiler or no header.
func (b *bench) startC(ctx context.Context) (*peer, error) {
	_, err := exec.LookPath("cc")
	if err != nil || missing("/usr/include/openssl/cms.h") {
		return nil, nil
	}
	source, program := filepath.Join(b.dir, "cms.c"), filepath.Join(b.dir, "cms")
	err = os.WriteFile(source, cSource, 0o600)
	if err != nil {
		return nil, err
	}
	err = build(ctx, "cc", "-O2", "-o", program, source, "-lcrypto")
	if err != nil {
		return nil, err
	}
	return startPeer(ctx, b.dir, nil, program)
}

// startJava builds and starts the program that uses BouncyCastle. It returns
// nil if there is no JDK or a jar is missing.
func (b *bench) startJava(ctx context.Context) (*peer, error) {
	path := b.dir
	for _, j := range jars() {
		jar := filepath.Join(javaHome, j)
		if missing(jar) {
			return nil, nil
		}
		path += ":" + jar
	}
	_, err := exec.LookPath("javac")
	if err != nil {
		return nil, nil
	}
	source := filepath.Join(b.dir, "Cms.java")
	err = os.WriteFile(source, javaSource, 0o600)
	if err != nil {
		return nil, err
	}
	err = build(ctx, "javac", "-nowarn", "-cp", path, "-d", b.dir, source)
	if err != nil {
		return nil, err
	}
	return startPeer(ctx, b.dir, nil, "java", "-cp", path, "Cms")
}

func missing(file string) bool {
	_, err := os.Stat(file)
	return err != nil
}

func build(ctx context.Context, program string, args ...string) error {
	out, err := exec.CommandContext(ctx, program, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("building a peer with %s: %w\n%s", program, err, out)
	}
	return nil
}

// peerVersions says which peers are here.
func peerVersions(ctx context.Context) string {
	var all []string
	for _, command := range [][]string{{"openssl", "version"}, {"java", "-version"}} {
		out, err := exec.CommandContext(ctx, command[0], command[1:]...).CombinedOutput()
		if err != nil {
			all = append(all, "no "+command[0])
			continue
		}
		line, _, _ := strings.Cut(string(out), "\n")
		all = append(all, line)
	}
	return strings.Join(all, ", ")
}
