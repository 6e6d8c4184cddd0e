"""Disks that lose their power: what was not synced is gone, as after a power cut of a whole machine.

Where the machine allows it, a data directory is an ext4 of its own on a loop device: its shutdown ioctl drops all that is not on the disk, the
journal is replayed when it is mounted again. Elsewhere a library beneath the node (power_shim.c) notes how far each file was synced; files only ever
grow at their end here, so cutting them there is what a power cut leaves."""
import atexit
import fcntl
import os
import shutil
import struct
import subprocess
import tempfile

EXT4_IOC_SHUTDOWN = 0x8004587D
NOLOGFLUSH = 2
IMAGE_MB = 512


def run(*words):
    return subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)


class LoopDisk:
    """An ext4 in a file, mounted at a path."""

    def __init__(self, path):
        self.path, self.image = path, path + ".image"
        os.makedirs(path)
        with open(self.image, "wb") as f:
            f.truncate(IMAGE_MB << 20)
        made = run("mkfs.ext4", "-q", "-m", "0", "-E", "lazy_itable_init=0,lazy_journal_init=0", self.image)
        if made.returncode != 0:
            raise OSError(made.stderr)
        self.mount()
        shutil.rmtree(os.path.join(path, "lost+found"))
        os.sync()

    def mount(self):
        done = run("mount", "-o", "loop", self.image, self.path)
        if done.returncode != 0:
            raise OSError(done.stderr)

    def environment(self):
        return {}

    def cut(self):
        """From here on nothing reaches the disk: every call on it fails."""
        fd = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.ioctl(fd, EXT4_IOC_SHUTDOWN, struct.pack("I", NOLOGFLUSH))
        finally:
            os.close(fd)

    def power_on(self):
        """After its processes have ended."""
        done = run("umount", self.path)
        if done.returncode != 0:
            raise OSError(done.stderr)
        self.mount()

    def finish(self):
        run("umount", "-l", self.path)
        if os.path.exists(self.image):
            os.unlink(self.image)


class ShimDisk:
    """A directory whose processes run above the library."""
    library = None

    def __init__(self, path):
        self.path, self.notes = path, path + ".synced"
        os.makedirs(path)
        if ShimDisk.library is None:
            folder = tempfile.mkdtemp(prefix="truce-shim-")
            atexit.register(shutil.rmtree, folder, ignore_errors=True)
            ShimDisk.library = os.path.join(folder, "power_shim.so")
            source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "power_shim.c")
            made = run("cc", "-shared", "-fPIC", "-O1", "-o", ShimDisk.library, source, "-ldl")
            if made.returncode != 0:
                raise OSError(made.stderr)

    def environment(self):
        return {"LD_PRELOAD": ShimDisk.library, "POWER_SHIM_NOTES": os.path.dirname(self.path)}

    def cut(self):
        """The library is told nothing: a killed process writes no more, and what it had not synced is dropped in power_on()."""

    def power_on(self):
        synced = {}
        if os.path.exists(self.notes):
            with open(self.notes, encoding="ascii") as f:
                for line in f:
                    if line.endswith("\n"):
                        file, size = map(int, line.split())
                        synced[file] = size
        for at, _, names in os.walk(self.path):
            for name in names:
                if name in ("log", "pid"):
                    continue
                path = os.path.join(at, name)
                keep = synced.get(os.stat(path).st_ino, 0)
                if keep < os.path.getsize(path):
                    os.truncate(path, keep)
        with open(self.notes, "w", encoding="ascii") as f:
            for at, _, names in os.walk(self.path):
                f.writelines(f"{s.st_ino} {s.st_size}\n" for s in (os.stat(os.path.join(at, name)) for name in names))

    def finish(self):
        pass


def loop_works():
    """Whether an ext4 can be mounted here, and its power cut."""
    folder = tempfile.mkdtemp(prefix="truce-power-")
    disk = None
    try:
        disk = LoopDisk(os.path.join(folder, "disk"))
        disk.cut()
        disk.power_on()
        return True
    except OSError:
        return False
    finally:
        if disk is not None:
            disk.finish()
        shutil.rmtree(folder, ignore_errors=True)
