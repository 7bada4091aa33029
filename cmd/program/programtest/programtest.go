// Package programtest runs a program's real main from its own tests, in a process of its own. It
// never runs anything else.
package programtest

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"testing"
)

// asProgram tells a test binary that it is to be the program.
const asProgram = "HAILONG_AS_PROGRAM"

// Main is a program's TestMain: it runs the tests, or the program where Run asks for it. main ends
// the process itself.
func Main(m *testing.M, main func()) int {
	if os.Getenv(asProgram) != "" {
		main()
		return 0
	}
	return m.Run()
}

// Run runs the program with arguments and returns what it printed and its exit code.
func Run(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.Env = append(os.Environ(), asProgram+"=1")
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		err = nil
	}
	if err != nil {
		t.Fatal(err)
	}
	return out.String(), complaint.String(), cmd.ProcessState.ExitCode()
}
