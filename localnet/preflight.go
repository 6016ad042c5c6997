package localnet

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
)

// preflight says, in one go, all that this machine lacks for running containers.
func preflight(o Options) error {
	var missing []string
	if runtime.GOOS != "linux" {
		return fmt.Errorf("containers need Linux, and this is %s", runtime.GOOS)
	}
	if os.Geteuid() != 0 {
		return errors.New("running containers needs root, and this isn't; try again with sudo")
	}
	for _, p := range []struct{ program, pkg string }{
		{"containerd", "containerd"},
		{"containerd-shim-runc-v2", "containerd"},
		{"runc", "runc"},
		{"mkfs.ext4", "e2fsprogs"},
	} {
		if _, err := lookPath(p.program); err != nil {
			missing = append(missing, fmt.Sprintf("%s (apt-get install %s)", p.program, p.pkg))
		}
	}
	if _, err := o.sandbox(); err != nil {
		missing = append(missing, "runsc, the gVisor sandbox (make sandbox)")
	}
	if _, err := os.Stat("/sys/fs/cgroup"); err != nil {
		missing = append(missing, "cgroups (mount them at /sys/fs/cgroup)")
	}
	if len(missing) > 0 {
		return fmt.Errorf("this machine lacks %s; `make setup` installs all of it", strings.Join(missing, "; "))
	}
	return nil
}

// lookPath also looks where Debian keeps root's programs, which a plain user's PATH leaves out.
func lookPath(program string) (string, error) {
	if p, err := exec.LookPath(program); err == nil {
		return p, nil
	}
	for _, dir := range []string{"/usr/sbin/", "/sbin/", "/usr/local/sbin/"} {
		if p, err := exec.LookPath(dir + program); err == nil {
			return p, nil
		}
	}
	return "", exec.ErrNotFound
}

// sandbox finds runsc.
func (o Options) sandbox() (string, error) {
	if p, err := exec.LookPath(o.Sandbox); err == nil {
		return p, nil
	}
	return lookPath("runsc")
}
