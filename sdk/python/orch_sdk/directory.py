"""Directories in memory, for storage drivers' tests."""

from .csi import Directory as _Directory
from .csi import Entry, Failure, Usage

_LARGEST = 64 << 10


class Directory(_Directory):
    def __init__(self):
        #: By path; None is a directory.
        self.tree = {}
        #: The directory, path and `read_only` that are shown in its stead.
        self.mounted = None

    def files(self):
        return {path: contents for path, contents in self.tree.items() if contents is not None}

    def make_directory(self, path):
        names = _names(path)
        for count in range(1, len(names) + 1):
            if self.tree.setdefault("/".join(names[:count])) is not None:
                raise Failure("failed-precondition", f"{path!r}: a file is there")

    def remove(self, path):
        _names(path)
        self.tree = {known: file for known, file in self.tree.items() if not _is_in(known, path)}

    def entries(self, path=""):
        self._must_be_directory(path)
        prefix = f"{path}/" if path else ""
        direct = [known for known in self.tree if known.startswith(prefix) and "/" not in known[len(prefix) :]]
        found = [(known[len(prefix) :], self.tree[known]) for known in sorted(direct)]
        return [Entry(name, file is None, len(file or b"")) for name, file in found]

    def read(self, path):
        _names(path)
        if self.tree.get(path) is None:
            raise Failure("not-found", f"{path!r}: no such file")
        return self.tree[path]

    def write(self, path, contents):
        parent = "/".join(_names(path)[:-1])
        self._must_be_directory(parent)
        if len(contents) > _LARGEST:
            raise Failure("out-of-range", f"{path!r}: larger than 64 KiB")
        if path == "" or (path in self.tree and self.tree[path] is None):
            raise Failure("failed-precondition", f"{path!r}: a directory is there")
        self.tree[path] = bytes(contents)

    def copy(self, path, target, target_path):
        _names(path), _names(target_path)
        if path and path not in self.tree:
            raise Failure("not-found", f"{path!r}: no such file or directory")
        below = {known[len(path) :].lstrip("/"): file for known, file in self.tree.items() if _is_in(known, path)}
        target.remove(target_path)
        for rest, file in {"": self.tree.get(path), **below}.items():
            place = "/".join(part for part in (target_path, rest) if part)
            if place:
                target.tree[place] = file

    def usage(self, path=""):
        sizes = [len(file or b"") for known, file in self.tree.items() if _is_in(known, path)]
        return Usage(used_bytes=sum(sizes), used_inodes=len(sizes))

    def bind_mount(self, path, target, read_only=False):
        self._must_be_directory(path)
        mount = (self, path, read_only)
        if target.mounted not in (None, mount):
            raise Failure("already-exists", "something else is mounted there")
        target.mounted = mount

    def unmount(self):
        self.mounted = None

    def is_mounted(self):
        return self.mounted is not None

    def _must_be_directory(self, path):
        _names(path)
        if path and self.tree.get(path, b"") is not None:
            raise Failure("not-found", f"{path!r}: no such directory")


def _names(path):
    names = path.split("/") if path else []
    if any(name in ("", ".", "..") for name in names):
        raise Failure("invalid-argument", f"{path!r}: not a path below the directory")
    return names


def _is_in(known, path):
    return path == "" or known == path or known.startswith(f"{path}/")
