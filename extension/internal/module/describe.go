package module

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/report"
)

// describe is the identity of the run for its report.
func (r *run) describe() report.Run {
	return report.Run{
		ID: r.id, Start: time.Now(), Labels: identified(identity(os.Args), r.settings.labels),
		Script: r.script.name, ScriptHash: r.script.hash, Commit: commit(r.script.dir),
		Plan: r.faults.planName(), K6Version: k6Version(), Version: moduleVersion(),
		Source: r.settings.source, Sampling: sampling(r.lookup), Options: r.settings.describe(),
	}
}

// gitTimeout bounds the question for the commit.
const gitTimeout = 2 * time.Second

// commit is the git commit that the script's directory is at, with "-dirty"
// behind it when files that git follows are changed; empty outside of git.
func commit(dir string) string {
	if dir == "" {
		return ""
	}
	ctx, cancel := context.WithTimeout(context.Background(), gitTimeout)
	defer cancel()
	git := exec.CommandContext(ctx, "git", "describe", "--always", "--dirty", "--abbrev=40",
		"--exclude=*")
	git.Dir = dir
	out, err := git.Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}

// sampling is the sampler of clients that set none, in the words of
// https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
func sampling(lookup func(string) (string, bool)) string {
	name, ok := lookup("OTEL_TRACES_SAMPLER")
	if !ok || name == "" {
		return "parentbased_always_on"
	}
	if arg, ok := lookup("OTEL_TRACES_SAMPLER_ARG"); ok && arg != "" {
		name += "=" + arg
	}
	return name
}

// describe is what of the settings decides about verdicts.
func (s *settings) describe() map[string]string {
	out := map[string]string{
		"settle": s.settle.String(), "linger": s.linger.String(),
		"max_traces": strconv.Itoa(s.maxTraces),
	}
	if s.sample < 1 {
		out["sample"] = strconv.FormatFloat(s.sample, 'g', -1, 64)
	}
	if len(s.expect) > 0 {
		out["expect"] = strings.Join(s.expect, ", ")
	}
	return out
}

func scriptDir(path string) string {
	if dir, err := filepath.Abs(filepath.Dir(path)); err == nil {
		return dir
	}
	return ""
}
